// Package recipes has examples of what to write for what a program has. Each is tested. It is a
// module of its own, because most recipes need libraries that lastcall does not.
//
//	admin_test.go         pprof and readiness on an admin listener that ends last
//	background_test.go    work that goes on after a response, and callbacks of a library
//	blocking_test.go      a WebSocket handler that blocks in a read
//	channel_test.go       a worker on a channel
//	child_unix_test.go    a child process, and the processes that it starts
//	cmux_test.go          two protocols on one port, with cmux
//	command_unix_test.go  commands with cobra and urfave/cli
//	cron_test.go          jobs at times of the day, with gocron and robfig/cron
//	database_test.go      database/sql, pgx, Redis
//	deregister_test.go    leaving a service registry
//	expect_unix_test.go   errors that are an answer to the request to stop
//	files_test.go         temporary files, an exit log, saved settings
//	frameworks_test.go    echo and chi
//	fx_inject_test.go     fx for constructors, without its hooks
//	fx_step_test.go       the start and the stop of an fx.App that is one step
//	fx_test.go            moving over from fx
//	oklog_test.go         moving over from oklog/run
//	recipes_test.go       servers, closers, an errgroup, a scope
//	reload_unix_test.go   SIGHUP reloads the configuration
//	websocket_test.go     a hub of WebSockets
//	worker_test.go        a worker on a queue, a ticker
//	wrap_test.go          listeners of other libraries: the PROXY protocol, a limit of connections
//
// Those with gin, quic-go and client-go are in the module heavy.
//
// The documentation quotes the lines between "// region NAME" and "// endregion".
package recipes
