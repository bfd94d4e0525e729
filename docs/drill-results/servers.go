package main

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
)

// A server is one that is drilled. The folder servers/Dir has its program or settings, which name the
// page of the manual.
type server struct {
	Dir      string
	Name     string   // in the table
	Command  []string // as the drill takes it, in the folder servers
	Signal   string   // empty: SIGTERM
	Needs    []string // programs, each with the name of its Debian package
	Versions []versioned
	record   string // the file with the ids of executed requests; empty: its output
}

// A versioned is something whose version matters, and the command that prints it. Without a command it
// is what this program was built with.
type versioned struct {
	Name    string
	Command []string
}

const (
	recorded   = "{{.Dir}}/executed" // where the backend of a proxy leaves them
	nodeNeeded = "node nodejs"
)

var (
	golang = versioned{Name: "Go"}
	nodejs = versioned{"Node.js", []string{"node", "--version"}}
	python = versioned{"Python", []string{"/usr/bin/python3", "--version"}} // Debian's, which its packages use
)

func module(name, path string) versioned {
	return versioned{name, []string{"go", "list", "-m", "-f", "{{.Version}}", path}}
}

func pkg(name string) versioned {
	return versioned{name, []string{"node", "-p", fmt.Sprintf("require('./node_modules/%s/package.json').version", name)}}
}

// servers are in the order of the table, within each grade.
var servers = []server{
	{Dir: "httpdrain", Name: "net/http with httpdrain", Command: []string{"httpdrain"}, Versions: []versioned{golang}},
	{Dir: "nethttp", Name: "net/http with Shutdown", Command: []string{"nethttp"}, Versions: []versioned{golang}},
	{Dir: "gin", Name: "gin", Command: []string{"gin"}, Versions: []versioned{golang, module("gin", "github.com/gin-gonic/gin")}},
	{Dir: "fiber", Name: "fiber (fasthttp)", Command: []string{"fiber"}, Versions: []versioned{golang, module("fiber", "github.com/gofiber/fiber/v3"), module("fasthttp", "github.com/valyala/fasthttp")}},
	{
		Dir: "nginx", Name: "nginx (proxy)", Signal: "SIGQUIT", Needs: []string{"nginx"}, record: recorded,
		Command:  []string{"sh", "-c", `sed -e "s|@PORT@|$PORT|" -e "s|@BACKEND@|$BACKEND|" -e "s|@DIR@|$DRILL_DIR|" nginx/nginx.conf >"$DRILL_DIR/nginx.conf" && exec nginx -e stderr -c "$DRILL_DIR/nginx.conf"`},
		Versions: []versioned{{"nginx", []string{"nginx", "-v"}}},
	},
	{
		Dir: "caddy", Name: "Caddy (proxy)", Needs: []string{"caddy"}, record: recorded,
		Command:  []string{"caddy", "run", "--config", "caddy/Caddyfile"},
		Versions: []versioned{{"Caddy", []string{"caddy", "version"}}},
	},
	{Dir: "node-http", Name: "Node.js http", Needs: []string{nodeNeeded}, Command: []string{"node", "node-http/server.js"}, Versions: []versioned{nodejs}},
	{Dir: "express", Name: "Express", Needs: []string{nodeNeeded}, Command: []string{"node", "express/server.js"}, Versions: []versioned{nodejs, pkg("express")}},
	{Dir: "express-terminus", Name: "Express with terminus", Needs: []string{nodeNeeded}, Command: []string{"node", "express-terminus/server.js"}, Versions: []versioned{nodejs, pkg("express"), pkg("@godaddy/terminus")}},
	{Dir: "express-stoppable", Name: "Express with stoppable", Needs: []string{nodeNeeded}, Command: []string{"node", "express-stoppable/server.js"}, Versions: []versioned{nodejs, pkg("express"), pkg("stoppable")}},
	{Dir: "fastify", Name: "Fastify with close-with-grace", Needs: []string{nodeNeeded}, Command: []string{"node", "fastify/server.js"}, Versions: []versioned{nodejs, pkg("fastify"), pkg("close-with-grace")}},
	{
		Dir: "gunicorn", Name: "Gunicorn", Needs: []string{"gunicorn"},
		Command:  []string{"gunicorn", "--chdir", "gunicorn", "--config", "gunicorn/gunicorn.conf.py", "app:app"},
		Versions: []versioned{python, {"Gunicorn", []string{"gunicorn", "--version"}}},
	},
	{
		Dir: "uvicorn", Name: "Uvicorn", Needs: []string{"uvicorn"},
		Command:  []string{"uvicorn", "--app-dir", "uvicorn", "--port", "{{.Port}}", "--no-access-log", "app:app"},
		Versions: []versioned{python, {"Uvicorn", []string{"uvicorn", "--version"}}},
	},
	{
		Dir: "puma", Name: "Puma", Needs: []string{"puma"},
		Command:  []string{"puma", "--config", "puma/puma.rb", "puma/config.ru"},
		Versions: []versioned{{"Ruby", []string{"ruby", "--version"}}, {"Puma", []string{"puma", "--version"}}},
	},
}

// flags are those of the drill that differ between the servers.
func (s server) flags() []string {
	all := []string{"-executed", cmp.Or(s.record, "-")}
	if s.Signal != "" {
		all = append(all, "-signal", s.Signal)
	}
	return all
}

// missing says what the machine does not have; empty: nothing.
func (s server) missing() string {
	for _, need := range s.Needs {
		program, pkg, _ := strings.Cut(need, " ")
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Sprintf("%s is not installed (apt-get install %s)", program, cmp.Or(pkg, program))
		}
	}
	return ""
}

var version = regexp.MustCompile(`\d+\.\d+[\w.+-]*`)

// versions asks the programs, in the folder servers.
func (s server) versions(ctx context.Context, dir string) (string, error) {
	var all []string
	for _, v := range s.Versions {
		text := runtime.Version()
		if len(v.Command) > 0 {
			out, err := command(ctx, dir, v.Command...).CombinedOutput()
			if err != nil {
				return "", fmt.Errorf("the version of %s: %w: %s", v.Name, err, out)
			}
			text = string(out)
		}
		all = append(all, v.Name+" "+version.FindString(text))
	}
	return strings.Join(all, ", "), nil
}
