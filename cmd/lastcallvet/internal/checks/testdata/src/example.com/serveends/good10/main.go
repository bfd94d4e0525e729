package main

import (
	"example.com/serveends/web"
	"net/http"
)

func main() {
	_ = web.RunAll(&http.Server{})
}
