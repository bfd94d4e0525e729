package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/lastcall-go/lastcall/shutdown"
)

// count belongs to the package. Nothing but its load mentions the end of the program.
var count counter

type counter struct {
	mu   sync.Mutex // held during a save: an older count must not replace a newer one
	n    int64
	path string
}

// load reads the file, if it is there, and has the count saved at the end.
func (c *counter) load(path string) error {
	// Saving replaces the file. Of a symbolic link it should be the file behind it.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return fmt.Errorf("count %s: %w", path, err)
	}
	// Registered first, it is given up last, when the count has been saved.
	shutdown.Register(shutdown.Closer(lock), shutdown.Name("lock"))

	n, err := read(path)
	if err != nil {
		return err
	}
	c.n, c.path = n, path
	// That it cannot be saved is better known now than when there is something to lose.
	if err := c.save(context.Background()); err != nil {
		return err
	}
	shutdown.Register(c.save, shutdown.Name("count"))
	return nil
}

func (c *counter) add() (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == math.MaxInt64 {
		return 0, fmt.Errorf("count %s: %d is the last number there is", c.path, c.n)
	}
	c.n++
	return c.n, nil
}

// save is a handler, and can be called before. It does not look at its context: there is
// no time at which half of it would be of use.
func (c *counter) save(context.Context) error {
	c.mu.Lock()
	n := c.n
	err := replace(c.path, fmt.Appendln(nil, n))
	c.mu.Unlock()
	if err != nil {
		return fmt.Errorf("count %d is not saved: %w", n, err)
	}
	fmt.Println("saved", n)
	return nil
}

// read returns the count in a file, 0 if there is none. What is not a count is an error,
// so that it is not overwritten.
func read(path string) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	const most = 64 // more than any number has digits
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil || n < 0 || len(text) == most {
		return 0, fmt.Errorf("count %s is left as it is: %.20q is not a count; move it away to begin with 0", path, text)
	}
	return n, nil
}
