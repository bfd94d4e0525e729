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

// Temporary files are removed at the end. A file that is opened after the folder was registered
// is closed before the folder is removed.
func Example_temporaryFiles() {
	var dir string
	stopSoon(func(ctx context.Context) error {
		// region files
		var err error
		if dir, err = os.MkdirTemp("", "spool-"); err != nil {
			return err
		}
		shutdown.Register(func(context.Context) error { return os.RemoveAll(dir) }, shutdown.Name("spool"))

		file, err := os.Create(filepath.Join(dir, "1"))
		if err != nil {
			return err
		}
		shutdown.Register(shutdown.Closer(file), shutdown.Name("spool file"))
		// endregion

		<-ctx.Done()
		return ctx.Err()
	})

	_, err := os.Stat(dir)
	fmt.Println("removed:", errors.Is(err, os.ErrNotExist))
	// Output: removed: true
}

// An exit log has a line for each end of the program. The report is complete after the last
// handler, so Observe writes it, and not a handler.
func Example_exitLog() {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("exits-%d.log", os.Getpid()))
	defer os.Remove(path)

	// region exitlog
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
		_ = json.NewEncoder(f).Encode(end.Report) // cause, exit code, and the outcome of each step
	}
	// endregion

	for _, main := range []func(context.Context) error{
		func(context.Context) error { return nil },
		func(context.Context) error { return errors.New("no such port") },
		func(context.Context) error { panic("boom") },
	} {
		c := coordinator()
		c.Observe = exitLog
		c.Run(context.Background(), main) // Main would panic again with main's panic
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
	// exit code 0, error ""
	// exit code 1, error "no such port"
	// exit code 2, error "panic: boom"
}

// settings are what a program remembers from one run to the next.
type settings struct {
	Volume int
}

// region settings
// loadSettings reads the settings, and registers a handler that saves them at the end.
func loadSettings(path string) (*settings, error) {
	s := &settings{Volume: 5}
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, s)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("settings %s: %w", path, err) // no handler: the invalid file stays as it is
	}
	shutdown.Register(func(context.Context) error { return s.save(path) }, shutdown.Name("settings"))
	return s, nil
}

// save replaces the file in one step: a crash leaves the old file or the new one.
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

// endregion

// Settings are loaded, changed by the program, and saved at its end. The command
// examples/counter does the same, and locks the file as well.
func Example_settings() {
	dir, _ := os.MkdirTemp("", "settings-")
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "settings.json")

	main := func(ctx context.Context) error {
		s, err := loadSettings(path)
		if err != nil {
			return err
		}
		s.Volume++
		return nil
	}
	for range 2 {
		play(coordinator(), main)
		text, _ := os.ReadFile(path)
		fmt.Print(string(text))
	}

	_ = os.WriteFile(path, []byte("half of it"), 0o600)
	_, err := loadSettings(path)
	fmt.Println("accepts anything:", err == nil)
	// Output:
	// {"Volume":6}
	// {"Volume":7}
	// accepts anything: false
}
