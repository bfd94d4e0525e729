// Package helper has the causes that are in another package than the finding.
package helper

import (
	"log"
	"os"
	"sync"
)

// Die ends the process.
func Die(msg string) {
	println(msg)
	os.Exit(1)
}

// Check ends the process if there is an error.
func Check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// Log does not.
func Log(err error) {
	if err != nil {
		log.Print(err)
	}
}

// TempDir makes a folder and returns what removes it.
func TempDir() (string, func()) {
	dir, _ := os.MkdirTemp("", "x")
	return dir, func() { _ = os.RemoveAll(dir) }
}

// Store has a file beside it while it is open.
type Store struct{ lock string }

func (s *Store) Close() error { return os.Remove(s.lock) }

// Reader has nothing that outlives the process.
type Reader struct{ f *os.File }

func (r *Reader) Close() error { return r.f.Close() }

// Conn has a goroutine.
type Conn struct{ wg sync.WaitGroup }

func (c *Conn) Close() { c.wg.Wait() }
