// Command counter counts, and continues from the count of its last run. It is the classic example of
// Python's atexit: a counter that loads itself from a file and registers its own save.
//
//	go run ./examples/counter                # until Ctrl-C
//	go run ./examples/counter -end panic     # or any other way; -h lists them
//
// The count is right after every end that runs handlers. After the other ends, which no program can
// prevent, the file has the last count that was saved, never half of one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/lastcall-go/lastcall/shutdown"
)

func main() {
	cfg, err := parseConfig(os.Args[1:], os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "counter:", err)
		os.Exit(2)
	}
	os.Exit(shutdown.Main(func(ctx context.Context) error { return run(ctx, cfg) }))
}

func run(ctx context.Context, cfg config) error {
	if err := count.load(cfg.file); err != nil {
		return err
	}
	for i := 1; cfg.end.name == wait || i <= cfg.after; i++ {
		if ctx.Err() != nil {
			return ctx.Err() // being asked to stop is not an error
		}
		if err := step(ctx, i, cfg.checkpoint); err != nil {
			return err
		}
		select {
		case <-time.After(cfg.every):
		case <-ctx.Done():
		}
	}
	return cfg.end.end(ctx)
}

// step counts one and prints the count. With -checkpoint it also saves from time to time. An end that
// runs handlers does not need that, but the other ends then lose less.
func step(ctx context.Context, i, checkpoint int) error {
	n, err := count.add()
	if err != nil {
		return err
	}
	if _, err := fmt.Println(n); err != nil {
		return err
	}
	if checkpoint > 0 && i%checkpoint == 0 {
		return count.save(ctx)
	}
	return nil
}
