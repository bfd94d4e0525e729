package main

import (
	"os"
	"path/filepath"
)

// replace gives a file new content in one step. After any end of the process or of the machine, the
// file has either the old or the new content, and the new content if replace has returned.
func replace(path string, content []byte) error {
	// The new file is in the same folder, because a rename is one step only within a file system. Its
	// name is always the same, so that the next save uses the file that a crash has left.
	temp := path + ".new"
	err := write(temp, content)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
		return err
	}
	return syncDir(filepath.Dir(path)) // until then the rename is only in memory too
}

// write returns when the content is on the disk. Without the Sync, the rename could reach the disk
// before the content, and a crash of the machine would leave an empty file.
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
