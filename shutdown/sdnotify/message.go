package sdnotify

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/lastcall-go/lastcall/internal/tree"
	"github.com/lastcall-go/lastcall/shutdown"
)

func enabled() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// mostWait is how long a message waits for room in the socket before it is dropped. There are
// ten or so in it when systemd has not run for a while.
const mostWait = 100 * time.Millisecond

// send sends what there is to say in one message, so that systemd takes it in as one.
func send(parts ...string) {
	ctx, cancel := context.WithTimeout(context.Background(), mostWait)
	defer cancel()
	_ = write(ctx, parts...)
}

// write is send that waits until ctx ends. daemon.SdNotify has no end where nobody reads.
func write(ctx context.Context, parts ...string) error {
	if !enabled() {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: os.Getenv("NOTIFY_SOCKET")})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	defer context.AfterFunc(ctx, func() { _ = conn.SetWriteDeadline(time.Unix(1, 0)) })()
	_, err = conn.Write([]byte(assignments(parts...)))
	return err
}

func assignments(parts ...string) string { return strings.Join(parts, "\n") }

// mostStatus is how long a status may be: systemd drops a message of more than 4096 bytes, and
// with it what else it says.
const mostStatus = 1000

// status is what systemctl status shows. It is one line: a name with a line break in it must
// not become an assignment of its own.
func status(format string, args ...any) string {
	line := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, fmt.Sprintf(format, args...))
	if len(line) > mostStatus {
		line = strings.ToValidUTF8(line[:mostStatus], "") + "..."
	}
	return "STATUS=" + line
}

// slack is added to the budget of a step: the events may be late.
const slack = 3 * time.Second

// extend keeps systemd from ending the program for this time, if it would. systemd never
// shortens a timeout by it.
func extend(d time.Duration) string {
	return fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", tree.Sum(d, slack).Microseconds())
}

// waiting says what is waited for: the step that may take longest, with what it waits for and
// says of itself, and how many more there are.
func waiting(e shutdown.Waiting) []string {
	if len(e.Steps) == 0 {
		return nil
	}
	longest := slices.MaxFunc(e.Steps, func(a, b shutdown.WaitingStep) int { return cmp.Compare(a.Left, b.Left) })
	text := fmt.Sprintf("waiting for %s %s", longest.Kind, longest.Name)
	if longest.Status != "" {
		text += ": " + longest.Status
	}
	if longest.WaitsFor != "" {
		text += ", which waits for " + longest.WaitsFor
	}
	if more := len(e.Steps) - 1; more > 0 {
		text += fmt.Sprintf(", and %d more", more)
	}
	return []string{status("%s; %s left", text, seconds(e.Left)), extend(longest.Left)}
}

// ended says how the drain went.
func ended(r *shutdown.Report) string {
	err := r.Err()
	if err == nil {
		return status("stopped in %s", seconds(r.Took))
	}
	first, _, _ := strings.Cut(tree.Text(err), "\n")
	return status("stopped with failures in %s: %s", seconds(r.Took), first)
}

// why is the cause of the stop, for a status.
func why(cause error) string {
	first, _, _ := strings.Cut(tree.Text(cause), "\n")
	return ": " + first
}

func seconds(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }
