package main

import (
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count": templateCount,
	"round": func(m millis) time.Duration { return round(m.duration()) },
}).Parse(pageHTML))

// A page is an HTML file that appears when it is complete. The nil *page writes nothing.
type page struct {
	path string
	tmp  *os.File
}

// createPage returns nil for an empty path.
func createPage(path string) (*page, error) {
	if path == "" {
		return nil, nil
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("-o %s: is a folder", path)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".drill-*.html")
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err // without the name of a file that nobody asked for
	}
	if err != nil {
		return nil, fmt.Errorf("-o %s: %w", path, err)
	}
	return &page{path, tmp}, nil
}

// Close removes the file if it is incomplete.
func (p *page) Close() {
	if p != nil {
		_ = p.tmp.Close()
		_ = os.Remove(p.tmp.Name())
	}
}

// A section is one result on the page.
type section struct {
	*Result
	ID       int
	Rows     []row
	Pictures []picture
	First    []Loss
}

type picture struct {
	Title string
	SVG   template.HTML
}

// write completes the page.
func (p *page) write(results []*Result, now time.Time) error {
	if p == nil {
		return nil
	}
	const losses = 20
	var sections []section
	for n, r := range results {
		pictures, err := r.pictures()
		if err != nil {
			return fmt.Errorf("-o %s: %w", p.path, err)
		}
		sections = append(sections, section{r, n + 1, r.rows(), pictures, r.Losses[:min(losses, len(r.Losses))]})
	}
	err := pageTemplate.Execute(p.tmp, map[string]any{"Sections": sections, "Now": now.Format(time.DateTime)})
	if err == nil {
		err = p.tmp.Chmod(0o644)
	}
	if err == nil {
		err = p.tmp.Close()
	}
	if err == nil {
		err = os.Rename(p.tmp.Name(), p.path)
	}
	if err != nil {
		return fmt.Errorf("-o %s: %w", p.path, err)
	}
	return nil
}

// pictures draws the whole session and, if much happens in a short time, each stop. On the right
// there is room for the name of the last mark.
func (r *Result) pictures() ([]picture, error) {
	took := r.Took.duration()
	whole, err := r.picture(0, took+took/12)
	if err != nil {
		return nil, err
	}
	all := []picture{{"The whole drill", whole}}
	for _, st := range r.Stops {
		from, to := st.Signal.duration(), st.busyUntil()
		margin := max(20*time.Millisecond, (to-from)/8)
		if to-from > took/2 {
			continue
		}
		svg, err := r.picture(max(0, from-margin), to+2*margin)
		if err != nil {
			return nil, err
		}
		all = append(all, picture{"The end of " + st.Instance, svg})
	}
	return all, nil
}

// busyUntil is the exit, or the last answer if the exit comes long after it.
func (st Stop) busyUntil() time.Duration {
	if (st.Exit - st.quiet).duration() > time.Second {
		return st.quiet.duration()
	}
	return st.Exit.duration()
}

// templateCount is count for the values of a template: an int, or a pointer to one, not nil.
func templateCount(n any) string {
	if p, ok := n.(*int); ok {
		return count(*p)
	}
	return count(n.(int))
}
