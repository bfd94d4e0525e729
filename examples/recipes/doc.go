// Package recipes has the recipes of the README as examples that are run: what a program
// has, and how it ends with lastcall. A module of its own, because most need what the
// library does not.
//
//	recipes_test.go     servers, a worker, a ticker, an errgroup, closers, what ends last
//	cron_test.go        jobs at times of the day
//	child_unix_test.go  a child process, and whatever it has started
//	database_test.go    database/sql, pgx, Redis
//	files_test.go       temporary files, an exit log, saved settings
//	oklog_test.go       actors, a group and a program of oklog/run
//	fx_test.go          a program of fx
package recipes
