package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// An output is a file that appears when it is complete.
type output struct {
	path string
	tmp  *os.File
}

type outputs []*output

func (all outputs) create() error {
	for _, o := range all {
		if err := o.create(); err != nil {
			all.remove()
			return fmt.Errorf("-o %s: %w", o.path, err)
		}
	}
	return nil
}

func (o *output) create() error {
	if info, err := os.Stat(o.path); err == nil && info.IsDir() {
		return errors.New("is a folder")
	}
	tmp, err := os.CreateTemp(filepath.Dir(o.path), ".drill-*")
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err // without the name of a file that nobody asked for
	}
	o.tmp = tmp
	return err
}

// remove removes the files that are incomplete.
func (all outputs) remove() {
	for _, o := range all {
		if o.tmp != nil {
			_ = o.tmp.Close()
			_ = os.Remove(o.tmp.Name())
		}
	}
}

func (all outputs) write(d *Document) error {
	for _, o := range all {
		view := d.writeJSON
		if filepath.Ext(o.path) == ".html" {
			view = d.writePage
		}
		if err := o.write(view); err != nil {
			return fmt.Errorf("-o %s: %w", o.path, err)
		}
	}
	return nil
}

func (o *output) write(view func(io.Writer) error) error {
	err := view(o.tmp)
	if err == nil {
		err = o.tmp.Chmod(0o644)
	}
	if err == nil {
		err = o.tmp.Close()
	}
	if err == nil {
		err = os.Rename(o.tmp.Name(), o.path)
	}
	return err
}
