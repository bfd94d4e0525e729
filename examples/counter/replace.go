package main

import (
	"os"
	"path/filepath"
)

// replace gives a file new content in one step: after whatever end, of the process or of
// the machine, the file has the old content or the new, and the new if replace returned.
func replace(path string, content []byte) error {
	// In the same folder, since only within a file system a rename is one step. Always
	// the same name, so that what a crash leaves behind is used up by the next save.
	temp := path + ".new"
	err := write(temp, content)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return err
	}
	return syncDir(filepath.Dir(path)) // the rename, too, is only in memory until then
}

// write returns when the content is on the disk. A rename can get there before what was
// written: without the Sync, a machine that goes down leaves an empty file.
func write(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
