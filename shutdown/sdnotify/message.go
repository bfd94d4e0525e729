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

// sendTimeout is how long a message waits for space in the socket's buffer before it is dropped.
// The buffer has space for about ten messages.
const sendTimeout = 100 * time.Millisecond

// send sends the assignments in one message, which systemd handles as a whole.
func send(parts ...string) {
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()
	_ = write(ctx, parts...)
}

// write sends the assignments, and waits for space in the socket's buffer until ctx ends.
// daemon.SdNotify has no such limit.
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

// maxStatus is the maximum length of a status. systemd drops messages of more than 4096 bytes.
const maxStatus = 1000

// status returns the assignment of the text that systemctl status shows. It replaces line breaks:
// the text after a line break would be another assignment.
func status(format string, args ...any) string {
	line := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, fmt.Sprintf(format, args...))
	if len(line) > maxStatus {
		line = strings.ToValidUTF8(line[:maxStatus], "") + "..."
	}
	return "STATUS=" + line
}

// slack is added to the budget of a step, since events may be late.
const slack = 3 * time.Second

// extend extends systemd's timeout to at least d and the slack from now. systemd does not shorten
// its timeout.
func extend(d time.Duration) string {
	return fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", tree.Sum(d, slack).Microseconds())
}

// waiting describes the step with the most time left, and the number of the other running steps.
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

// ended describes the result of the drain.
func ended(r *shutdown.Report) string {
	err := r.Err()
	if err == nil {
		return status("stopped in %s", seconds(r.Took))
	}
	first, _, _ := strings.Cut(tree.Text(err), "\n")
	return status("stopped with failures in %s: %s", seconds(r.Took), first)
}

// why returns the first line of the cause of the stop, for a status.
func why(cause error) string {
	first, _, _ := strings.Cut(tree.Text(cause), "\n")
	return ": " + first
}

func seconds(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }
