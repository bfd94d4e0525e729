package manifest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Stdin is the argument for standard input.
const Stdin = "-"

// Read reads the inputs that the arguments name. Of a directory it reads the files whose names a
// reader knows, recursively. It skips the templates of charts, and directories whose name begins with a dot, and does not follow
// links to directories. If kind is not empty, all files are of that kind.
func Read(args []string, kind string, stdin io.Reader) []Input {
	inputs := make([]Input, 0, len(args))
	for _, arg := range args {
		inputs = append(inputs, Input{Name: arg, Files: read(arg, kind, stdin)})
	}
	var files []*File
	for _, in := range inputs {
		for i := range in.Files {
			files = append(files, &in.Files[i])
		}
	}
	link(files)
	return inputs
}

func read(arg, kind string, stdin io.Reader) []File {
	if arg == Stdin {
		data, err := io.ReadAll(stdin)
		return []File{decode(Stdin, kind, data, err)}
	}
	info, err := os.Stat(arg)
	if err != nil || !info.IsDir() {
		return []File{readFile(arg, kind)}
	}
	var files []File
	err = filepath.WalkDir(arg, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			files = append(files, failed(path, err))
			return nil
		case entry.IsDir() && path != arg && (strings.HasPrefix(entry.Name(), ".") || ofChart(path)):
			return fs.SkipDir
		case isKnown(path, kind) && isFile(path):
			files = append(files, found(path, kind))
		}
		return nil
	})
	if err != nil {
		files = append(files, failed(arg, err))
	}
	for i := range files {
		files[i].dropPatches(arg)
	}
	dropParts(files)
	return files
}

// isFile reports whether path is a regular file or a link to one. It returns true for a broken
// link, so that the link is reported, and false for a pipe, which might block the reader for ever.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular()
}

func readFile(path, kind string) File {
	data, err := os.ReadFile(path)
	f := decode(path, kind, data, err)
	if err == nil && len(f.Errs) > 0 && isOther(path, kind, data) && !isManifest(strings.ToLower(filepath.Base(path))) {
		return failed(path, errors.New("the kind of this file is not known by its name and content: name it with -kind"))
	}
	return f
}

// found reads a file that was found in a directory. It skips the files of other tools, such as lists in
// YAML and JSON with comments.
func found(path, kind string) File {
	data, err := os.ReadFile(path)
	f := decode(path, kind, data, err)
	if err != nil || len(f.Errs) == 0 || !isOther(path, kind, data) {
		return f
	}
	first := f.Errs[0]
	switch {
	case !isManifest(strings.ToLower(filepath.Base(path))), strings.EqualFold(filepath.Ext(path), ".json"),
		bytes.Contains(data, []byte("apiVersion")), errors.Is(first, errNoObject), errors.Is(first, errNoType) && !podLike.Match(data):
		return File{Name: path, Skipped: []string{foreign}}
	}
	return f
}

// isOther reports whether no reader recognised the file, and it does not look like a manifest.
func isOther(path, kind string, data []byte) bool {
	return kind == "" && readerOf(path, kind, data).kind == kubernetesKind && !manifestLike.Match(data)
}

// manifestLike matches text that may be a manifest. Other tools number their apiVersion.
var manifestLike = regexp.MustCompile(`apiVersion"?\s*:\s*"?[^\s"0-9]`)

// podLike matches text that may be a manifest without its apiVersion.
var podLike = regexp.MustCompile(`(?m)^kind\s*:|\bcontainers\s*:`)

func decode(name, kind string, data []byte, err error) File {
	if err != nil {
		return failed(name, err)
	}
	return Decode(name, kind, data)
}

// Decode decodes the data of a file. If kind is empty, the file is recognised by its name and content.
func Decode(name, kind string, data []byte) File {
	f := readerOf(name, kind, data).decode(name, data)
	link([]*File{&f})
	return f
}

func failed(name string, err error) File {
	return File{Name: name, Errs: []*Error{{File: name, Err: err}}}
}
