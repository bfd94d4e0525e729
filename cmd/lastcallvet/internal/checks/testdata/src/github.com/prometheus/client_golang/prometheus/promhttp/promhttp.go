package promhttp

import "net/http"

func Handler() http.Handler { return nil }
