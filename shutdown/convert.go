package shutdown

import (
	"context"
	"reflect"
)

// signatures has the function types that Func accepts.
var signatures = []reflect.Type{
	reflect.TypeFor[func()](),
	reflect.TypeFor[func() error](),
	reflect.TypeFor[func(context.Context)](),
	reflect.TypeFor[func(context.Context) error](),
}

// convert converts a function of a named type to its underlying type.
func convert(f any) any {
	v := reflect.ValueOf(f)
	for _, t := range signatures {
		if v.Type().ConvertibleTo(t) {
			return v.Convert(t).Interface()
		}
	}
	return f
}
