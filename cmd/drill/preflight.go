package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// preflight tells a wrong URL from a server that loses requests.
func (s *session) preflight(ctx context.Context, t *target) (h2 bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.timeout)
	defer cancel()
	if err := s.preflightStream(ctx, t); err != nil {
		return false, err
	}
	if t.grpc != "" {
		if err := firstCall(ctx, "grpc-url", t, newGRPCCaller(s.cfg.timeout, t.tls)); err != nil {
			return false, err
		}
	}
	// These go on until the server ends them, so what counts is that they do not fail at once.
	ctxLong, cancel := context.WithTimeout(ctx, longPreflight)
	defer cancel()
	if t.grpcStream != "" {
		if err := firstCall(ctxLong, "grpc-stream-url", t, newGRPCStreamCaller(t.tls)); err != nil {
			return false, err
		}
	}
	if t.ws != "" {
		if err := firstCall(ctxLong, "ws-url", t, newWebSocketCaller(&load{cfg: s.cfg})); err != nil {
			return false, err
		}
	}
	if t.first == nil {
		return false, nil
	}
	res, err := probes.Do(t.request(ctx, idPlaceholder))
	if err != nil {
		return false, err
	}
	res.Body.Close()
	if res.StatusCode >= 400 {
		return false, fmt.Errorf("%s %s is answered with %s before any load: set -url, -method, -header and -body", t.method, t.url, res.Status)
	}
	switch {
	case s.cfg.h2 == 0:
		return false, nil
	case s.mode == haproxy:
		s.result.note("no HTTP/2: haproxy is asked for HTTP/1.1 only")
		return false, nil
	}
	client := newHTTP2Caller(2*time.Second, t.tls)
	defer client.close()
	if k, _ := client.do(ctx, t, &request{}); k != answered {
		s.result.note("no HTTP/2: the server does not offer it")
		return false, nil
	}
	return true, nil
}

const longPreflight = 500 * time.Millisecond

func firstCall(ctx context.Context, flag string, t *target, with caller) error {
	defer with.close()
	if k, err := with.do(ctx, t, &request{}); k != answered && ctx.Err() == nil {
		return fmt.Errorf("-%s fails before any load: %w", flag, err)
	}
	return nil
}

// preflightStream expects the beginning of the stream.
func (s *session) preflightStream(ctx context.Context, t *target) error {
	if t.stream == "" || s.cfg.streams == 0 {
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.stream, nil)
	if err != nil {
		return err
	}
	req.Header = t.headers(idPlaceholder)
	res, err := probes.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("GET %s is answered with %s before any load: set -stream-url", t.stream, res.Status)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, 1)); err != nil {
		return fmt.Errorf("GET %s has no body to stream: %w", t.stream, err)
	}
	return nil
}
