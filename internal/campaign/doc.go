// Package campaign holds no code but its tests: a campaign of random programs against the
// packages group and shutdown.
//
// A program is tasks, holds, scopes, handlers and what happens to them: signals, requests
// to stop, registrations, at random times. Its steps misbehave in each way there is: they
// are slow or deaf, fail, panic, call Goexit or Exit, leave goroutines behind, and call the
// Coordinator back. It runs in a synctest bubble, where the hour that a deaf step would
// take costs nothing and every instant is exact. What happened, as the steps have seen it
// and as the report and the events tell it, is then held against a model of the promises
// that the documentation makes, which knows nothing of how they are kept.
//
// A program that breaks one is made smaller, element by element, and printed with its seed:
//
//	go test ./internal/campaign                                  # some thousand programs
//	make campaign PROGRAMS=1000000                               # as many as one likes
//	go test -run Campaign ./internal/campaign -campaign.seed 17  # this one
//
// That the model finds faults is tested, too: with faults that are put into what it
// observes (mutation_test.go), and with faults in the source of the core, which `make
// mutants` compiles into it one by one (mutants_test.go).
package campaign
