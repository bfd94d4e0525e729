package manifest

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Stdin is the argument for standard input.
const Stdin = "-"

// Read reads the inputs that the arguments name. Of a directory it reads the files *.yaml, *.yml
// and *.json, recursively. It skips directories whose name begins with a dot, and does not follow
// links to directories.
func Read(args []string, stdin io.Reader) []Input {
	inputs := make([]Input, 0, len(args))
	for _, arg := range args {
		inputs = append(inputs, Input{Name: arg, Files: read(arg, stdin)})
	}
	return inputs
}

func read(arg string, stdin io.Reader) []File {
	if arg == Stdin {
		data, err := io.ReadAll(stdin)
		return []File{decode(Stdin, data, err)}
	}
	info, err := os.Stat(arg)
	if err != nil || !info.IsDir() {
		return []File{readFile(arg)}
	}
	var files []File
	err = filepath.WalkDir(arg, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			files = append(files, failed(path, err))
			return nil
		case entry.IsDir() && path != arg && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		case isManifest(path) && isFile(path):
			files = append(files, readFile(path))
		}
		return nil
	})
	if err != nil {
		files = append(files, failed(arg, err))
	}
	return files
}

func isManifest(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// isFile reports whether path is a regular file or a link to one. It returns true for a broken
// link, so that the link is reported, and false for a pipe, which might block the reader for ever.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular()
}

func readFile(path string) File {
	data, err := os.ReadFile(path)
	return decode(path, data, err)
}

func decode(name string, data []byte, err error) File {
	if err != nil {
		return failed(name, err)
	}
	return Decode(name, data)
}

func failed(name string, err error) File {
	return File{Name: name, Errs: []*Error{{File: name, Err: err}}}
}
