package main

import (
	"cmp"
	"fmt"
	"strings"
	"syscall"
)

// A stopSignal is the name of the signal that stops a server. The zero value is SIGTERM.
type stopSignal string

func (s stopSignal) String() string { return cmp.Or(string(s), "SIGTERM") }

func (s stopSignal) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s stopSignal) number() syscall.Signal { return signalNumber(s.String()) }

// Set takes QUIT as well as SIGQUIT, as the STOPSIGNAL of an image does.
func (s *stopSignal) Set(name string) error {
	full := "SIG" + strings.TrimPrefix(strings.ToUpper(name), "SIG")
	if signalNumber(full) == 0 {
		return fmt.Errorf("there is no signal %s: want a name such as SIGQUIT", full)
	}
	*s = stopSignal(full)
	return nil
}
