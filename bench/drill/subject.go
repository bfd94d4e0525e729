package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"
	"time"
)

// A subject is a server to drill. Its texts are templates over vars.
type subject struct {
	name                               string
	control                            bool
	args                               func(mode) []string // the command
	env                                []string
	url, ready, stream, body, executed string
}

// vars are the values that differ between the instances of a subject.
type vars struct {
	Port, AdminPort int
	Dir             string
}

func (v vars) expand(text string) (string, error) { return render(text, v) }

// expandBody puts idPlaceholder in the place of the id.
func (v vars) expandBody(text string) (string, error) {
	return render(text, struct {
		vars
		ID string
	}{v, idPlaceholder})
}

func render(text string, data any) (string, error) {
	t, err := template.New("text").Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	if err := t.Execute(&b, data); err != nil {
		return "", fmt.Errorf("%w (there are {{.Port}}, {{.AdminPort}} and {{.Dir}}, and in -body {{.ID}})", err)
	}
	return b.String(), nil
}

// env is v for programs that take nothing but environment variables.
func (v vars) env() []string {
	return []string{fmt.Sprint("PORT=", v.Port), fmt.Sprint("ADMIN_PORT=", v.AdminPort), "DRILL_DIR=" + v.Dir}
}

// subjects returns the servers to drill. Those that have to be built are built in dir.
func (c *config) subjects(ctx context.Context, dir string) ([]*subject, error) {
	if c.while != "" {
		return []*subject{c.whileSubject()}, nil
	}
	var all []*subject
	if c.control {
		s, err := controlSubject()
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	if len(c.command) > 0 {
		return append(all, c.commandSubject()), nil
	}
	s, err := exampleSubject(ctx, dir)
	return append(all, s), err
}

func (c *config) commandSubject() *subject {
	return &subject{
		name: filepath.Base(c.command[0]),
		args: func(mode) []string { return c.command },
		url:  c.url, ready: c.ready, stream: c.stream, body: c.body, executed: c.executed,
	}
}

// controlSubject is this program again, as the plain server of plain.go.
func controlSubject() (*subject, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return &subject{
		name: "control: http.Server.Shutdown", control: true,
		args: func(mode) []string {
			return []string{self, "-addr", "127.0.0.1:{{.Port}}", "-executed", "{{.Dir}}/executed"}
		},
		env: []string{plainEnv + "=1"},
		url: "http://127.0.0.1:{{.Port}}/", ready: "http://127.0.0.1:{{.Port}}/readyz",
		stream: "http://127.0.0.1:{{.Port}}/stream", body: "{{.ID}}", executed: "{{.Dir}}/executed",
	}, nil
}

const examplePackage = "github.com/lastcall-go/lastcall/examples/http-server"

// exampleDelay is long enough for two polls at the default interval to see that an
// instance is not ready, on a busy machine.
const exampleDelay = time.Second

func exampleSubject(ctx context.Context, dir string) (*subject, error) {
	file := filepath.Join(dir, "http-server")
	build := exec.CommandContext(ctx, "go", "build", "-o", file, examplePackage)
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the example: %w: %s(run it in a checkout of lastcall, or drill a server of your own: drill [flags] -- command args)", err, out)
	}
	return &subject{
		name: "examples/http-server",
		args: func(m mode) []string {
			args := []string{file, "-addr", "127.0.0.1:{{.Port}}", "-admin", "127.0.0.1:{{.AdminPort}}", "-db", "{{.Dir}}/orders.db"}
			if m == direct {
				return args // without a delay, which is the harder case
			}
			return append(args, "-delay", exampleDelay.String())
		},
		url: "http://127.0.0.1:{{.Port}}/orders", ready: "http://127.0.0.1:{{.AdminPort}}/readyz",
		stream: "http://127.0.0.1:{{.Port}}/stream?for=1m", body: "{{.ID}}", executed: "{{.Dir}}/orders.db*",
	}, nil
}
