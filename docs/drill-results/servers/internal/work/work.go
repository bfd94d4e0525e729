// Package work has what the Go servers of the comparison do for a request. The servers in other
// languages do the same.
package work

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

// Slow is how long GET /slow takes.
const Slow = 500 * time.Millisecond

// Addr is where the drill expects the server.
func Addr() string { return "127.0.0.1:" + os.Getenv("PORT") }

// Record leaves the id of a request that is executed, for the drill.
func Record(id string) { fmt.Println(id) }

// Routes answers POST / at once and GET /slow after Slow.
func Routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		Record(r.Header.Get("X-Request-Id"))
		fmt.Fprintln(w, "done")
	})
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		Record(r.Header.Get("X-Request-Id"))
		time.Sleep(Slow)
		fmt.Fprintln(w, "done")
	})
	return mux
}
