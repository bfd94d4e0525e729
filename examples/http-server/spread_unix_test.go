//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// How many clients TestManyWebSockets has. With many it is for a run by hand: the server needs as many
// descriptors.
//
//	HTTP_SERVER_TEST_WEBSOCKETS=10000 go test -v -run TestManyWebSockets ./examples/http-server
const (
	manyClients = "HTTP_SERVER_TEST_WEBSOCKETS"
	// runClients makes the test binary open WebSockets: "host:port number".
	runClients = "HTTP_SERVER_TEST_RUN_CLIENTS"
	perProcess = 5000
)

func init() { helpers[runClients] = openWebSockets }

// TestManyWebSockets stops a server with many WebSockets and a window of 20 s. The clients
// are in processes of their own. It looks at the most closes within 100 ms, at any time.
func TestManyWebSockets(t *testing.T) {
	n, _ := strconv.Atoi(os.Getenv(manyClients))
	if n == 0 {
		n = 200 // for the rules; the bound on the busiest 100 ms needs many
	}
	window := 20 * time.Second
	if n < 1000 {
		window = 2 * time.Second
	}
	p := startProcess(t, "-grace", "30s", "-spread", window.String())
	var clients []*exec.Cmd
	var out []*bufio.Reader
	for left := n; left > 0; left -= perProcess {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), runClients+"="+fmt.Sprint(strings.TrimPrefix(p.page, "http://"), " ", min(left, perProcess)))
		cmd.Stderr = os.Stderr
		pipe, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		clients, out = append(clients, cmd), append(out, bufio.NewReader(pipe))
	}
	for _, r := range out {
		if line, err := r.ReadString('\n'); line != "open\n" {
			t.Fatalf("clients said %q, %v", line, err)
		}
	}
	if st := p.state(t); st.Open != n {
		t.Fatalf("%d connections open, want %d", st.Open, n)
	}
	told := time.Now()
	if code := p.terminate(t); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, p.journal)
	}
	took := time.Since(told)

	var closes []time.Duration
	for _, r := range out {
		rest, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(rest) {
			var at int64
			var code int
			if _, err := fmt.Sscan(string(line), &at, &code); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			if code != 1001 {
				t.Errorf("a WebSocket was closed with %d, want 1001", code)
			}
			closes = append(closes, time.Unix(0, at).Sub(told))
		}
	}
	for _, cmd := range clients {
		if err := cmd.Wait(); err != nil {
			t.Errorf("clients: %v", err)
		}
	}
	if len(closes) != n {
		t.Fatalf("%d WebSockets were closed, want %d", len(closes), n)
	}
	slices.Sort(closes)
	const part = 100 * time.Millisecond
	busiest, begin := 0, 0
	for i, at := range closes {
		for at-closes[begin] >= part {
			begin++
		}
		busiest = max(busiest, i-begin+1)
	}
	mean := float64(n) * float64(part) / float64(window)
	cpu := p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	t.Logf("%d WebSockets in %d processes: the first left after %v, the last after %v; exit after %v", n, len(clients), closes[0], closes[n-1], took)
	t.Logf("busiest %v: %d closes, %.2f times the mean of %.1f; processor time of the server in all: %v", part, busiest, float64(busiest)/mean, mean, cpu)
	if n >= 10_000 && float64(busiest) > 1.3*mean {
		t.Errorf("the busiest %v has more than 1.3 times the mean", part)
	}
}

// openWebSockets opens n WebSockets and says so. For each that the server closes, it prints when, and
// the status.
func openWebSockets(to string) {
	var addr string
	var n int
	if _, err := fmt.Sscan(to, &addr, &n); err != nil {
		panic(err)
	}
	type end struct {
		at   time.Time
		code int
	}
	ends := make([]end, n)
	var open, closed sync.WaitGroup
	slots := make(chan struct{}, 64)
	for i := range ends {
		slots <- struct{}{}
		open.Add(1)
		closed.Go(func() {
			c, r, err := dialWebSocket(addr)
			<-slots
			open.Done()
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			}
			defer c.Close()
			code, err := readClose(r)
			ends[i] = end{time.Now(), code}
			if err == nil { // the answer, masked with zeros, as clients do
				_, err = c.Write([]byte{0x88, 0x82, 0, 0, 0, 0, byte(code >> 8), byte(code)})
			}
			if err == nil {
				_, err = io.ReadAll(r)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		})
	}
	open.Wait()
	fmt.Println("open")
	closed.Wait()
	w := bufio.NewWriter(os.Stdout)
	for _, e := range ends {
		fmt.Fprintln(w, e.at.UnixNano(), e.code)
	}
	if err := w.Flush(); err != nil {
		panic(err)
	}
}

func dialWebSocket(addr string) (net.Conn, *bufio.Reader, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, nil, err
	}
	r := bufio.NewReaderSize(c, 256)
	_, err = io.WriteString(c, "GET /echo HTTP/1.1\r\nHost: "+addr+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	for line := ""; err == nil && line != "\r\n"; {
		line, err = r.ReadString('\n')
	}
	return c, r, err
}

// readClose reads a close frame, and returns its status.
func readClose(r *bufio.Reader) (code int, err error) {
	header := make([]byte, 2)
	if _, err := io.ReadFull(r, header); err != nil {
		return 0, err
	}
	payload := make([]byte, header[1])
	if _, err := io.ReadFull(r, payload); err != nil {
		return 0, err
	}
	if header[0] != 0x88 || len(payload) < 2 {
		return 0, fmt.Errorf("a frame %x %x, want a close frame", header, payload)
	}
	return int(binary.BigEndian.Uint16(payload)), nil
}
