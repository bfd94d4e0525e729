package recipes_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/lastcall-go/lastcall/shutdown"
)

// Temporary files: whatever opens them afterwards is closed before they are removed.
func Example_temporaryFiles() {
	var dir string
	main := func(ctx context.Context) error {
		var err error
		if dir, err = os.MkdirTemp("", "spool-"); err != nil {
			return err
		}
		c := shutdown.FromContext(ctx)
		c.Register(func(context.Context) error { return os.RemoveAll(dir) }, shutdown.Name("spool"))

		file, err := os.Create(filepath.Join(dir, "1"))
		if err != nil {
			return err
		}
		c.Register(shutdown.Closer(file), shutdown.Name("spool file"))

		<-ctx.Done()
		return ctx.Err()
	}
	stopSoon(main)

	_, err := os.Stat(dir)
	fmt.Println("removed:", errors.Is(err, os.ErrNotExist))
	// Output: removed: true
}

// An exit log: a line for each end of the program, whatever kind of end it was. The
// report comes after the last handler, so it is Observe that writes it.
func Example_exitLog() {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("exits-%d.log", os.Getpid()))
	defer os.Remove(path)

	exitLog := func(e shutdown.Event) {
		end, ok := e.(shutdown.Drained)
		if !ok {
			return
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
		if err != nil {
			fmt.Fprintln(os.Stderr, "exit log:", err)
			return
		}
		defer f.Close()
		_ = json.NewEncoder(f).Encode(end.Report) // cause, exit code, and how each step went
	}

	for _, main := range []func(context.Context) error{
		func(context.Context) error { return nil },
		func(context.Context) error { return errors.New("no such port") },
		func(context.Context) error { panic("boom") },
	} {
		play(main, func(c *shutdown.Coordinator) { c.Observe = exitLog })
	}

	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		var r struct {
			ExitCode int `json:"exit_code"`
			Error    string
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			fmt.Println(err)
		}
		fmt.Printf("exit code %d, error %q\n", r.ExitCode, r.Error)
	}
	// Output:
	// error: no such port
	// error: panic: boom
	// exit code 0, error ""
	// exit code 1, error "no such port"
	// exit code 2, error "panic: boom"
}

// settings are what a program remembers from one run to the next.
type settings struct {
	Volume int
}

// loadSettings reads the settings, and has them saved at the end.
func loadSettings(c *shutdown.Coordinator, path string) (*settings, error) {
	s := &settings{Volume: 5}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("settings %s: %w", path, err) // not registered: what is wrong is kept
	}
	c.Register(func(context.Context) error { return s.save(path) }, shutdown.Name("settings"))
	return s, nil
}

// save replaces the file in one step: a crash leaves the old one or the new.
func (s *settings) save(path string) error {
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	err = errors.Join(json.NewEncoder(f).Encode(s), f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}

// Saved configuration: it is loaded, changed by the program, and saved at its end. The
// command examples/counter has the same with nothing left out.
func Example_savedConfiguration() {
	dir, _ := os.MkdirTemp("", "settings-")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "settings.json")

	main := func(ctx context.Context) error {
		s, err := loadSettings(shutdown.FromContext(ctx), path)
		if err != nil {
			return err
		}
		s.Volume++
		return nil
	}
	for range 2 {
		play(main)
		text, _ := os.ReadFile(path)
		fmt.Print(string(text))
	}

	_ = os.WriteFile(path, []byte("half of it"), 0o600)
	_, err := loadSettings(new(shutdown.Coordinator), path)
	fmt.Println("accepts anything:", err == nil)
	// Output:
	// {"Volume":6}
	// {"Volume":7}
	// accepts anything: false
}
