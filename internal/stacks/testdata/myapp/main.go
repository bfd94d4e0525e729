// Command myapp is a program of which many steps are stuck, each in a way of its own. Its
// module has no dot in its path. Until it is killed it prints what each of them waits for: a
// build of it has a function in package shutdown that tells it. A comment "stuck: NAME" is on
// the line at which the step NAME is stuck.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/httpdrain"
	"github.com/oklog/run"

	"myapp/store"
)

func main() {
	var g group.Group
	for name, stuck := range ways {
		g.Go(name, func(context.Context) error { stuck(); return nil })
	}
	for name, stuck := range inRequests {
		g.Go(name, serve(stuck))
	}
	go func() {
		for ; ; time.Sleep(100 * time.Millisecond) {
			for name, waitsFor := range shutdown.WaitsFor() {
				fmt.Printf("%s: %s\n", name, waitsFor)
			}
			fmt.Println("all:")
		}
	}()
	_ = g.Run(context.Background())
}

// ways are the functions of tasks.
var ways = map[string]func(){
	"mutex":    lockTwice,
	"method":   new(store.Store).Twice,
	"inlined":  callInlined,
	"pool":     store.NewPool().Close,
	"deadlock": deadlock,
	"children": children,
	"once":     once(),
	"actors":   actors,
	"group":    inGroup,
	"pipe":     readPipe,
	"loop":     loop,
}

// inRequests are the handlers of servers.
var inRequests = map[string]func(){
	"http mutex":       new(store.Store).Twice,
	"http wait group":  waitGroup,
	"http cond":        cond,
	"http sleep":       sleep,
	"http system call": systemCall,
	"http query":       store.NewPool().Close,
}

func lockTwice() {
	var s store.Store
	s.Lock()
	s.Lock()
}

func callInlined() {
	release := store.Held()
	release()
}

func deadlock() {
	var a, b sync.Mutex
	var both sync.WaitGroup
	both.Add(2)
	go func() {
		b.Lock()
		both.Done()
		both.Wait()
		a.Lock() // stuck: deadlock child
	}()
	a.Lock()
	both.Done()
	both.Wait()
	b.Lock() // stuck: deadlock
}

func children() {
	var wg sync.WaitGroup
	for range 7 {
		wg.Go(func() { select {} }) // stuck: children child
	}
	wg.Wait() // stuck: children
}

//go:noinline
func once() func() {
	return sync.OnceFunc(func() { select {} }) // stuck: once
}

func actors() {
	var actors run.Group
	actors.Add(func() error { select {} }, func(error) {}) // stuck: actors
	_ = actors.Run()
}

func inGroup() {
	var inner group.Group
	inner.Go("inner", func(context.Context) error { select {} })
	_ = inner.Run(context.Background()) // stuck: group
}

func readPipe() {
	r, w, _ := os.Pipe()
	_, _ = io.ReadAll(r) // stuck: pipe
	_ = w.Close()
}

func loop() {
	for { // stuck: loop
	}
}

func waitGroup() {
	var wg sync.WaitGroup
	wg.Add(1)
	wg.Wait() // stuck: http wait group
}

func cond() {
	c := sync.NewCond(new(sync.Mutex))
	c.L.Lock()
	c.Wait() // stuck: http cond
}

func sleep() {
	time.Sleep(time.Hour) // stuck: http sleep
}

func systemCall() {
	var p [2]int
	_ = syscall.Pipe(p[:])
	_, _ = syscall.Read(p[0], make([]byte, 1)) // stuck: http system call
}

// serve is a server with one request, which is stuck.
func serve(stuck func()) func(context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _, _ = http.Get("http://" + l.Addr().String()) }()
	srv := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stuck() })}
	return httpdrain.Serve(srv, httpdrain.Listener(l))
}
