package generated

import (
	"context"
	"net/http"
)

func use(srv *http.Server) error {
	return Pass(context.Background(), srv) // want `unbounded: generated.Pass`
}
