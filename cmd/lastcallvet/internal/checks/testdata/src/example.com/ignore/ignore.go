package ignore

import (
	"context"
	"net/http"
)

func sameLine(srv *http.Server) error {
	return srv.Shutdown(context.Background()) //lastcall:ignore unbounded the handlers have a timeout of their own
}

func lineBefore(srv *http.Server) error {
	//lastcall:ignore unbounded the handlers have a timeout of their own
	return srv.Shutdown(context.Background())
}

func noReason(srv *http.Server) error {
	//lastcall:ignore unbounded // want `ignore: this ignores nothing without a reason`
	return srv.Shutdown(context.Background()) // want `unbounded:`
}

func noCode(srv *http.Server) error {
	//lastcall:ignore // want `ignore: this ignores nothing: "//" is no code`
	return srv.Shutdown(context.Background()) // want `unbounded:`
}

func unknownCode(srv *http.Server) error {
	//lastcall:ignore unbound it is fine // want `ignore: this ignores nothing: "unbound" is no code; the codes are deadctx`
	return srv.Shutdown(context.Background()) // want `unbounded:`
}

func otherCode(srv *http.Server) error {
	//lastcall:ignore deadctx it is fine
	return srv.Shutdown(context.Background()) // want `unbounded:`
}

//lastcall:ignores all // want `ignore: there is no directive lastcall:ignores`
func otherVerb(srv *http.Server) error {
	return srv.Shutdown(context.Background()) // want `unbounded:`
}
