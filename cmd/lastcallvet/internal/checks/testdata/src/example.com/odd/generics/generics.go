// Package generics has findings in generic code.
package generics

import (
	"context"
	"log"
	"net/http"
	"os"
)

type stopper interface {
	Shutdown(context.Context) error
}

func stopAll[S stopper](ctx context.Context, list ...S) {
	<-ctx.Done()
	for _, s := range list {
		_ = s.Shutdown(ctx) // want `deadctx:`
	}
}

type server[T any] struct {
	http *http.Server
	data T
}

func (s *server[T]) stop() error {
	return s.http.Shutdown(context.Background()) // want `unbounded:`
}

func (s *server[T]) Stop(ctx context.Context) error { return s.http.Shutdown(ctx) }

func use[T any, P *T](s *server[P], dir string) {
	defer os.RemoveAll(dir)
	_ = s.Stop(context.TODO()) // want `unbounded: generics.server.Stop \(http.Server.Shutdown\)`
	must(s.stop(), s)          // want `exit: generics.must \(log.Fatal\) may end the process`
	each(func(x T) { log.Fatal(x) })
}

func each[T any](f func(T)) {
	var zero T
	f(zero)
}

func must[T any](err error, of T) {
	if err != nil {
		log.Fatal(err)
	}
}

type set[K comparable] map[K]struct{}

func (s set[K]) each(yield func(K) bool) {
	for k := range s {
		if !yield(k) {
			return
		}
	}
}

func ranged(ctx context.Context, s set[*http.Server]) {
	<-ctx.Done()
	for srv := range s.each {
		_ = srv.Shutdown(ctx) // want `deadctx:`
	}
}

type list[T any] = []T

func aliased(l list[*http.Server]) {
	for _, srv := range l {
		_ = srv.Shutdown(context.Background()) // want `unbounded:`
	}
}
