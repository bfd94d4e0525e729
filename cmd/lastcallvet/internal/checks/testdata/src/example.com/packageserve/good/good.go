package good

import (
	"net"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v4"
	"google.golang.org/grpc"
)

func server(h http.Handler) error {
	srv := &http.Server{Addr: ":80", Handler: h}
	return srv.ListenAndServe()
}

func onListener(l net.Listener, srv *http.Server) error { return srv.Serve(l) }

// Its callers know what is served.
func Exported(addr string, h http.Handler) error { return http.ListenAndServe(addr, h) }

func ownListener(h http.Handler, stop chan struct{}) error {
	l, err := net.Listen("tcp", ":80")
	if err != nil {
		return err
	}
	go func() {
		<-stop
		_ = l.Close()
	}()
	return http.Serve(l, h)
}

// The owner of the listener can close it.
func given(l net.Listener, h http.Handler) error { return http.Serve(l, h) }

type app struct{ l net.Listener }

func (a *app) serve(h http.Handler) error { return http.Serve(a.l, h) }

func local() {
	go http.ListenAndServe("localhost:6060", nil)
	go func() { _ = http.ListenAndServe("127.0.0.1:6060", nil) }()
}

func test(h http.Handler) { httptest.NewServer(h).Close() }

func grpcServer(s *grpc.Server, l net.Listener) error { return s.Serve(l) }

func echoServer(e *echo.Echo) error { return e.Start(":80") }

type listener struct{}

func (listener) ListenAndServe(addr string) error { return nil }

func another(l listener) error { return l.ListenAndServe(":80") }
