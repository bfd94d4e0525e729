package gin

import "net/http"

type Engine struct{ http.Handler }

func Default() *Engine                     { return new(Engine) }
func (e *Engine) Run(addr ...string) error { return nil }
