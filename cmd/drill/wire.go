package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"text/template"
)

// vars are the values that differ between the instances of a server.
type vars struct {
	Port, AdminPort int
	Dir             string
}

func (v vars) expand(text string) (string, error) { return render(text, v) }

// expandWithID puts idPlaceholder in the place of the id.
func (v vars) expandWithID(text string) (string, error) {
	return render(text, struct {
		vars
		ID string
	}{v, idPlaceholder})
}

func render(text string, data any) (string, error) {
	t, err := template.New("text").Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return "", fmt.Errorf("%w (there are {{.Port}}, {{.AdminPort}} and {{.Dir}}, and in what is sent {{.ID}})", err)
	}
	return b.String(), nil
}

// env is v for programs that take nothing but environment variables.
func (v vars) env() []string {
	return []string{fmt.Sprint("PORT=", v.Port), fmt.Sprint("ADMIN_PORT=", v.AdminPort), "DRILL_DIR=" + v.Dir}
}

// A wire is what the clients send, and where to. An empty URL means that there are no such clients.
// Its texts are templates over vars until expand, and then contain idPlaceholder.
type wire struct {
	url, stream, grpc, grpcStream, ws string
	method, body                      string
	header                            lines
	message, hello                    string // of gRPC in bytes, of a WebSocket in text
}

// lines is a flag that can be given several times.
type lines []string

func (l *lines) String() string { return strings.Join(*l, ", ") }

func (l *lines) Set(s string) error {
	if name, _, ok := strings.Cut(s, ":"); !ok || strings.TrimSpace(name) == "" || strings.ContainsAny(s, "\r\n") {
		return errors.New(`want "Name: value"`)
	}
	*l = append(*l, s)
	return nil
}

func (w wire) expand(v vars) (wire, error) {
	var errs []error
	set := func(flag string, text *string, with func(string) (string, error)) {
		var err error
		if *text, err = with(*text); err != nil {
			errs = append(errs, fmt.Errorf("-%s: %w", flag, err))
		}
	}
	for _, u := range w.urls() {
		set(u.flag, u.url, v.expand)
		if *u.url != "" {
			if err := checkURL(*u.url, u.schemes); err != nil {
				errs = append(errs, fmt.Errorf("-%s: %w", u.flag, err))
			}
		}
	}
	set("body", &w.body, v.expandWithID)
	set("ws-message", &w.hello, v.expandWithID)
	w.header = slices.Clone(w.header)
	for n := range w.header {
		set("header", &w.header[n], v.expandWithID)
	}
	return w, errors.Join(errs...)
}

type flagURL struct {
	flag    string
	url     *string
	schemes []string
}

func (w *wire) urls() []flagURL {
	web := []string{"http", "https"}
	return []flagURL{
		{"url", &w.url, web},
		{"stream-url", &w.stream, web},
		{"grpc-url", &w.grpc, web},
		{"grpc-stream-url", &w.grpcStream, web},
		{"ws-url", &w.ws, []string{"ws", "wss"}},
	}
}

// address is a URL of the server. Each has the same host and port.
func (w *wire) address() string {
	for _, u := range w.urls() {
		if *u.url != "" {
			return *u.url
		}
	}
	return ""
}

func checkURL(s string, schemes []string) error {
	u, err := url.Parse(s)
	if err != nil {
		return err
	}
	if !slices.Contains(schemes, u.Scheme) || u.Host == "" {
		return fmt.Errorf("%q: want %s://host:port/path or %s://…", s, schemes[0], schemes[1])
	}
	return nil
}

// headers are those of a request with that id.
func (w *wire) headers(id string) http.Header {
	h := http.Header{"X-Request-Id": {id}}
	for _, line := range w.header {
		name, value, _ := strings.Cut(strings.ReplaceAll(line, idPlaceholder, id), ":")
		name = textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))
		h[name] = append(h[name], strings.TrimSpace(value))
	}
	return h
}

// request is one of the clients that share no stream. net/http sends it again only if HTTP/2 says
// that it was not processed, or if the method is safe to repeat.
func (w *wire) request(ctx context.Context, id string) *http.Request {
	var body io.Reader
	if w.body != "" {
		body = bytes.NewReader([]byte(strings.ReplaceAll(w.body, idPlaceholder, id)))
	}
	req, err := http.NewRequestWithContext(ctx, w.method, w.url, body)
	if err != nil {
		panic(err) // newTarget has made one before
	}
	req.Header = w.headers(id)
	if w.body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
		req.Header.Del("Host")
	}
	return req
}

// A prototype is a request as it goes over the wire, with the places where its id goes.
type prototype struct {
	bytes []byte
	ids   []int // offsets
}

func newPrototype(req *http.Request) (*prototype, error) {
	var b strings.Builder
	if err := req.Write(&b); err != nil {
		return nil, err
	}
	p := &prototype{bytes: []byte(b.String())}
	for from := 0; ; {
		n := strings.Index(b.String()[from:], idPlaceholder)
		if n < 0 {
			return p, nil
		}
		p.ids = append(p.ids, from+n)
		from += n + len(idPlaceholder)
	}
}

// appendTo appends the request with that id.
func (p *prototype) appendTo(buf []byte, id string) []byte {
	at := len(buf)
	buf = append(buf, p.bytes...)
	for _, n := range p.ids {
		copy(buf[at+n:], id)
	}
	return buf
}
