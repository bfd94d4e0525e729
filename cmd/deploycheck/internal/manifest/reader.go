package manifest

import (
	"path/filepath"
	"slices"
	"strings"
)

// A reader reads one kind of file.
type reader struct {
	kind string // as -kind has it
	// named reports whether files in a directory with this base name, in lower case, are read.
	named func(base string) bool
	// recognised reports whether the file is of this kind. The readers are asked in order.
	recognised func(name string, data []byte) bool
	decode     func(name string, data []byte) File
}

// readers has the reader of each kind. The last one takes the files that no other one recognises.
var readers = []reader{
	{"dockerfile", namedDockerfile, isDockerfile, dockerfile},
	{"systemd", namedUnit, isUnit, systemd},
	{"procfile", namedProcfile, isProcfile, procfile},
	{"fly", namedFly, isFly, fly},
	{"ecs", isManifest, isECS, ecs},
	{"nomad", namedNomad, isNomad, nomad},
	{"compose", isManifest, isCompose, compose},
	{kubernetesKind, isManifest, func(string, []byte) bool { return true }, kubernetes},
}

const kubernetesKind = "kubernetes"

// Kinds returns the kinds of files.
func Kinds() []string {
	all := make([]string, 0, len(readers))
	for _, r := range readers {
		all = append(all, r.kind)
	}
	return all
}

func readerOf(name, kind string, data []byte) reader {
	i := slices.IndexFunc(readers, func(r reader) bool {
		return r.kind == kind || kind == "" && r.recognised(name, data)
	})
	return readers[i]
}

// isKnown reports whether a file of a directory is read.
func isKnown(path, kind string) bool {
	base := strings.ToLower(filepath.Base(path))
	return slices.ContainsFunc(readers, func(r reader) bool { return (kind == "" || kind == r.kind) && r.named(base) })
}

func isManifest(base string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(base)) || base == "kustomization"
}
