package shutdown

import (
	"context"
	"reflect"
)

// signatures are those that Func takes.
var signatures = []reflect.Type{
	reflect.TypeFor[func()](),
	reflect.TypeFor[func() error](),
	reflect.TypeFor[func(context.Context)](),
	reflect.TypeFor[func(context.Context) error](),
}

// convert turns a function of a named type into one of the plain type below it.
func convert(f any) any {
	v := reflect.ValueOf(f)
	for _, t := range signatures {
		if v.Type().ConvertibleTo(t) {
			return v.Convert(t).Interface()
		}
	}
	return f
}
