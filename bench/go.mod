module github.com/lastcall-go/lastcall/bench

go 1.26.0

require (
	github.com/lastcall-go/lastcall v0.0.0
	github.com/oklog/run v1.2.0
	github.com/rs/zerolog v1.35.1
	go.uber.org/fx v1.24.0
)

require (
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	go.uber.org/dig v1.19.0 // indirect
	go.uber.org/multierr v1.10.0 // indirect
	go.uber.org/zap v1.26.0 // indirect
	golang.org/x/sys v0.29.0 // indirect
)

replace github.com/lastcall-go/lastcall => ../
