package httpdrain_test

import (
	"net/http"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

// Where the program has too few descriptors for what waits at its listener when it stops,
// that is served as they come free.
func TestAcceptQueueIsServedWithFewDescriptors(t *testing.T) {
	const n, few = 20, 6
	tl := listen(t)
	clients := make([]*client, n)
	for i := range clients {
		clients[i] = dial(t, "tcp", tl.Addr().String())
	}
	limitDescriptors(t, few)
	s := startOn(t, tl, &http.Server{Handler: hello})
	s.until("no more descriptors", func(st httpdrain.Stats) bool { return st.New == few })
	s.stop()
	time.Sleep(20 * time.Millisecond) // to ask whether it has been told would take a descriptor
	for i, c := range clients {
		c.get("/")
		if _, body := c.answer(); body != "hello" {
			t.Errorf("client %d: body = %q", i, body)
		}
	}
	s.drained()
}

// limitDescriptors leaves n more to the process until the test ends.
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
	for fd := 0; fd <= highest; { // those that are free below
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
