package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A backend is the server that the proxies forward to. It is not stopped in a drill. What it does for a
// request is the same as in servers/internal/work. A proxy names the file for the ids of its requests
// in the header X-Record.
type backend struct {
	port string
	srv  *http.Server

	mu      sync.Mutex
	records map[string]*os.File
}

func newBackend() (*backend, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &backend{port: fmt.Sprint(listener.Addr().(*net.TCPAddr).Port), records: map[string]*os.File{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) { b.answer(w, r, 0) })
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) { b.answer(w, r, 500*time.Millisecond) })
	b.srv = &http.Server{Handler: mux}
	go func() { _ = b.srv.Serve(listener) }()
	return b, nil
}

func (b *backend) answer(w http.ResponseWriter, r *http.Request, after time.Duration) {
	if err := b.record(r.Header.Get("X-Record"), r.Header.Get("X-Request-Id")); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	time.Sleep(after)
	fmt.Fprintln(w, "done")
}

// record writes only into folders of a drill.
func (b *backend) record(name, id string) error {
	if !strings.HasPrefix(filepath.Clean(name), filepath.Join(os.TempDir(), "drill-")) {
		return fmt.Errorf("X-Record %q is not in a folder of a drill", name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.records[name]
	if f == nil {
		var err error
		if f, err = os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
			return err
		}
		b.records[name] = f
	}
	_, err := fmt.Fprintln(f, id)
	return err
}

func (b *backend) close() error {
	errs := []error{b.srv.Close()}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.records {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
