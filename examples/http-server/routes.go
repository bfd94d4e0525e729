package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
)

const (
	maxWork = time.Minute // limit of ?for=; longer than the usual grace period, to see work interrupted
	maxItem = 1 << 10     // bytes in an order
	tick    = 500 * time.Millisecond
)

//go:embed page.html
var pageHTML string

var page = template.Must(template.New("page").Parse(pageHTML))

type app struct {
	*board
	store *store
	log   zerolog.Logger
	admin net.Addr
}

func (a *app) routes() http.Handler {
	work := http.NewServeMux()
	work.HandleFunc("GET /{$}", a.page)
	work.HandleFunc("GET /work", a.work)
	work.HandleFunc("GET /stream", a.stream)
	work.HandleFunc("GET /events", a.events)
	work.HandleFunc("GET /echo", a.echo)
	work.HandleFunc("GET /orders", a.whenFilled(a.listOrders))
	work.HandleFunc("POST /orders", a.whenFilled(a.addOrder))

	mux := http.NewServeMux()
	mux.Handle("/", a.counted(work))
	mux.Handle("GET /state", a.board) // not counted: it only looks
	return mux
}

// fill fills the database, and takes at least the given time.
func (a *app) fill(ctx context.Context, atLeast time.Duration) error {
	if err := a.store.fill(ctx, atLeast); err != nil {
		return err
	}
	n, err := a.store.count(ctx)
	a.orders.Store(n)
	a.filled.Store(err == nil)
	return err
}

// whenFilled refuses requests that come before the database is filled. With a
// load balancer that asks /readyz there are none.
func (a *app) whenFilled(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !a.filled.Load() {
			http.Error(w, "starting: the database is being filled", http.StatusServiceUnavailable)
			return
		}
		h(w, r)
	}
}

func (a *app) page(w http.ResponseWriter, _ *http.Request) {
	_, port, _ := net.SplitHostPort(a.admin.String())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := page.Execute(w, map[string]string{"AdminPort": port}); err != nil {
		a.log.Debug().Err(err).Msg("cannot write the page")
	}
}

// work takes as long as ?for= says. It is finished even if a stop is requested
// meanwhile. If it takes longer than the server may, it ends with status 503
// shortly before the server's deadline.
func (a *app) work(w http.ResponseWriter, r *http.Request) {
	d, err := howLong(r, time.Second)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(d):
		fmt.Fprintf(w, "worked for %v\n", d)
	case <-r.Context().Done():
		http.Error(w, "interrupted: "+context.Cause(r.Context()).Error(), http.StatusServiceUnavailable)
	}
}

// stream writes a line at each tick. Unlike work it ends as soon as a stop is
// requested: its client can open the stream again on another server.
func (a *app) stream(w http.ResponseWriter, r *http.Request) {
	d, err := howLong(r, 10*time.Second)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	ticker, end := time.NewTicker(tick), time.After(d)
	defer ticker.Stop()
	for n := 1; ; n++ {
		fmt.Fprintf(w, "%d %s\n", n, a.phase())
		if http.NewResponseController(w).Flush() != nil {
			return // the client has gone
		}
		select {
		case <-ticker.C:
		case <-end:
			fmt.Fprintln(w, "end")
			return
		case <-httpdrain.Draining(r.Context()):
			fmt.Fprintln(w, "goodbye: the server is stopping")
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (a *app) listOrders(w http.ResponseWriter, r *http.Request) {
	orders, err := a.store.last(r.Context(), 10)
	if err != nil {
		a.unavailable(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"count": a.orders.Load(), "last": orders})
}

// addOrder answers after the commit. It saves the order even if the client goes
// away meanwhile, since that client cannot know whether the commit came first.
func (a *app) addOrder(w http.ResponseWriter, r *http.Request) {
	item, code, err := readItem(w, r)
	if err != nil {
		http.Error(w, err.Error(), code)
		return
	}
	o, err := a.store.add(group.WorkContext(r.Context()), item)
	if err != nil {
		a.unavailable(w, err)
		return
	}
	a.orders.Add(1)
	writeJSON(w, http.StatusCreated, o)
}

func (a *app) unavailable(w http.ResponseWriter, err error) {
	a.log.Error().Err(err).Msg("database request failed")
	http.Error(w, "the database is not available", http.StatusServiceUnavailable)
}

// howLong returns the duration in ?for=, or otherwise if there is none.
func howLong(r *http.Request, otherwise time.Duration) (time.Duration, error) {
	s := r.URL.Query().Get("for")
	if s == "" {
		return otherwise, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("for=%q: want a duration, such as 2s or 300ms", s)
	}
	if d < 0 || d > maxWork {
		return 0, fmt.Errorf("for=%q: want between 0s and %v", s, maxWork)
	}
	return d, nil
}

// readItem reads the order from ?item= or, without it, from the body. For an
// error it also returns the HTTP status.
func readItem(w http.ResponseWriter, r *http.Request) (item string, code int, err error) {
	item = r.URL.Query().Get("item")
	if item == "" {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxItem))
		var tooLarge *http.MaxBytesError
		if err != nil && !errors.As(err, &tooLarge) {
			return "", http.StatusBadRequest, err
		}
		if err != nil {
			return "", http.StatusRequestEntityTooLarge, fmt.Errorf("an order has at most %d bytes", maxItem)
		}
		item = string(body)
	}
	switch item = strings.TrimSpace(item); {
	case item == "":
		return "", http.StatusBadRequest, errors.New("no item: want ?item=tea, or the item as the body")
	case len(item) > maxItem:
		return "", http.StatusRequestEntityTooLarge, fmt.Errorf("an order has at most %d bytes", maxItem)
	case !utf8.ValidString(item):
		return "", http.StatusBadRequest, errors.New("the item is not valid UTF-8")
	}
	return item, 0, nil
}
