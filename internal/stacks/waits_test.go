package stacks_test

import (
	"context"
	"fmt"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/lastcall-go/lastcall/internal/stacks"
)

// The frames of a step end at these.
const (
	byStep = "github.com/lastcall-go/lastcall/internal/tree.runStep /mod/github.com/lastcall-go/lastcall@v1.0.0/internal/tree/serve.go:66"
	byTree = "github.com/lastcall-go/lastcall/internal/tree.runStepInline /mod/github.com/lastcall-go/lastcall@v1.0.0/internal/tree/call.go:66"
	main   = "main.main /home/me/myapp/main.go:10"
)

// lock returns the stack of a goroutine that waits for a mutex.
func lock(by ...string) []string {
	return append([]string{
		"internal/sync.runtime_SemacquireMutex /go/src/runtime/sema.go:95",
		"internal/sync.(*Mutex).lockSlow /go/src/internal/sync/mutex.go:149",
		"sync.(*Mutex).Lock /go/src/sync/mutex.go:46",
	}, by...)
}

func TestWaitsFor(t *testing.T) {
	const (
		handler = "myapp/api.(*API).Order /home/me/myapp/api/api.go:40"
		other   = "myapp/api.(*API).Cancel /home/me/myapp/api/api.go:70"
		serve   = "net/http.(*conn).serve /go/src/net/http/server.go:2102"
		drain   = "github.com/lastcall-go/lastcall/shutdown/httpdrain.(*drain).wait /mod/github.com/lastcall-go/lastcall@v1.0.0/shutdown/httpdrain/drain.go:230"
		closer  = "github.com/lastcall-go/lastcall/shutdown.Closer.func1 /mod/github.com/lastcall-go/lastcall@v1.0.0/shutdown/func.go:20"
		db      = "database/sql.(*DB).Close /go/src/database/sql/sql.go:900"
		pool    = "github.com/jackc/pgx/v5/pgxpool.(*Pool).Close /mod/github.com/jackc/pgx/v5@v5.7.1/pgxpool/pool.go:400"
		peek    = "github.com/jackc/pgx/v5/pgconn.(*PgConn).peek /mod/github.com/jackc/pgx/v5@v5.7.1/pgconn/pgconn.go:500"
		health  = "github.com/jackc/pgx/v5/pgxpool.(*Pool).healthCheck /mod/github.com/jackc/pgx/v5@v5.7.1/pgxpool/pool.go:300"
		group   = "github.com/lastcall-go/lastcall/group.(*Group).Run /mod/github.com/lastcall-go/lastcall@v1.0.0/group/group.go:170"
		oklog   = "github.com/oklog/run.(*Group).Run /mod/github.com/oklog/run@v1.2.0/group.go:43"
		read    = "net.(*netFD).Read /go/src/net/fd_posix.go:68"
		poll    = "internal/poll.(*FD).Read /go/src/internal/poll/fd_unix.go:165"
	)
	for _, tt := range []struct {
		name   string
		stacks []stacks.Stack
		states map[string]string // by the innermost function
		want   string
	}{
		{"no goroutine", nil, nil, ""},
		{"a goroutine in the runtime", []stacks.Stack{stacks.Goroutines(1, byStep)}, nil, "the runtime"},
		{
			"the distribution alone",
			[]stacks.Stack{stacks.Goroutines(1, "net/http.(*Server).Shutdown /go/src/net/http/server.go:3200", byStep)},
			map[string]string{"net/http.(*Server).Shutdown": "select"},
			"select in http.(*Server).Shutdown",
		},
		{
			"the distribution alone, and no state",
			[]stacks.Stack{stacks.Goroutines(1, "net/http.(*Server).Shutdown /go/src/net/http/server.go:3200", byStep)},
			nil,
			"http.(*Server).Shutdown",
		},
		{
			"the distribution, called by the library",
			[]stacks.Stack{stacks.Goroutines(2, "net/http.(*persistConn).readLoop /go/src/net/http/transport.go:20"), stacks.Goroutines(1, db, closer, byStep)},
			map[string]string{"database/sql.(*DB).Close": "chan receive"},
			"sql.(*DB).Close < shutdown.Closer.func1 (shutdown/func.go:20)",
		},
		{
			"the caller of the step does not count",
			[]stacks.Stack{stacks.Goroutines(1, drain, byTree, main)},
			map[string]string{strings.Fields(drain)[0]: "select"},
			"select in httpdrain.(*drain).wait (httpdrain/drain.go:230)",
		},
		{
			"a handler of a server",
			[]stacks.Stack{stacks.Goroutines(1, drain, byStep), stacks.Goroutines(1, lock(handler, serve)...)},
			nil,
			"sync.(*Mutex).Lock < api.(*API).Order (api/api.go:40)",
		},
		{
			"a handler of a server that the user's code calls",
			[]stacks.Stack{stacks.Goroutines(1, drain, main, byStep), stacks.Goroutines(1, lock(handler, serve)...)},
			nil,
			"sync.(*Mutex).Lock < api.(*API).Order (api/api.go:40)",
		},
		{
			"a channel",
			[]stacks.Stack{stacks.Goroutines(1, handler, serve)},
			map[string]string{strings.Fields(handler)[0]: "chan receive (nil chan)"},
			"chan receive (nil chan) in api.(*API).Order (api/api.go:40)",
		},
		{"a channel, and no state", []stacks.Stack{stacks.Goroutines(1, handler, serve)}, nil, "api.(*API).Order (api/api.go:40)"},
		{
			"a deadlock, and many that wait for it",
			[]stacks.Stack{
				stacks.Goroutines(50, lock(handler, "net/http.HandlerFunc.ServeHTTP /go/src/net/http/server.go:2322", serve)...),
				stacks.Goroutines(1, "net/http.(*Server).Shutdown /go/src/net/http/server.go:3200", main, byStep),
				stacks.Goroutines(1, lock(handler, serve)...),
				stacks.Goroutines(1, lock(other, serve)...),
			},
			nil,
			"sync.(*Mutex).Lock < api.(*API).Order (api/api.go:40); sync.(*Mutex).Lock < api.(*API).Cancel (api/api.go:70), 51 more goroutines",
		},
		{
			"the step's own goroutine comes before its children",
			[]stacks.Stack{
				stacks.Goroutines(2, handler),
				stacks.Goroutines(1, "time.Sleep /go/src/runtime/time.go:363", main, byTree),
			},
			nil,
			"time.Sleep < main.main (myapp/main.go:10); api.(*API).Order (api/api.go:40), 1 more goroutine",
		},
		{
			"as many short places as there is room for",
			[]stacks.Stack{
				stacks.Goroutines(1, "main.a /a/a.go:1"), stacks.Goroutines(1, "main.b /a/a.go:2"), stacks.Goroutines(1, "main.c /a/a.go:3"),
				stacks.Goroutines(1, "main."+strings.Repeat("d", 50)+" /a/a.go:4"), stacks.Goroutines(1, "main.e /a/a.go:5"),
			},
			nil,
			"main.a (a/a.go:1); main.b (a/a.go:2); main.c (a/a.go:3); main." + strings.Repeat("d", 50) + " (a/a.go:4), 1 more goroutine",
		},
		{
			"two long places",
			[]stacks.Stack{
				stacks.Goroutines(1, "main."+strings.Repeat("a", 80)+" /a/a.go:1"), stacks.Goroutines(1, "main.b /a/a.go:2"),
				stacks.Goroutines(1, "main.c /a/a.go:3"),
			},
			nil,
			"main." + strings.Repeat("a", 80) + " (a/a.go:1); main.b (a/a.go:2), 1 more goroutine",
		},
		{
			"a function of the runtime that is another package's",
			[]stacks.Stack{stacks.Goroutines(1, "sync.runtime_SemacquireWaitGroup /go/src/runtime/sema.go:114", "sync.(*WaitGroup).Wait /go/src/sync/waitgroup.go:206", handler)},
			nil,
			"sync.(*WaitGroup).Wait < api.(*API).Order (api/api.go:40)",
		},
		{
			"a package that the distribution has vendored",
			[]stacks.Stack{stacks.Goroutines(1, "vendor/golang.org/x/net/http/httpguts.Wait /go/src/vendor/golang.org/x/net/http/httpguts/guts.go:9", "net/http.(*Client).Do /go/src/net/http/client.go:592", handler)},
			nil,
			"http.(*Client).Do < api.(*API).Order (api/api.go:40)",
		},
		{
			"another module, called by the user's",
			[]stacks.Stack{stacks.Goroutines(1, poll, read, peek, pool, handler, byStep)},
			map[string]string{"internal/poll.(*FD).Read": "IO wait"},
			"net.(*netFD).Read < pgxpool.(*Pool).Close < api.(*API).Order (api/api.go:40)",
		},
		{
			"another module, called by the library, and its background goroutines",
			[]stacks.Stack{stacks.Goroutines(3, health), stacks.Goroutines(1, lock(pool, closer, byStep)...)},
			nil,
			"sync.(*Mutex).Lock < pgxpool.(*Pool).Close (pgxpool/pool.go:400); pgxpool.(*Pool).healthCheck (pgxpool/pool.go:300), 2 more goroutines",
		},
		{
			"another module's background, and this library for others",
			[]stacks.Stack{stacks.Goroutines(1, group, handler, byStep), stacks.Goroutines(1, health)},
			nil,
			"pgxpool.(*Pool).healthCheck (pgxpool/pool.go:300); group.(*Group).Run < api.(*API).Order (api/api.go:40)",
		},
		{
			"another module's background does not count if there is the user's code",
			[]stacks.Stack{stacks.Goroutines(3, health), stacks.Goroutines(1, handler)},
			nil,
			"api.(*API).Order (api/api.go:40)",
		},
		{
			"a vendored module",
			[]stacks.Stack{stacks.Goroutines(1, "github.com/x/y.Flush /home/me/myapp/vendor/github.com/x/y/y.go:3", handler)},
			nil,
			"y.Flush < api.(*API).Order (api/api.go:40)",
		},
		{
			"a main module at a version",
			[]stacks.Stack{stacks.Goroutines(1, health), stacks.Goroutines(1, peek, "main.main /mod/example.com/app@v1.0.0/main.go:7")},
			nil,
			"pgconn.(*PgConn).peek < main.main (app/main.go:7)",
		},
		{
			"this library, called by another module",
			[]stacks.Stack{stacks.Goroutines(1, drain, pool, serve)},
			nil,
			"httpdrain.(*drain).wait < pgxpool.(*Pool).Close (pgxpool/pool.go:400)",
		},
		{
			"this library, for other steps",
			[]stacks.Stack{stacks.Goroutines(1, oklog, group, handler, byStep)},
			map[string]string{strings.Fields(oklog)[0]: "chan receive"},
			"group.(*Group).Run < api.(*API).Order (api/api.go:40)",
		},
		{
			"a closure of the distribution that was inlined in the user's code",
			[]stacks.Stack{
				stacks.Goroutines(1, "main.main.OnceFunc.func1 /go/src/sync/oncefunc.go:33"),
				stacks.Goroutines(1, "main.child /home/me/myapp/main.go:30"),
			},
			nil,
			"main.child (myapp/main.go:30)",
		},
		{
			"a closure of this library that was inlined in the user's code",
			[]stacks.Stack{
				stacks.Goroutines(1, "main.main.Serve.func1 /mod/github.com/lastcall-go/lastcall@v1.0.0/shutdown/httpdrain/serve.go:60"),
				stacks.Goroutines(1, "main.child /home/me/myapp/main.go:30"),
			},
			nil,
			"main.child (myapp/main.go:30)",
		},
		{
			"a wrapper made by the compiler",
			[]stacks.Stack{stacks.Goroutines(1, lock("myapp/api.(*wrap).Order <autogenerated>:1", "myapp/api.(*API).gowrapped.deferwrap1 /home/me/myapp/api/api.go:41", serve)...)},
			nil,
			"sync.(*Mutex).Lock < api.(*API).gowrapped (api/api.go:41)",
		},
		{
			"a call of C",
			[]stacks.Stack{stacks.Goroutines(1, "main._Cfunc_sleep _cgo_gotypes.go:43", "main.nap /home/me/myapp/main.go:30")},
			map[string]string{"main._Cfunc_sleep": "syscall"},
			"C.sleep < main.nap (myapp/main.go:30)",
		},
		{
			"a call of C for an error",
			[]stacks.Stack{stacks.Goroutines(1, "main._C2func_open _cgo_gotypes.go:43", "main.nap.func1 /home/me/myapp/main.go:30", "main.nap /home/me/myapp/main.go:30")},
			nil,
			"C.open < main.nap.func1 (myapp/main.go:30)",
		},
		{
			"a system call of package os",
			[]stacks.Stack{stacks.Goroutines(1, "syscall.Syscall6 /go/src/syscall/s.go:9", "os.(*Process).wait.func1 /go/src/os/exec.go:30", "os/exec.(*Cmd).Wait /go/src/os/exec/exec.go:9", handler)},
			nil,
			"os.(*Process).wait < api.(*API).Order (api/api.go:40)",
		},
		{
			"a system call",
			[]stacks.Stack{stacks.Goroutines(1, "syscall.Syscall /go/src/syscall/s.go:9", "syscall.read /go/src/syscall/z.go:9", "syscall.Read /go/src/syscall/s.go:30", handler)},
			nil,
			"syscall.Read < api.(*API).Order (api/api.go:40)",
		},
		{
			"a package in a directory like the distribution's",
			[]stacks.Stack{stacks.Goroutines(1, "myapp/internal/runtime.Wait /home/me/myapp/internal/runtime/wait.go:7"), stacks.Goroutines(1, drain, byStep)},
			nil,
			"runtime.Wait (runtime/wait.go:7)",
		},
		{"a dot in the last element of the path", []stacks.Stack{stacks.Goroutines(1, "gopkg.in/yaml%2ev3.Decode /home/me/yaml.v3/decode.go:7")}, nil, "yaml.v3.Decode (yaml.v3/decode.go:7)"},
		{"a function without a name", []stacks.Stack{stacks.Goroutines(1, "#\t0x48aa1d ", handler)}, nil, "api.(*API).Order (api/api.go:40)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text, got := stacks.Untrimmed.At(tt.states, tt.stacks...).Of("")
			if got != tt.want {
				t.Errorf("it waits for %q, want %q", got, tt.want)
			}
			if strings.Contains(text, "runStepInline") || strings.Contains(text, "tree.runStep") {
				t.Errorf("the stacks have the caller of the step:\n%s", text)
			}
		})
	}
}

// With -trimpath the paths of the distribution's files have no directory in front.
func TestWaitsForInATrimmedBuild(t *testing.T) {
	for _, tt := range []struct{ frame, want string }{
		{"main.run myapp/main.go:7", "sync.(*Mutex).Lock < main.run (myapp/main.go:7)"},
		{"main.run ./main.go:7", "sync.(*Mutex).Lock < main.run (main.go:7)"}, // go run main.go
		{"myapp/sync.Wait myapp/sync/wait.go:7", "sync.(*Mutex).Lock < sync.Wait (sync/wait.go:7)"},
		{"example.com/a/b.Wait example.com/a/b@v1.2.3-0.20240101000000-0123456789ab/wait.go:7", "sync.(*Mutex).Lock < b.Wait (b/wait.go:7)"},
		{"myappendix.Wait myappendix/wait.go:7", "select in sync.(*Mutex).Lock"}, // of no module, so of the distribution
		{"vendor/golang.org/x/net/http2.Wait vendor/golang.org/x/net/http2/wait.go:7", "select in sync.(*Mutex).Lock"},
		{"main.main.OnceFunc.func1 sync/oncefunc.go:33", "select in sync.(*Mutex).Lock"},
		{"main.main.Serve.func1 github.com/lastcall-go/lastcall@v1.0.0/shutdown/httpdrain/serve.go:60", "sync.(*Mutex).Lock < main.main.Serve.func1 (httpdrain/serve.go:60)"},
		{"github.com/lastcall-go/lastcall/shutdown_test.wait github.com/lastcall-go/lastcall/shutdown/wait_test.go:60", "sync.(*Mutex).Lock < shutdown_test.wait (shutdown/wait_test.go:60)"},
		{"github.com/lastcall-go/lastcall/examples/worker.wait github.com/lastcall-go/lastcall/examples/worker/wait.go:60", "sync.(*Mutex).Lock < worker.wait (worker/wait.go:60)"},
	} {
		st := stacks.Goroutines(1, "sync.(*Mutex).Lock sync/mutex.go:46", tt.frame)
		_, got := stacks.Trimmed.At(map[string]string{"sync.(*Mutex).Lock": "select"}, st).Of("")
		if got != tt.want {
			t.Errorf("%s: it waits for %q, want %q", tt.frame, got, tt.want)
		}
	}
}

func TestMoreStacksThanAreShown(t *testing.T) {
	var many []stacks.Stack
	for n := range 30 {
		many = append(many, stacks.Goroutines(3, fmt.Sprintf("main.f%d /a/a.go:%d", n, n)))
	}
	text, _ := stacks.Untrimmed.At(nil, many...).Of("")
	if n := strings.Count(text, "3 goroutines:\n"); n != 20 || !strings.HasSuffix(text, "\n... 30 more goroutines") {
		t.Errorf("there are %d stacks:\n%s", n, text)
	}
}

// The code of a test of this module does not count as the library's.
func TestWaitsForInATest(t *testing.T) {
	run, over := make(chan struct{}), make(chan struct{})
	const label = "a test#1#test"
	pprof.Do(context.Background(), pprof.Labels(stacks.Key, label), func(context.Context) { go receive(run, over) })
	const want = "chan receive in stacks_test.receive (stacks/stacks_test.go:"
	text, got := "", ""
	for !strings.HasPrefix(got, want) {
		runtime.Gosched()
		if text, got = stacks.Take().Of(label); strings.Contains(text, "[chan receive]") {
			break
		}
	}
	if !strings.HasPrefix(got, want) {
		t.Errorf("it waits for %q, want %s..., with\n%s", got, want, text)
	}
	close(run)
	<-over
}
