package main

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newStore(t *testing.T, path string) *store {
	t.Helper()
	s, err := openStore(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStoreKeepsOrdersAcrossRestarts(t *testing.T) {
	// The path has characters that are special in a URI.
	path := filepath.Join(t.TempDir(), "new folder", "50% off #1.db")
	s := newStore(t, path)
	var want []order
	for _, item := range []string{"tea", "Grüner Tee", "'; DROP TABLE orders; --"} {
		o, err := s.add(t.Context(), item)
		if err != nil {
			t.Fatal(err)
		}
		want = append([]order{o}, want...)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	again := newStore(t, path)
	got, err := again.last(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("orders after reopening, want -, got +:\n%s", diff)
	}
	if n, err := again.count(t.Context()); n != 3 || err != nil {
		t.Errorf("count() = %d, %v, want 3, nil", n, err)
	}
}

func TestStoreWaitsForTheDisk(t *testing.T) {
	s := newStore(t, filepath.Join(t.TempDir(), "orders.db"))
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000"} {
		var got string
		if err := s.db.QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
			t.Errorf("PRAGMA %s = %q, %v, want %q", pragma, got, err, want)
		}
	}
}

func TestStoreServesManyWriters(t *testing.T) {
	s := newStore(t, filepath.Join(t.TempDir(), "orders.db"))
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := s.add(t.Context(), "tea"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n, err := s.count(t.Context()); n != 50 || err != nil {
		t.Errorf("count() = %d, %v, want 50, nil", n, err)
	}
}

func TestStoreAddEndsWithItsContext(t *testing.T) {
	s := newStore(t, filepath.Join(t.TempDir(), "orders.db"))
	tx, err := s.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.add(ctx, "tea"); !errors.Is(err, context.Canceled) {
		t.Errorf("add() = %v, want context.Canceled", err)
	}
}

func TestOpenStoreRefusesAFolder(t *testing.T) {
	dir := t.TempDir()
	if s, err := openStore(t.Context(), dir); err == nil {
		_ = s.Close()
		t.Errorf("openStore(%s) of a folder succeeded", dir)
	}
}
