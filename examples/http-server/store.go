package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // a driver in pure Go, so that the example needs no C compiler

	"github.com/lastcall-go/lastcall/shutdown"
)

const schema = `CREATE TABLE IF NOT EXISTS orders (
	id   INTEGER PRIMARY KEY AUTOINCREMENT,
	item TEXT    NOT NULL,
	at   INTEGER NOT NULL -- milliseconds since 1970
) STRICT;
CREATE TABLE IF NOT EXISTS items (
	id   INTEGER PRIMARY KEY,
	name TEXT    NOT NULL
) STRICT`

type order struct {
	ID   int64     `json:"id"`
	Item string    `json:"item"`
	At   time.Time `json:"at"`
}

// store keeps the orders in SQLite. An order that add has confirmed survives a
// crash of the process and of the machine.
type store struct{ db *sql.DB }

func openStore(ctx context.Context, path string) (*store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	dsn, err := dataSource(path)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	// SQLite allows one writer at a time. With one connection the writers wait in
	// database/sql, in order and with their contexts. SQLite's own busy timeout
	// then matters only for other processes.
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, schema); err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	return &store{db}, nil
}

// dataSource asks for a write-ahead log that is synced to the disk before a
// commit returns. With the default of many drivers a confirmed row can be lost
// when the machine crashes.
func dataSource(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	slashed := "/" + strings.TrimPrefix(filepath.ToSlash(abs), "/")
	pragmas := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)"}}
	return (&url.URL{Scheme: "file", Path: slashed, RawQuery: pragmas.Encode()}).String(), nil
}

// Close waits for the running statement.
func (s *store) Close() error { return s.db.Close() }

// fillPause is the time between two items that fill adds.
const fillPause = 50 * time.Millisecond

// fill fills the table of items, one after the other, for the given time. It
// stands for what a service does before it can answer.
func (s *store) fill(ctx context.Context, takes time.Duration) error {
	for i, end := 1, time.Now().Add(takes); time.Now().Before(end); i++ {
		if _, err := s.db.ExecContext(ctx, `INSERT OR REPLACE INTO items (id, name) VALUES (?, ?)`, i, fmt.Sprint("item ", i)); err != nil {
			return fmt.Errorf("database: %w", err)
		}
		shutdown.SetStatus(ctx, fmt.Sprint(i, " items"))
		select {
		case <-time.After(fillPause):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// add returns after the commit. It does not use INSERT with RETURNING: that
// returns the row before the commit, and hides an error of the commit.
func (s *store) add(ctx context.Context, item string) (order, error) {
	at := time.Now().Truncate(time.Millisecond).UTC()
	res, err := s.db.ExecContext(ctx, `INSERT INTO orders (item, at) VALUES (?, ?)`, item, at.UnixMilli())
	if err != nil {
		return order{}, err
	}
	id, err := res.LastInsertId()
	return order{id, item, at}, err
}

func (s *store) count(ctx context.Context) (n int64, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT count(*) FROM orders`).Scan(&n)
	return n, err
}

// last returns the n newest orders, newest first.
func (s *store) last(ctx context.Context, n int) ([]order, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT id, item, at FROM orders ORDER BY id DESC LIMIT ?`, n)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	orders := []order{}
	for rows.Next() {
		var o order
		var at int64
		if err := rows.Scan(&o.ID, &o.Item, &at); err != nil {
			return nil, err
		}
		o.At = time.UnixMilli(at).UTC()
		orders = append(orders, o)
	}
	return orders, rows.Err()
}
