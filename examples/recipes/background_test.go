package recipes_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A shop answers an order at once, and sends the receipt afterwards.
type shop struct {
	mail mail
}

// region background
func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	address := r.FormValue("address")
	// The receipt is sent after the response. The drain waits for it.
	ok := shutdown.Go(r.Context(), "receipt", func(ctx context.Context) error {
		return s.mail.send(ctx, address)
	})
	if !ok { // main has ended, so that nothing would wait for the receipt
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

// endregion

// An inbox receives messages from a client library, which calls receive on goroutines of its
// own.
type inbox struct {
	handle func(message)
}

// region hold
func (i *inbox) receive(m message) {
	release, ok := shutdown.Hold("message")
	if !ok { // main has ended: let the broker deliver the message to another instance
		m.Nack()
		return
	}
	defer release() // until then the drain waits for this message
	i.handle(m)
	m.Ack()
}

// endregion

// Each receipt of an order that was accepted is sent, although the request to stop comes
// while all of them are under way.
func TestBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const orders = 30
		s := &shop{mail: mail{takes: 3 * time.Second}}
		l := shutdowntest.Listen(t)
		p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
			var g group.Group
			srv := &http.Server{Handler: http.HandlerFunc(s.order)}
			g.Go("http", httpdrain.Serve(srv, httpdrain.Listener(l)))
			return g.Run(ctx)
		})
		for range orders {
			res, err := l.Client().Post("http://shop/", "application/x-www-form-urlencoded", strings.NewReader("address=ann"))
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode != http.StatusAccepted {
				t.Errorf("status %d, want 202", res.StatusCode)
			}
		}
		if n := s.mail.count(); n != 0 {
			t.Fatalf("%d receipts were sent before the stop, want 0", n)
		}
		p.Signal(syscall.SIGTERM)
		p.Clean()
		if n := s.mail.count(); n != orders {
			t.Errorf("%d receipts sent, want %d", n, orders)
		}
	})
}

// Work that does not end by the deadline is named in the report, and sees the end of its
// context before that.
func TestBackgroundIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{mail: mail{takes: time.Hour}}
		l := shutdowntest.Listen(t)
		p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
			return httpdrain.Serve(&http.Server{Handler: http.HandlerFunc(s.order)}, httpdrain.Listener(l))(ctx)
		})
		res, err := l.Client().Post("http://shop/", "text/plain", nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		p.Signal(syscall.SIGTERM)
		report := p.Wait()
		if err := report.Err(); !errors.Is(err, shutdown.ErrGrace) || !strings.Contains(err.Error(), "receipt") {
			t.Errorf("report.Err() = %v, want ErrGrace of the step receipt", err)
		}
		if s.mail.count() != 0 || report.Took > report.Grace {
			t.Errorf("%d receipts, took %v of %v", s.mail.count(), report.Took, report.Grace)
		}
	})
}

// A message that a callback has in hand is handled and acknowledged. A message that comes
// after main's end is given back.
func TestHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got events
		in := &inbox{handle: func(message) { time.Sleep(3 * time.Second) }}
		p := shutdowntest.Start(t, nil, func(ctx context.Context) error {
			for range 5 {
				go in.receive(message{&got})
			}
			shutdown.Register(func(context.Context) error {
				got.add("closed")
				in.receive(message{&got})
				return nil
			}, shutdown.Name("client"))
			<-ctx.Done()
			return ctx.Err()
		})
		synctest.Wait()
		p.Signal(syscall.SIGTERM)
		p.Clean()
		want := []string{"ack", "ack", "ack", "ack", "ack", "closed", "nack"}
		if got := got.list(); !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
	})
}

// mail takes some time for each receipt.
type mail struct {
	takes time.Duration

	mu   sync.Mutex
	sent []string
}

func (m *mail) send(ctx context.Context, address string) error {
	select {
	case <-time.After(m.takes):
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent = append(m.sent, address)
	return nil
}

func (m *mail) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.sent)
}

// A message is one of a broker, which waits for an answer.
type message struct {
	events *events
}

func (m message) Ack()  { m.events.add("ack") }
func (m message) Nack() { m.events.add("nack") }
