//go:build unix

package main

import (
	"math"
	"net"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// signalNumber returns 0 for a name that no signal has.
func signalNumber(name string) syscall.Signal { return unix.SignalNum(name) }

// ownGroup starts cmd as the leader of a process group: a Ctrl-C on the terminal is for
// the drill alone, and a server that is started by a shell can be ended with it.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { killGroup(cmd); return nil }
}

// killGroup ends the process and all that it has started, as far as that did not leave
// the group.
func killGroup(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// quiet reports whether c is open and nothing has come in. A read with a short deadline
// would not do: where the machine is busy it can pass before the read has begun.
func quiet(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var look error
	err = raw.Read(func(fd uintptr) bool {
		_, _, look = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	})
	return err == nil && look == syscall.EAGAIN
}

// fileLimit is how many files this process may have open.
func fileLimit() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || uint64(limit.Cur) > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(limit.Cur)
}

// highFile is above the files of most servers, and below the limit of files, which is 1024 on most systems.
// To start a process, package syscall needs a few files above it.
func highFile() int { return min(1000, fileLimit()-10) }

// newLifeline passes two pipes to cmd that nobody writes to. They end with the process, and one of them
// before any connection: a process that ends closes its files in the order of their numbers, from the
// lowest or, on Linux, from the highest.
func newLifeline(cmd *exec.Cmd) (*lifeline, error) {
	l := &lifeline{}
	cmd.ExtraFiles = make([]*os.File, highFile()-2) // from number 3 on
	for _, n := range []int{0, len(cmd.ExtraFiles) - 1} {
		r, w, err := os.Pipe()
		if err != nil {
			l.close()
			l.passed()
			return nil, err
		}
		cmd.ExtraFiles[n] = w
		l.ours, l.theirs = append(l.ours, r), append(l.theirs, w)
	}
	return l, nil
}

// cut reports whether the process has ended, or is ending.
func (l *lifeline) cut() bool { return slices.ContainsFunc(l.ours, ended) }

func ended(pipe *os.File) bool {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return false
	}
	var n int
	var read error
	err = raw.Read(func(fd uintptr) bool {
		n, read = syscall.Read(int(fd), make([]byte, 1))
		return true
	})
	return err == nil && n == 0 && read == nil
}

// processorTime is what this process has used until now.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
