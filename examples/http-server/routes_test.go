package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown"
)

// newApp returns an app with its own database, and a function that ends its
// context, as a stop does.
func newApp(t *testing.T) (*app, context.CancelFunc) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	b := &board{coordinator: new(shutdown.Coordinator), stop: ctx.Done()}
	b.filled.Store(true)
	return &app{
		board: b,
		store: newStore(t, filepath.Join(t.TempDir(), "orders.db")),
		log:   zerolog.Nop(),
		admin: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711},
	}, stop
}

func (a *app) request(t *testing.T, method, target, body string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	a.routes().ServeHTTP(w, r)
	return w
}

func TestAnswers(t *testing.T) {
	tests := map[string]struct {
		method, target, body string
		code                 int
		want                 string
	}{
		"page":                {"GET", "/", "", 200, `data-admin-port="4711"`},
		"unknown path":        {"GET", "/nowhere", "", 404, ""},
		"wrong method":        {"DELETE", "/orders", "", 405, ""},
		"work":                {"GET", "/work?for=1ms", "", 200, "worked for 1ms"},
		"work, no duration":   {"GET", "/work?for=long", "", 400, `for="long": want a duration`},
		"work, no unit":       {"GET", "/work?for=2", "", 400, `for="2": want a duration`},
		"work, negative":      {"GET", "/work?for=-1s", "", 400, "want between 0s and 1m0s"},
		"work, too long":      {"GET", "/work?for=61s", "", 400, "want between 0s and 1m0s"},
		"stream":              {"GET", "/stream?for=1ms", "", 200, "end\n"},
		"stream, no duration": {"GET", "/stream?for=x", "", 400, `for="x"`},
		"order":               {"POST", "/orders?item=tea", "", 201, `"item":"tea"`},
		"order in the body":   {"POST", "/orders", " tea\n", 201, `"item":"tea"`},
		"order, nothing":      {"POST", "/orders", "  ", 400, "no item"},
		"order, too long":     {"POST", "/orders", strings.Repeat("x", 1025), 413, "at most 1024 bytes"},
		"order, long query":   {"POST", "/orders?item=" + strings.Repeat("x", 1025), "", 413, "at most 1024 bytes"},
		"order, not text":     {"POST", "/orders", "\xff", 400, "UTF-8"},
		"orders":              {"GET", "/orders", "", 200, `{"count":0,"last":[]}`},
		"state":               {"GET", "/state", "", 200, `"phase":"starting"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, _ := newApp(t)
			w := a.request(t, tt.method, tt.target, tt.body)
			if w.Code != tt.code || !strings.Contains(w.Body.String(), tt.want) {
				t.Errorf("%s %.40s = %d %q, want %d with %q", tt.method, tt.target, w.Code, w.Body, tt.code, tt.want)
			}
		})
	}
}

func TestOrdersAreListedNewestFirst(t *testing.T) {
	a, _ := newApp(t)
	for _, item := range []string{"tea", "coffee"} {
		a.request(t, "POST", "/orders?item="+item, "")
	}
	var got struct {
		Count int64
		Last  []order
	}
	if err := json.NewDecoder(a.request(t, "GET", "/orders", "").Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	var items []string
	for _, o := range got.Last {
		items = append(items, o.Item)
	}
	if diff := cmp.Diff([]string{"coffee", "tea"}, items); diff != "" || got.Count != 2 {
		t.Errorf("count %d, items want -, got +:\n%s", got.Count, diff)
	}
}

func TestOrderIsSavedWhenItsClientHasGone(t *testing.T) {
	a, _ := newApp(t)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	w := httptest.NewRecorder()
	a.routes().ServeHTTP(w, httptest.NewRequestWithContext(ctx, "POST", "/orders?item=tea", nil))
	if n, err := a.store.count(t.Context()); n != 1 || err != nil || w.Code != http.StatusCreated {
		t.Errorf("status %d, %d orders, %v; want 201, 1, nil", w.Code, n, err)
	}
}

func TestNoOrderIsConfirmedWithAClosedDatabase(t *testing.T) {
	a, _ := newApp(t)
	if err := a.store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "POST"} {
		if w := a.request(t, method, "/orders?item=tea", ""); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s = %d, want 503", method, w.Code)
		}
	}
	if n := a.orders.Load(); n != 0 {
		t.Errorf("%d orders counted, want 0", n)
	}
}

func TestWorkIsInterruptedWithItsRequest(t *testing.T) {
	a, _ := newApp(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	a.routes().ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/work?for=1m", nil))
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "interrupted") {
		t.Errorf("%d %q, want 503, interrupted", w.Code, w.Body)
	}
}

func TestAdminBeforeTheStart(t *testing.T) {
	b := &board{coordinator: new(shutdown.Coordinator)}
	for target, code := range map[string]int{"/livez": 200, "/readyz": 503, "/state": 200, "/": 404} {
		w := httptest.NewRecorder()
		adminRoutes(b).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", target, nil))
		if w.Code != code {
			t.Errorf("GET %s = %d, want %d", target, w.Code, code)
		}
	}
	if p := b.phase(); p != starting {
		t.Errorf("phase() = %q, want %q", p, starting)
	}
}

func TestReachable(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:80": "127.0.0.1:80",
		"[::1]:80":     "[::1]:80",
		"app:80":       "app:80",
		"[::]:80":      "localhost:80",
		"0.0.0.0:81":   "localhost:81",
		":82":          "localhost:82",
	} {
		if got := reachable(addr); got != want {
			t.Errorf("reachable(%q) = %q, want %q", addr, got, want)
		}
	}
}
