//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
)

const health = "http://127.0.0.1:{{.Port}}/grpc.health.v1.Health/"

func TestProtocols(t *testing.T) {
	grpcURLs := []string{"-grpc-url", health + "Check", "-grpc-stream-url", health + "Watch"}
	webSockets := []string{"-ws-url", "ws://127.0.0.1:{{.Port}}/", "-ws-message", "hello {{.ID}}"}
	var wg sync.WaitGroup
	defer wg.Wait()
	for _, test := range []struct {
		server string
		args   []string
		want   string // lost
		client string // that counts
	}{
		{"grpc says", grpcURLs, "", "gRPC stream"},
		{"grpc fails", grpcURLs, "2 error status in phase delay", "gRPC"},
		{"grpc exits", grpcURLs[2:], "3 cut in phase at the exit", "gRPC stream"},
		{"ws says", webSockets, "", "WebSocket"},
		{"ws exits", webSockets, "3 cut in phase at the exit", "WebSocket"},
	} {
		for run := range 5 {
			wg.Go(func() {
				args := append([]string{"-streams", fmt.Sprint(protocolStreams), "-websockets", fmt.Sprint(protocolStreams), "-h2", "4", "-silent", "0", "-load", "50ms", "-start", "2m", "-limit", "2m", "-timeout", "2m"}, test.args...)
				if err := drillProtocol(t.Context(), t.TempDir(), test.server, args, test.want, test.client); err != nil {
					t.Errorf("%s, run %d: %v", test.server, run+1, err)
				}
			})
		}
	}
}

func drillProtocol(ctx context.Context, dir, server string, args []string, want, client string) error {
	cfg, err := parseConfig(append(args, "--", os.Args[0]), io.Discard)
	if err != nil {
		return err
	}
	s := cfg.commandSubject()
	s.env = []string{protocolServer + "=" + server}
	r, err := (&session{cfg: cfg, mode: direct, subject: s, dir: dir, progress: newProgress(io.Discard)}).hold(ctx)
	if err != nil {
		return err
	}
	rep := &Report{}
	rep.add(r)
	var got []string
	for _, row := range rep.Table {
		got = append(got, fmt.Sprintf("%d %s in phase %s", row.Lost[0], row.Kind, row.Phase))
	}
	if strings.Join(got, "; ") != want || r.Grade > "D" {
		return fmt.Errorf("found %q, grade %s, want %q; %+v", got, r.Grade, want, r.Losses)
	}
	for _, c := range r.Clients {
		if c.Client == client && c.Sent >= protocolStreams {
			return nil
		}
	}
	return fmt.Errorf("no requests of %s: %+v", client, r.Clients)
}

func TestProtocolsThatAreNotThere(t *testing.T) {
	t.Setenv(testServer, "polite")
	for _, test := range []struct{ flag, url, want string }{
		{"-grpc-url", health + "Check", "drill.test, direct: -grpc-url fails before any load: "},
		{"-grpc-stream-url", health + "Watch", "drill.test, direct: -grpc-stream-url fails before any load: "},
		{"-ws-url", "ws://127.0.0.1:{{.Port}}/", "drill.test, direct: -ws-url fails before any load: "},
	} {
		code, out, errs := held(t, test.flag, test.url, "--", os.Args[0])
		if code != 2 || !strings.Contains(errs, test.want) || out != "" {
			t.Errorf("%s: exit status %d, want 2 and %q:\n%s%s", test.flag, code, test.want, out, errs)
		}
	}
}
