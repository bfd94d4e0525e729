//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"errors"
	"os"
	"syscall"
)

// lockFile keeps a second broker away from the store, which does not do that itself: both
// would hand out the same jobs. The system gives the lock back, however the process ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another worker is using it; start that one with -listen 127.0.0.1:4222, and this one with -nats nats://127.0.0.1:4222")
		}
		return nil, err
	}
	return f, nil
}
