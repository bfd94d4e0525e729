//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"errors"
	"os"
	"syscall"
)

// lockFile locks the store, so that no second broker uses it: both would deliver the same jobs,
// and NATS itself has no lock. The system releases the lock when the process ends.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another worker uses it; to share its queue, start that one with -listen 127.0.0.1:4222 and this one with -nats nats://127.0.0.1:4222")
		}
		return nil, err
	}
	return f, nil
}
