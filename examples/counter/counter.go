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
	// A save replaces the file. If the path is a symbolic link, it should replace the link's target.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return fmt.Errorf("count %s: %w", path, err)
	}
	// The lock is registered first, so it is released last, after the count has been saved.
	shutdown.Register(shutdown.Closer(lock), shutdown.Name("lock"))

	n, err := read(path)
	if err != nil {
		return err
	}
	c.n, c.path = n, path
	// A save that fails now loses nothing. The first one at the end would lose the count.
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
		return 0, fmt.Errorf("count %s: %d is the largest possible count", c.path, c.n)
	}
	c.n++
	return c.n, nil
}

// save is a handler, and may be called earlier. It ignores its context: half of a save would be of no
// use.
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

// read returns the count in a file, 0 if there is no file. Any other content is an error, so that it
// is not overwritten.
func read(path string) (int64, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	const most = 64 // more digits than any count has
	text, err := io.ReadAll(io.LimitReader(f, most))
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil || n < 0 || len(text) == most {
		return 0, fmt.Errorf("count %s: %.20q is not a count; the file was left as it is; move it away to begin with 0", path, text)
	}
	return n, nil
}
