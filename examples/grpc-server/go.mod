module github.com/lastcall-go/lastcall/examples/grpc-server

go 1.26.0

require (
	github.com/lastcall-go/lastcall v0.0.0
	github.com/lastcall-go/lastcall/shutdown/grpcdrain v0.0.0
	go.uber.org/goleak v1.3.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/mattn/go-colorable v0.1.14 // indirect
	github.com/mattn/go-isatty v0.0.20 // indirect
	github.com/oklog/run v1.2.0 // indirect
	github.com/rs/zerolog v1.35.1 // indirect
	golang.org/x/net v0.60.0 // indirect
	golang.org/x/sys v0.48.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
)

replace (
	github.com/lastcall-go/lastcall => ../..
	github.com/lastcall-go/lastcall/shutdown/grpcdrain => ../../shutdown/grpcdrain
)
