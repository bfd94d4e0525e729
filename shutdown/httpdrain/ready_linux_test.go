package httpdrain_test

import (
	"net/http"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// If the process has too few descriptors for the connections in its accept queue when it is told
// to stop, it serves them as descriptors become free.
func TestAcceptQueueIsServedWithFewDescriptors(t *testing.T) {
	const n, few = 20, 6
	tl := listen(t)
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = dial(t, "tcp", tl.Addr().String())
		clients[i].get("/") // the drain closes connections that send nothing
	}
	limitDescriptors(t, few)
	g := newGate(t)
	s := startOn(t, tl, &http.Server{Handler: g})
	s.until("no more descriptors", func(st httpdrain.Stats) bool { return st.Requests == few })
	g.releaseAfter(s.stop)
	for i, c := range clients {
		if _, body := c.answer(); body != "held" {
			t.Errorf("client %d: body = %q", i, body)
		}
	}
	s.drained()
}

// limitDescriptors lets the process open n more descriptors until the test ends.
func limitDescriptors(t *testing.T, n int) {
	t.Helper()
	used, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	highest := 0
	for _, e := range used {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		highest = max(highest, fd)
	}
	for fd := 0; fd <= highest; { // use up the free descriptors below highest
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		fd = int(f.Fd())
		highest = max(highest, fd-1)
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: uint64(highest + 2 + n), Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Error(err)
		}
	})
}
