//go:build unix

package main_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// region helpers

// client does not keep connections, which would be goroutines that are left.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// start starts a program of the manual on a free port.
func start(t *testing.T, pkg string) (p *shutdowntest.Process, addr, dir string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, dir = l.Addr().String(), t.TempDir()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(shutdowntest.Build(t, pkg), "-addr", addr)
	cmd.Dir = dir
	p = shutdowntest.Exec(t, cmd)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			return p, addr, dir
		} else if time.Now().After(end) {
			t.Fatalf("nobody listens on %s: %v\n%s", addr, err, p.Output())
		}
	}
}

// order sends an order and returns the answer.
func order(t *testing.T, addr, item string) string {
	t.Helper()
	res, err := client.Post("http://"+addr+"/orders/"+item, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// endregion

// The first program answers a slow request that was sent before the signal.
func TestFirst(t *testing.T) {
	p, addr, _ := start(t, "./first")
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /slow HTTP/1.1\r\nHost: first\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	p.Signal(syscall.SIGTERM)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("GET /slow: %v\n%s", err, p.Output())
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || string(text) != "done\n" {
		t.Errorf("GET /slow = %q, %v, want %q", text, err, "done\n")
	}
	if exit := p.Wait(); exit.Code != 0 {
		t.Errorf("exit status %d, want 0:\n%s", exit.Code, exit.Output)
	}
}

// region process

// An order that was accepted is in the file.
func TestStart(t *testing.T) {
	p, addr, dir := start(t, ".")
	for _, item := range []string{"tea", "cake"} {
		if got := order(t, addr, item); got != "accepted\n" {
			t.Fatalf("POST /orders/%s = %q, want %q", item, got, "accepted\n")
		}
	}
	p.Signal(syscall.SIGTERM)
	if exit := p.Wait(); exit.Code != 0 {
		t.Errorf("exit status %d, want 0:\n%s", exit.Code, exit.Output)
	}
	content, err := os.ReadFile(filepath.Join(dir, "orders.txt"))
	if got, want := string(content), "tea\ncake\n"; err != nil || got != want {
		t.Errorf("orders.txt = %q, %v, want %q", got, err, want)
	}
}

// endregion
