// Package site records where a step was registered, and its name.
//
// Here only reads a program counter from the stack. The file, the line and the name are looked up
// when somebody asks for them: that costs more than running an empty handler, and most handlers
// are never asked.
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

// Here returns the site at which its caller was called. It is small enough to be inlined, which
// saves a frame: walking the stack is the most expensive part of a registration.
func Here() (s Site) {
	runtime.Callers(3, s[:])
	return s
}

// As returns the Origin of a step of this name.
func (s Site) As(name string) Origin { return Origin{name: name, site: s} }

// text returns file:line, with the last directory of the file if dir is true: many packages have
// an "http.go".
func (s Site) text(dir bool) string {
	if s == (Site{}) {
		return ""
	}
	f, _ := runtime.CallersFrames(s[:]).Next()
	return position(f.File, f.Line, dir)
}

// An Origin is the name of a step and where it was registered.
type Origin struct {
	name string
	fn   uintptr // the entry of the function whose name is used if there is no other; 0: none
	site Site
}

// Named returns o with the name of the function f, unless it has a name. The name of a closure
// says nothing; the step then has its site as its name.
func (o Origin) Named(f any) Origin {
	o.fn = reflect.ValueOf(f).Pointer()
	return o
}

// SetName replaces the name.
func (o *Origin) SetName(name string) { o.name = name }

// Name returns the name of the step.
func (o *Origin) Name() string {
	if o.name == "" && o.fn != 0 {
		o.name = functionName(o.fn)
	}
	if o.name == "" {
		o.name = o.site.text(false)
	}
	return o.name
}

// Site returns the file and line at which the step was registered, "" if they are not known.
func (o *Origin) Site() string { return o.site.text(true) }

// A Cache remembers the texts of sites: many handlers may be registered at one line. It is not
// safe for concurrent use.
type Cache struct {
	last Site
	text string
	all  map[Site]string
}

// Of returns the site of o.
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

// Caller returns the file and line skip frames up the stack; 1 is the call of Caller. It is for
// panics that name the line of a programming error.
func Caller(skip int) string {
	_, file, line, _ := runtime.Caller(skip)
	return position(file, line, true)
}

// MustNotBeNegative panics if d is negative. Its caller is an option; the panic names the line at
// which the option was called.
func MustNotBeNegative(option string, d time.Duration) {
	if d < 0 {
		panic(fmt.Sprintf("%s(%v) is negative, at %s", option, d, Caller(3)))
	}
}

// position returns file:line, with the last directory of the file if dir is true.
func position(file string, line int, dir bool) string {
	i := strings.LastIndexByte(file, '/')
	if i > 0 && dir {
		i = strings.LastIndexByte(file[:i], '/')
	}
	return file[i+1:] + ":" + strconv.Itoa(line)
}

// functionName returns the name of a declared function or method without the path of its package,
// "" for a closure.
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

// isClosure reports whether part of a name was made by the compiler: func1, gowrap2, 1,
// glob..func3, or f-range1 for the body of a range over a function.
func isClosure(part string) bool {
	for _, prefix := range [...]string{"func", "gowrap", "deferwrap", ""} {
		if digits, ok := strings.CutPrefix(part, prefix); ok && digits != "" && strings.Trim(digits, "0123456789") == "" {
			return true
		}
	}
	return strings.Contains(part, "-range")
}
