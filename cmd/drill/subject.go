package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// A subject is a server to drill. Its texts are templates over vars.
type subject struct {
	name                               string
	control                            bool
	args                               []string // the command
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

// subjects returns the servers to drill.
func (c *config) subjects() ([]*subject, error) {
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
		all = append(all, c.commandSubject())
	}
	return all, nil
}

func (c *config) commandSubject() *subject {
	return &subject{
		name: filepath.Base(c.command[0]),
		args: c.command,
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
		args: []string{self, "-addr", "127.0.0.1:{{.Port}}", "-executed", "{{.Dir}}/executed"},
		env:  []string{plainEnv + "=1"},
		url:  "http://127.0.0.1:{{.Port}}/", ready: "http://127.0.0.1:{{.Port}}/readyz",
		stream: "http://127.0.0.1:{{.Port}}/stream", body: "{{.ID}}", executed: "{{.Dir}}/executed",
	}, nil
}
