package main

import (
	"strings"
	"testing"
	"time"
)

func TestHAProxyConfig(t *testing.T) {
	for _, test := range []struct {
		url, ready string
		want       []string
	}{
		{"http://127.0.0.1:81/orders", "http://127.0.0.1:91/readyz?x=1", []string{
			"bind 127.0.0.1:80\n",
			"http-check send meth GET uri /readyz?x=1 ver HTTP/1.1 hdr Host 127.0.0.1:91\n",
			"server server1 127.0.0.1:81 check inter 250ms fall 2 rise 1 port 91 no-check-ssl\n",
		}},
		{"https://127.0.0.1:81/", "http://127.0.0.1:91/readyz", []string{"fall 2 rise 1 ssl verify none port 91 no-check-ssl\n"}},
		{"https://127.0.0.1:81/", "https://127.0.0.1:81/readyz", []string{"fall 2 rise 1 ssl verify none port 81 check-ssl verify none\n"}},
		{"http://127.0.0.1:81/", "", []string{"server server1 127.0.0.1:81 check inter 250ms fall 2 rise 1\n"}},
	} {
		got, err := haproxyConfig(80, []*instance{{wire: wire{url: test.url}, ready: test.ready}}, 250*time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s with readiness at %q: no %q in\n%s", test.url, test.ready, want, got)
			}
		}
	}
}
