package site_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lastcall-go/lastcall/internal/site"
)

func declared(context.Context) error { return nil }

type receiver struct{}

func (*receiver) method(context.Context) error { return nil }
func (receiver) valued(context.Context) error  { return nil }
func generic[T any](context.Context) error     { return nil }
func makes() func(context.Context) error       { return func(context.Context) error { return nil } }
func functional(context.Context) error         { return nil }

var global = func(context.Context) error { return nil }

// called returns the Origin of a step that is registered where called is called.
func called(name string) site.Origin { return site.Here().As(name) }

func TestNames(t *testing.T) {
	const pkg = "site_test."
	for _, tt := range []struct {
		f    func(context.Context) error
		want string // "" for a closure, which has its site as its name
	}{
		{declared, pkg + "declared"},
		{functional, pkg + "functional"},
		{new(receiver).method, pkg + "(*receiver).method"},
		{receiver{}.valued, pkg + "receiver.valued"},
		{generic[int], pkg + "generic[...]"},
		{makes(), ""},
		{global, ""},
		{func(context.Context) error { return nil }, ""},
	} {
		o := called("").Named(tt.f)
		switch got := o.Name(); {
		case tt.want == "" && !strings.HasPrefix(got, "site_test.go:"):
			t.Errorf("the name of a closure is %q, want file and line", got)
		case tt.want != "" && got != tt.want:
			t.Errorf("Name = %q, want %q", got, tt.want)
		}
		if at := o.Site(); !strings.HasPrefix(at, "site/site_test.go:") {
			t.Errorf("Site = %q, want this file", at)
		}
	}
	o := called("given").Named(declared)
	if o.Name() != "given" {
		t.Errorf("Name = %q, want the name given to As", o.Name())
	}
	o.SetName("set")
	if o.Name() != "set" {
		t.Errorf("Name = %q, want the name given to SetName", o.Name())
	}
	if none := (&site.Origin{}); none.Name() != "" || none.Site() != "" {
		t.Errorf("Name, Site of the zero Origin = %q, %q, want none", none.Name(), none.Site())
	}
}
