//go:build !unix

package main

import "os"

func status(p *os.ProcessState) int { return p.ExitCode() }
