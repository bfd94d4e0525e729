// Package site tells where a step was registered, and what it is called.
//
// Here takes a program counter off the stack, and nothing else: most handlers are never asked
// for their name or their file and line, and to find these costs more than to run an empty
// handler.
package site

import (
	"fmt"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A Site is the return address of the call that registered a step.
type Site [1]uintptr

// Here is where the caller of Here was called. It is small enough to be inlined: the walk of
// the stack is the most expensive part of a registration, and has a frame less to pass then.
func Here() (s Site) {
	runtime.Callers(3, s[:])
	return s
}

// As returns the Origin of a step of this name.
func (s Site) As(name string) Origin { return Origin{name: name, site: s} }

// text is file:line, with the directory the file is in: "http.go:12" alone is in half of all
// packages.
func (s Site) text(dir bool) string {
	if s == (Site{}) {
		return ""
	}
	f, _ := runtime.CallersFrames(s[:]).Next()
	return position(f.File, f.Line, dir)
}

// An Origin is what a step is called and where it was registered.
type Origin struct {
	name string
	fn   uintptr // the entry of the step's function, if it is to give the name
	site Site
}

// Named returns o with the name of the function f, unless it has a name. That of
// a closure says nothing; then it is the site.
func (o Origin) Named(f any) Origin {
	o.fn = reflect.ValueOf(f).Pointer()
	return o
}

// SetName replaces the name.
func (o *Origin) SetName(name string) { o.name = name }

// Name is the name of the step.
func (o *Origin) Name() string {
	if o.name == "" && o.fn != 0 {
		o.name = functionName(o.fn)
	}
	if o.name == "" {
		o.name = o.site.text(false)
	}
	return o.name
}

// Site is the file and line at which the step was registered, "" if unknown.
func (o *Origin) Site() string { return o.site.text(true) }

// A Cache remembers the text of sites: many handlers may be registered in one place. It is
// not safe for concurrent use.
type Cache struct {
	last Site
	text string
	all  map[Site]string
}

// Of is the site of o.
func (c *Cache) Of(o *Origin) string {
	if o.site == c.last {
		return c.text
	}
	text, ok := c.all[o.site]
	if !ok {
		text = o.Site()
		if c.all == nil {
			c.all = make(map[Site]string)
		}
		c.all[o.site] = text
	}
	c.last, c.text = o.site, text
	return text
}

// Caller is the site skip frames up, 1 being that of the call of Caller: a programming
// error is named where it was made.
func Caller(skip int) string {
	_, file, line, _ := runtime.Caller(skip)
	return position(file, line, true)
}

// MustNotBeNegative panics where the caller of its caller, an option, was given a negative
// duration.
func MustNotBeNegative(option string, d time.Duration) {
	if d < 0 {
		panic(fmt.Sprintf("%s(%v) is negative, at %s", option, d, Caller(3)))
	}
}

// position is file:line with the last directory of file, or without.
func position(file string, line int, dir bool) string {
	i := strings.LastIndexByte(file, '/')
	if i > 0 && dir {
		i = strings.LastIndexByte(file[:i], '/')
	}
	return file[i+1:] + ":" + strconv.Itoa(line)
}

// functionName is the name of a declared function or method without the path of
// its package, "" for a closure.
func functionName(pc uintptr) string {
	f := runtime.FuncForPC(pc)
	if f == nil {
		return ""
	}
	name := f.Name()
	name = name[strings.LastIndexByte(name, '/')+1:]
	name = strings.TrimSuffix(name, "-fm") // a method value
	for part := range strings.SplitSeq(name, ".") {
		if isClosure(part) {
			return ""
		}
	}
	return name
}

// isClosure knows the names that the compiler gives: func1, gowrap2, 1,
// glob..func3, and what ranges over functions (f-range1).
func isClosure(part string) bool {
	for _, prefix := range [...]string{"func", "gowrap", "deferwrap", ""} {
		if digits, ok := strings.CutPrefix(part, prefix); ok && digits != "" && strings.Trim(digits, "0123456789") == "" {
			return true
		}
	}
	return strings.Contains(part, "-range")
}
