// Package store has things to be stuck in.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"
)

// A Store has a lock.
type Store struct{ mu sync.Mutex }

// Lock is inlined.
func (s *Store) Lock() {
	s.mu.Lock() // stuck: mutex
}

// Twice locks twice.
func (s *Store) Twice() {
	s.mu.Lock()
	s.mu.Lock() // stuck: method, http mutex
}

// Held is inlined, and makes a function.
func Held() func() {
	var mu sync.Mutex
	mu.Lock()
	return func() {
		mu.Lock() // stuck: inlined
	}
}

// A Pool has one connection, which is in use.
type Pool struct{ db *sql.DB }

// NewPool makes a Pool.
func NewPool() *Pool {
	db := sql.OpenDB(connector{})
	db.SetMaxOpenConns(1)
	if _, err := db.Conn(context.Background()); err != nil {
		panic(err)
	}
	return &Pool{db}
}

// Close asks for a second connection.
func (p *Pool) Close() {
	_ = p.db.Ping() // stuck: pool, http query
}

type connector struct{}

func (connector) Connect(context.Context) (driver.Conn, error) { return connection{}, nil }
func (connector) Driver() driver.Driver                        { return nil }

type connection struct{}

func (connection) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrSkip }
func (connection) Close() error                        { return nil }
func (connection) Begin() (driver.Tx, error)           { return nil, driver.ErrSkip }
