package shutdown_test

import (
	"errors"
	"os"
	"syscall"
	"testing"

	"github.com/lastcall-go/lastcall/internal/emulated"
)

func init() {
	scenario("the first process", func() {
		if os.Getpid() != 1 {
			panic("not the first process")
		}
		c := telling(exitGrace)
		c.Reraise = os.Getenv("LASTCALL_TEST_RERAISE") != ""
		c.Register(says("last"))
		endMain(c, untilStopped)
	})
}

// The kernel drops a signal with which the first process of a PID namespace, as in a container,
// would kill itself.
func TestProcessAsTheFirstOfItsNamespace(t *testing.T) {
	t.Parallel()
	mustUnshare(t)
	for name, tt := range map[string]struct {
		reraise string
		sig     syscall.Signal
		code    int
	}{
		"exits with 0":                        {"", syscall.SIGTERM, 0},
		"exits with 143 if it is to reraise":  {"1", syscall.SIGTERM, 143},
		"exits with 130 if it is interrupted": {"1", syscall.SIGINT, 130},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := start(t, "the first process", with("LASTCALL_TEST_RERAISE="+tt.reraise), inNamespace)
			p.expect("running")
			p.signal(tt.sig)
			p.exits(tt.code)
			p.within(exitGrace)
			p.said("last")
		})
	}
}

// inNamespace starts the child as the first process of a PID namespace. A user who is not root
// needs a user namespace for that, too.
func inNamespace(p *child) {
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if uid := os.Getuid(); uid != 0 {
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
	}
	p.cmd.SysProcAttr = attr
}

// mustUnshare skips the test if namespaces cannot be made, as in most containers.
func mustUnshare(t *testing.T) {
	t.Helper()
	emulated.SkipUnder(t, "qemu", "it makes no namespaces")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := newChild(t, self, "nothing")
	inNamespace(p)
	switch err := p.cmd.Run(); {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOSPC):
		t.Skipf("a process of its own PID namespace is not permitted here: %v", err)
	case err != nil:
		t.Fatal(err)
	}
}

func init() { scenario("nothing", func() { os.Exit(0) }) }
