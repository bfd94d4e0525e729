package checks

import (
	"go/token"
	"strings"

	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/flow"
)

// NoRun finds groups and handlers that nothing runs.
var NoRun = analyzer("norun",
	`a group that is never run, or handlers that nothing calls

A task that is added to a run.Group or a group.Group begins when the group is
run. A handler of shutdown.Register is called by the Main, Run or Exit of the
program. Where there is none, nothing happens, and nothing says so.`,
	func(c *checker) {
		for _, fn := range c.Funcs {
			for _, use := range c.Groups(fn) {
				if use.Added == nil || use.Ran || use.Escapes || use.Result {
					continue
				}
				if of := c.Summary(*use.Added); of != nil && of.Loaded != "" && use.Added.Obj != nil {
					c.at(*use.Added, nil, "%s returns a %s that has tasks, and nothing runs it: the tasks never begin; call its Run", use.Added.Short(), shortest(of.Loaded))
					continue
				}
				c.at(*use.Added, nil, "nothing runs this group: the functions that %s gets never begin; call its Run", use.Added.Short())
			}
		}
		c.unregistered()
	})

// unregistered reports a program with handlers whose main calls nothing that runs
// them.
func (c *checker) unregistered() {
	p := c.Program()
	if p.Registers == "" || p.Runs {
		return
	}
	for _, fn := range c.Funcs {
		if !flow.IsMain(fn) {
			continue
		}
		if r := c.Registration; r != nil {
			c.at(*r, nil, "nothing runs this handler: main calls no shutdown.Main, Run or Exit; write func main() { os.Exit(shutdown.Main(run)) }")
			return
		}
		c.Report(fn.Pos(), token.NoPos, nil, "a package of this program registers handlers (%s) that nothing runs: main calls no shutdown.Main, Run or Exit; write func main() { os.Exit(shutdown.Main(run)) }", strings.TrimSpace(p.Registers))
	}
}
