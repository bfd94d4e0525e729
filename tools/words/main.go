// Words finds phrases that this repository does not use: words of its own for things that
// have a usual name, and sentences that have to be read twice. For each it says what to
// write instead.
//
//	words LIST FOLDER
//
// LIST is a file of entries; words.txt explains their form. In Go files the comments, the
// strings, the identifiers and the file's name are searched, in other files all of the text.
// The exit status is 1 if something was found, and 2 if the search failed.
package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) != 2 {
		fmt.Fprintln(stderr, "usage: words LIST FOLDER")
		return 2
	}
	n, err := search(args[0], args[1], stdout)
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "words:", err)
		return 2
	case n > 0:
		fmt.Fprintf(stdout, "%d found; %s says what to write instead\n", n, filepath.ToSlash(args[0]))
		return 1
	}
	return 0
}

// search prints what it finds below folder and returns how much that is.
func search(listFile, folder string, stdout io.Writer) (n int, err error) {
	text, err := os.ReadFile(listFile)
	if err != nil {
		return 0, err
	}
	list, err := parse(string(text))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", listFile, err)
	}
	own, err := os.Stat(filepath.Dir(listFile))
	if err != nil {
		return 0, err
	}
	files := 0
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skip(d, own)
		}
		if !readable(d.Name()) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		found := find(list, filepath.ToSlash(name), text)
		for _, f := range found {
			fmt.Fprintln(stdout, f)
		}
		n += len(found)
		return nil
	})
	if err == nil && files == 0 {
		err = fmt.Errorf("%s: no files to search", folder)
	}
	return n, err
}

// skip leaves out what git keeps, what npm has installed, and the folder of the list, which has to
// quote the phrases.
func skip(d fs.DirEntry, own fs.FileInfo) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	if d.Name() == ".git" || d.Name() == "node_modules" || os.SameFile(info, own) {
		return filepath.SkipDir
	}
	return nil
}

// readable reports whether people read the file. RESULTS.md is written by bench/compare, whose
// source is searched.
func readable(name string) bool {
	if name == "RESULTS.md" {
		return false
	}
	return slices.Contains([]string{"Makefile", "Dockerfile", "run"}, name) ||
		slices.Contains([]string{".go", ".md", ".yml", ".yaml", ".html", ".sh", ".mod", ".work"}, filepath.Ext(name))
}

// A finding is a phrase at a place.
type finding struct {
	file    string
	line    int
	phrase  string
	instead string
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %q: %s", f.file, f.line, strings.Join(strings.Fields(f.phrase), " "), f.instead)
}
