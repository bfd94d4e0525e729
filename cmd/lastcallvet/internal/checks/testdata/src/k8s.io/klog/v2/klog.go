package klog

func Exitf(format string, args ...any) {}
