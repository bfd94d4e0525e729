package main

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// newHAProxy is haproxy in front of instances, as one more instance. Its readiness checks
// are those of the built-in balancer: the same interval, the same number that must fail.
func newHAProxy(backends []*instance, poll time.Duration, dir string) (*instance, error) {
	path := func(s string) string {
		u, err := url.Parse(s)
		if s == "" || err != nil {
			return ""
		}
		return "http://127.0.0.1:{{.Port}}" + u.RequestURI()
	}
	s := &subject{
		name: "haproxy",
		args: []string{"haproxy", "-db", "-f", "{{.Dir}}/haproxy.cfg"},
		wire: backends[0].wire,
	}
	s.url, s.stream = path(s.url), path(s.stream)
	i, err := newInstance(s, "haproxy", dir)
	if err != nil {
		return nil, err
	}
	cfg, err := haproxyConfig(i.vars.Port, backends, poll)
	if err != nil {
		return nil, err
	}
	return i, os.WriteFile(filepath.Join(dir, "haproxy.cfg"), []byte(cfg), 0o600)
}

// haproxyConfig uses haproxy's defaults where possible, because most users do. POST requests are not
// sent again.
func haproxyConfig(port int, backends []*instance, poll time.Duration) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `global
    maxconn 4096

defaults
    mode http
    timeout connect 2s
    timeout client 1m
    timeout server 1m

frontend drill
    bind 127.0.0.1:%d
    default_backend servers

backend servers
    balance roundrobin
`, port)
	check, err := haproxyCheck(&b, backends[0].ready)
	if err != nil {
		return "", err
	}
	for n, i := range backends {
		line := fmt.Sprintf("    server server%d %s check inter %dms fall %d rise 1", n+1, hostPort(i.address()), poll.Milliseconds(), fall)
		if strings.HasPrefix(i.url, "https:") {
			line += " ssl verify none"
		}
		if i.ready != "" {
			_, port, _ := strings.Cut(hostPort(i.ready), ":")
			line += " port " + port + check
		}
		fmt.Fprintln(&b, line)
	}
	return b.String(), nil
}

// haproxyCheck writes the readiness check and returns the options that each server line needs for
// it. Without a URL haproxy checks that it can connect.
func haproxyCheck(b *strings.Builder, ready string) (options string, err error) {
	if ready == "" {
		return "", nil
	}
	u, err := url.Parse(ready)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(b, "    option httpchk\n    http-check send meth GET uri %s ver HTTP/1.1 hdr Host %s\n    http-check expect rstatus ^2\n", u.RequestURI(), u.Host)
	if u.Scheme == "https" {
		return " check-ssl verify none", nil
	}
	return " no-check-ssl", nil
}
