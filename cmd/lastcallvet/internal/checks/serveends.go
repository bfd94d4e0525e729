package checks

// ServeEnds finds programs that end while their server still shuts down.
var ServeEnds = analyzer("serveends",
	`a program that ends when Serve returns, while Shutdown still runs

ListenAndServe and Serve return as soon as Shutdown is called, not when it is
done. A main that goes on then and returns ends the process while Shutdown waits
for requests in another goroutine: they are cut.`,
	func(c *checker) {
		for _, fn := range c.Funcs {
			serve, shut, ok := c.EndsWithServe(fn)
			if !ok || !c.EndsProgram(fn) {
				continue
			}
			if shut.Instr == nil {
				if serve.Fn == nil { // of this package: reported there
					c.at(serve, nil, "%s returns when its server's Serve does, while the Shutdown that it started still runs: the process ends here and cuts the requests in flight; let it wait for Shutdown to return", serve.Short())
				}
				continue
			}
			c.at(serve, nil, "%s returns when Shutdown is called (%s), not when it is done, and nothing waits for it: the process ends and cuts the requests in flight; wait for Shutdown to return before the end",
				serve.Short(), c.Line(shut.Instr.Pos()))
		}
	})
