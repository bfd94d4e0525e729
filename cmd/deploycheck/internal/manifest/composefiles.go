package manifest

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// The files that docker compose takes if none is named, in the order of preference
// (compose-go 2.16, cli/options.go).
var (
	composeNames     = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}
	composeOverrides = []string{"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"}
)

// A composeFile is a Compose file that is being read, with the files that are merged into it.
type composeFile struct {
	name  string
	dir   string // absolute
	files []types.ConfigFile
	own   int // the index of the file that is being read
	env   types.Mapping
	parts []string                // the files that the services extend, and those that are included
	trees map[string][]*yaml.Node // the documents of the files that were asked for, by name
}

// partOf returns the file that the override file belongs to, if this is one.
func (c *composeFile) partOf() string {
	dir, base := filepath.Split(c.name)
	if slices.Contains(composeOverrides, base) {
		return firstOf(dir, composeNames)
	}
	return ""
}

// firstOf returns the first of the names that exists in a folder.
func firstOf(dir string, names []string) string {
	for _, name := range names {
		if isRegular(filepath.Join(dir, name)) {
			return name
		}
	}
	return ""
}

func isRegular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func (c *composeFile) open(data []byte) (err error) {
	dir, base := filepath.Split(c.name)
	if c.name == Stdin {
		dir = ""
	}
	if c.dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	if err := withoutCycles(data); err != nil {
		return err
	}
	c.files = []types.ConfigFile{{Filename: filepath.Join(c.dir, base), Content: data}}
	if c.name != Stdin && base == firstOf(c.dir, composeNames) {
		if override := firstOf(c.dir, composeOverrides); override != "" {
			c.files = append(c.files, types.ConfigFile{Filename: filepath.Join(c.dir, override)})
		}
	}
	c.env = types.NewMapping(os.Environ())
	if file := filepath.Join(c.dir, ".env"); isRegular(file) {
		own, err := dotenv.GetEnvFromFile(c.env, []string{file})
		if err != nil {
			return err
		}
		c.env = c.env.Merge(own)
		c.listed(own)
	}
	return nil
}

// listed takes the files of COMPOSE_FILE in .env, if this is one of them: docker compose merges them in order,
// and no override file (docs.docker.com, Compose, "Pre-defined environment variables", 2026). In a directory
// the first one stands for all.
func (c *composeFile) listed(env map[string]string) {
	var paths []string
	for path := range strings.SplitSeq(env["COMPOSE_FILE"], cmp.Or(env["COMPOSE_PATH_SEPARATOR"], string(os.PathListSeparator))) {
		paths = append(paths, c.absolute(path))
	}
	own := slices.Index(paths, c.files[0].Filename)
	if c.name == Stdin || own < 0 {
		return
	}
	if own == 0 {
		c.parts = paths[1:]
	}
	files := make([]types.ConfigFile, len(paths))
	for i, path := range paths {
		files[i].Filename = path
	}
	files[own] = c.files[0]
	c.files, c.own = files, own
}

// addFirst puts the folder's first Compose file before this one, which is only a part: docker compose
// -f compose.yaml -f compose.prod.yaml.
func (c *composeFile) addFirst() bool {
	first := firstOf(c.dir, composeNames)
	if first == "" || len(c.files) > 1 || filepath.Base(c.name) == first {
		return false
	}
	c.files = append([]types.ConfigFile{{Filename: filepath.Join(c.dir, first)}}, c.files...)
	c.own = 1
	return true
}

// load returns the project, and the command and the entrypoint of each service that are strings.
func (c *composeFile) load() (*types.Project, map[string]map[string]string, error) {
	details := types.ConfigDetails{WorkingDir: c.dir, ConfigFiles: c.files, Environment: c.env}
	opts := loader.ToOptions(&details, []func(*loader.Options){func(o *loader.Options) {
		name := loader.NormalizeProjectName(filepath.Base(c.dir))
		if name == "" {
			name = "default"
		}
		o.SetProjectName(name, false)
		o.Profiles = []string{"*"}
		o.SkipResolveEnvironment = true // the files of env_file are often not in the repository
		o.SkipResolveLabels = true
		o.Listeners = append(o.Listeners, c.uses)
	}})
	set := func(o *loader.Options) { *o = *opts }
	model, err := loader.LoadModelWithContext(context.Background(), details, set)
	if err != nil {
		return nil, nil, err
	}
	if name, ok := model["name"].(string); ok {
		opts.SetProjectName(name, true)
	}
	commands := map[string]map[string]string{}
	services, _ := model["services"].(map[string]any)
	for name, service := range services {
		s, _ := service.(map[string]any)
		commands[name] = map[string]string{}
		for _, key := range []string{"command", "entrypoint"} {
			if text, ok := s[key].(string); ok {
				commands[name][key] = text
			}
		}
	}
	project, err := loader.ModelToProject(model, opts, details)
	return project, commands, err
}

// uses is called for each extends and include of the file.
func (c *composeFile) uses(event string, data map[string]any) {
	var files []string
	switch event {
	case "extends":
		if file, ok := data["file"].(string); ok && filepath.Base(file) != firstOf(filepath.Dir(c.absolute(file)), composeNames) {
			files = append(files, file) // a file that Compose takes by itself is also one by itself
		}
	case "include":
		if paths, ok := data["path"].(types.StringList); ok {
			files = paths
		}
	}
	for _, file := range files {
		c.parts = append(c.parts, c.absolute(file))
	}
}

func (c *composeFile) absolute(file string) string {
	if filepath.IsAbs(file) {
		return filepath.Clean(file)
	}
	return filepath.Join(c.dir, file)
}

// dropParts skips the Compose files that are parts of others among the files.
func dropParts(files []File) {
	absolute := make([]string, len(files))
	isPart := map[string]bool{}
	for i, f := range files {
		absolute[i], _ = filepath.Abs(f.Name) // on an error no part has this name
		for _, part := range f.parts {
			isPart[part] = true
		}
	}
	var drop func(i int)
	drop = func(i int) {
		for _, part := range files[i].parts {
			if j := slices.Index(absolute, part); j >= 0 && len(files[j].Workloads)+len(files[j].Errs) > 0 {
				parts := files[j].parts
				files[j] = File{Name: files[j].Name, Skipped: []string{"part of " + filepath.Base(files[i].Name)}, parts: parts}
				drop(j)
			}
		}
	}
	for i := range files {
		if !isPart[absolute[i]] { // files that only refer to each other stay
			drop(i)
		}
	}
}

// from returns the file that sets the field, if that is not the file that is being read. Compose merges
// the files in order, and the last one that has the field decides.
func (c *composeFile) from(field string) string {
	d := c.decides(field)
	if d.own {
		return ""
	}
	if rel, err := filepath.Rel(c.dir, d.file); err == nil {
		return filepath.Join(filepath.Dir(c.name), rel)
	}
	return d.file
}

// place returns the place of a field. It has none if another file, or a later document of this one, sets
// the field.
func (c *composeFile) place(field string) finding.Place {
	d := c.decides(field)
	all := c.tree(c.own)
	if !d.own || d.document > 1 || len(all) == 0 {
		return finding.Place{}
	}
	n := find(all[0], field)
	p := placeOf(n)
	if quoted := n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0; quoted && !strings.ContainsAny(n.Value, "\n\\\"'") {
		p.Text, p.Column = n.Value, p.Column+1 // without the quotes
	}
	if strings.Contains(p.Text, "$") {
		p.Text = "" // a variable is not replaced by a value
	}
	return p
}

// key returns the place of the key of a field that the file itself has.
func (c *composeFile) key(field string) finding.Place {
	d := c.decides(field)
	all := c.tree(c.own)
	if !d.own || d.document > 1 || len(all) == 0 {
		return finding.Place{}
	}
	return keyOf(all[0], field)
}

// A composeSource is the place that decides the value of a field.
type composeSource struct {
	file     string
	own      bool // it is the file that is being read
	document int
}

// decides returns the last document that has the field. If none has it, it is the first one of the file
// that is being read.
func (c *composeFile) decides(field string) composeSource {
	for i := len(c.files) - 1; i >= 0; i-- {
		all := c.tree(i)
		for j := len(all) - 1; j >= 0; j-- {
			if sets(all[j], field) {
				return composeSource{c.files[i].Filename, i == c.own, j + 1}
			}
		}
	}
	return composeSource{own: true, document: 1}
}

// tree returns the documents of a file. A file may have many services, so it is parsed once.
func (c *composeFile) tree(i int) []*yaml.Node {
	file := &c.files[i]
	all, ok := c.trees[file.Filename]
	if !ok {
		data := file.Content
		if data == nil {
			data, _ = os.ReadFile(file.Filename) // compose-go has read it already
		}
		all = yamlNodes(data)
		c.trees[file.Filename] = all
	}
	return all
}

// sets reports whether the value has the field, or takes it from another value: by an alias, a merge key or
// extends.
func sets(n *yaml.Node, field string) bool {
	for part := range strings.SplitSeq(field, ".") {
		for n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		next := child(n, part)
		if next == nil {
			return child(n, "<<") != nil || child(n, "extends") != nil
		}
		n = next
	}
	return true
}
