//go:build unix

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lastcall-go/lastcall/examples/grpc-server/echo"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// A process is the server, run as a process, with a connection to it.
type process struct {
	*shutdowntest.Process
	addr, admin string
	cc          *grpc.ClientConn
	sent        sent
}

// A sent has a value for each request that a client has sent.
type sent chan struct{}

func (sent) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (sent) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (sent) HandleConn(context.Context, stats.ConnStats)                       {}
func (s sent) HandleRPC(_ context.Context, e stats.RPCStats) {
	if _, ok := e.(*stats.OutPayload); ok {
		s <- struct{}{}
	}
}

func command(t *testing.T, args ...string) *shutdowntest.Process {
	t.Helper()
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), runMain+"=1", "GORACE=atexit_sleep_ms=0")
	return shutdowntest.Exec(t, cmd)
}

var servingOn = regexp.MustCompile(`serving on (\S+), admin on (\S+);`)

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Process: command(t, append([]string{"-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-grace", "1m"}, args...)...)}
	p.Expect("to stop\n")
	addresses := servingOn.FindStringSubmatch(p.Output())
	p.addr, p.admin = addresses[1], addresses[2]
	p.sent = make(sent, 100)
	var err error
	if p.cc, err = grpc.NewClient(p.addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStatsHandler(p.sent)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.cc.Close() })
	return p
}

// say calls Say, which takes d, and returns when the request was sent. When the server has answered
// another request after that, it has this one as well.
func (p *process) say(t *testing.T, d time.Duration) <-chan error {
	t.Helper()
	answered := make(chan error, 1)
	go func() {
		_, err := echo.NewEchoClient(p.cc).Say(context.Background(), &echo.SayRequest{Text: "hello", After: durationpb.New(d)})
		answered <- err
	}()
	<-p.sent
	return answered
}

// terminate sends SIGTERM, and expects this exit status.
func (p *process) terminate(t *testing.T, want int) shutdowntest.Exit {
	t.Helper()
	p.Signal(syscall.SIGTERM)
	e := p.Wait()
	if e.Code != want {
		t.Errorf("exit status %d, want %d:\n%s", e.Code, want, e.Output)
	}
	return e
}

func TestDrain(t *testing.T) {
	p := start(t)
	client := echo.NewEchoClient(p.cc)
	ticks, err := client.Ticks(t.Context(), new(echo.TicksRequest))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ticks.Recv(); err != nil {
		t.Fatal(err)
	}
	<-p.sent
	answered := p.say(t, time.Second)
	chat, err := client.Chat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := chat.Send(&echo.SayRequest{Text: "hello"}); err != nil {
		t.Fatal(err)
	}
	if res, err := chat.Recv(); err != nil || res.GetText() != "hello" {
		t.Fatalf("chat: %v, %v", res, err)
	}
	// The reflection service has what a client needs that has no generated code.
	info, err := reflectionpb.NewServerReflectionClient(p.cc).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := info.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
		t.Fatal(err)
	}
	if res, err := info.Recv(); err != nil || !strings.Contains(res.String(), "echo.Echo") {
		t.Errorf("reflection: %v, %v", res, err)
	}

	e := p.terminate(t, 0)
	if err := <-answered; err != nil {
		t.Errorf("the call in flight got %v", err)
	}
	for err = nil; err == nil; {
		_, err = ticks.Recv()
	}
	if err != io.EOF {
		t.Errorf("the stream ended with %v", err)
	}
	if _, err := chat.Recv(); err != io.EOF {
		t.Errorf("the chat ended with %v", err)
	}
	if !strings.Contains(e.Output, `"exit_code":0`) {
		t.Errorf("the log:\n%s", e.Output)
	}
}

func TestServesDuringTheDelay(t *testing.T) {
	p := start(t, "-delay", "2s")
	watch, err := healthpb.NewHealthClient(p.cc).Watch(t.Context(), new(healthpb.HealthCheckRequest))
	if err != nil {
		t.Fatal(err)
	}
	next := func() healthpb.HealthCheckResponse_ServingStatus {
		t.Helper()
		res, err := watch.Recv()
		if err != nil {
			t.Fatalf("health: %v", err)
		}
		return res.GetStatus()
	}
	expect := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if got := next(); got != want {
			t.Fatalf("health: %v, want %v", got, want)
		}
	}
	<-p.sent
	// The server answers a moment before the program is ready.
	if got := next(); got == healthpb.HealthCheckResponse_NOT_SERVING {
		expect(healthpb.HealthCheckResponse_SERVING)
	} else if got != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("health: %v", got)
	}
	p.Signal(syscall.SIGTERM)
	expect(healthpb.HealthCheckResponse_NOT_SERVING)
	if err := <-p.say(t, 0); err != nil {
		t.Errorf("a call in the delay: %v", err)
	}
	for path, want := range map[string]int{"/readyz": http.StatusServiceUnavailable, "/livez": http.StatusOK} {
		res, err := http.Get("http://" + p.admin + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s in the delay: %d, want %d", path, res.StatusCode, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if e := p.Wait(); e.Code != 0 {
		t.Errorf("exit status %d:\n%s", e.Code, e.Output)
	}
}

// A call that takes too long gets an answer before the deadline. It is cut short, and the log says so.
func TestCallThatTakesTooLong(t *testing.T) {
	p := start(t, "-grace", "10s") // so that a busy machine has time for the answer
	answered := p.say(t, time.Hour)
	if err := <-p.say(t, 0); err != nil {
		t.Fatal(err)
	}
	if e, want := p.terminate(t, 1), "grpcdrain: 1 RPC cut short: 1 /echo.Echo/Say oldest "; !strings.Contains(e.Output, want) {
		t.Errorf("the log has no %q:\n%s", want, e.Output)
	}
	if err := <-answered; status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "the server is stopping") {
		t.Errorf("the call got %v", err)
	}
}

// After a second signal it gets the same answer at once.
func TestCallAndSecondSignal(t *testing.T) {
	p := start(t, "-grace", "1m")
	answered := p.say(t, time.Hour)
	if err := <-p.say(t, 0); err != nil {
		t.Fatal(err)
	}
	p.Signal(syscall.SIGTERM)
	time.Sleep(time.Second)
	p.terminate(t, 0)
	if err := <-answered; status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "the server is stopping") {
		t.Errorf("the call got %v", err)
	}
}

// The client sees the drain, and no call of it fails when its server is restarted.
func TestClient(t *testing.T) {
	p := start(t, "-delay", "500ms")
	client := command(t, "-client", "-addr", p.addr)
	client.Expect("stream: opened by ")
	client.Expect("health: SERVING\n")
	client.Expect(" answered\n")
	p.terminate(t, 0)
	client.Expect("health: NOT_SERVING\n")
	client.Expect("stream: ended with the status OK\n")
	again := start(t, "-addr", p.addr)
	for !strings.Contains(client.Output(), fmt.Sprintf("opened by server %d\n", again.PID())) {
		time.Sleep(10 * time.Millisecond)
	}
	client.Signal(syscall.SIGTERM)
	if e := client.Wait(); e.Code != 0 || strings.Contains(e.Output, " failed: ") {
		t.Errorf("exit status %d:\n%s", e.Code, e.Output)
	}
	again.terminate(t, 0)
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, flag := range []string{"addr", "admin"} {
		args := append([]string{"-addr", "127.0.0.1:0", "-admin", "127.0.0.1:0"}, "-"+flag, l.Addr().String())
		if e := command(t, args...).Wait(); e.Code != 1 || !strings.Contains(e.Output, "use -"+flag+" to listen on another address") {
			t.Errorf("exit status %d:\n%s", e.Code, e.Output)
		}
	}
}
