// Package campaign holds no code but its tests: a campaign of random programs against the
// packages group and shutdown.
//
// A program has tasks, holds, scopes and handlers, and events at random times: signals, requests to
// stop, registrations. Its steps misbehave in every possible way. They are slow, ignore their
// contexts, fail, panic, call Goexit or Exit, leave goroutines behind, and call methods of the
// Coordinator. Tasks need time to start, are called again after a failure, or may fail. The program
// runs in a synctest bubble, where an hour takes no time and every instant is exact. Its steps record
// what they see. A model of the documentation's guarantees then checks these records, the report and
// the events. The model shares no code with the implementation.
//
// If a program breaks a guarantee, the campaign makes it smaller, element by element, and prints it
// with its seed:
//
//	go test ./internal/campaign                                  # a few thousand programs
//	make campaign PROGRAMS=1000000                               # more of them
//	go test -run Campaign ./internal/campaign -campaign.seed 17  # this one
//
// The seed determines the program, but not the random part of the wait before a task is called again.
// Nor does it determine the order in which goroutines run at the same instant. So a finding may need
// several tries to show again.
//
// Tests show that the model finds faults: with false records (mutation_test.go), and with faults in
// the source of the core, which `make mutants` compiles one by one (mutants_test.go).
package campaign
