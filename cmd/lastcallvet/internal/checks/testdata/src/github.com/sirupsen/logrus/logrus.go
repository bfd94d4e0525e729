package logrus

func Fatal(args ...any) {}
func Error(args ...any) {}
