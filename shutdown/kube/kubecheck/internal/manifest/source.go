package manifest

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Stdin stands for standard input among the arguments.
const Stdin = "-"

// Read reads what the arguments name: files, standard input for Stdin, and of directories,
// recursively, the files *.yaml, *.yml and *.json. Directories whose name begins with a
// dot are left out, and links to directories are not followed.
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

// isFile follows a link. One that leads nowhere counts as a file, so that it is reported. A
// pipe in a directory is none: to read it could wait for ever.
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
