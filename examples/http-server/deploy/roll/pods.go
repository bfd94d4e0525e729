package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"
)

// A pod is the part of a pod's JSON that tells how it ended.
type pod struct {
	Metadata struct {
		Name     string
		Deletion *time.Time `json:"deletionTimestamp"` // the time of the deletion and the grace period
		Grace    int        `json:"deletionGracePeriodSeconds"`
	}
	Status struct {
		Containers []struct {
			State struct {
				Terminated *struct {
					ExitCode   int       `json:"exitCode"`
					FinishedAt time.Time `json:"finishedAt"`
				}
			}
		} `json:"containerStatuses"`
	}
}

// watch collects all states of the pods until the returned function is called.
func (c *config) watch(ctx context.Context) (stop func() []pod, err error) {
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, "kubectl", append(c.global(), "get", "pods", "--watch", "-o", "json")...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return nil, err
	}
	done := make(chan []pod)
	go func() {
		seen := decode(out)
		_ = cmd.Wait() // it was killed
		done <- seen
	}()
	return func() []pod { cancel(); return <-done }, nil
}

// decode reads pods until the end, or until something else comes.
func decode(r io.Reader) (pods []pod) {
	for d := json.NewDecoder(r); ; {
		var p pod
		if err := d.Decode(&p); err != nil {
			if !errors.Is(err, io.EOF) {
				_, _ = io.Copy(io.Discard, r) // so that kubectl does not wait for a reader
			}
			return pods
		}
		pods = append(pods, p)
	}
}

// ends tell how the containers of the old pods have ended.
type ends struct {
	ended, killed int
	unseen        int // the watch has missed the end
	first, last   time.Duration
}

// sigkill is the exit code of a container that ended by SIGKILL.
const sigkill = 128 + 9

func endsOf(old []string, seen []pod) (e ends) {
	for _, name := range old {
		var last *pod
		for n, p := range seen {
			if "pod/"+p.Metadata.Name == name && p.Metadata.Deletion != nil && len(p.Status.Containers) > 0 && p.Status.Containers[0].State.Terminated != nil {
				last = &seen[n]
			}
		}
		if last == nil {
			e.unseen++
			continue
		}
		end := last.Status.Containers[0].State.Terminated
		if end.ExitCode == sigkill {
			e.killed++
		}
		deleted := last.Metadata.Deletion.Add(-time.Duration(last.Metadata.Grace) * time.Second)
		took := end.FinishedAt.Sub(deleted)
		if e.ended == 0 || took < e.first {
			e.first = took
		}
		e.ended++
		e.last = max(e.last, took)
	}
	return e
}

func (e ends) count() string {
	if e.unseen > 0 {
		return fmt.Sprintf("%d, the end of %d was not seen", e.ended+e.unseen, e.unseen)
	}
	return fmt.Sprint(e.ended)
}

// times has full seconds only, as the API.
func (e ends) times() string {
	if e.ended == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%v to %v", e.first, e.last)
}
