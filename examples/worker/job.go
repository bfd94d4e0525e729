package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// A job is a unit of work. Its ID makes sure that its effect happens once. The ID is part of a
// NATS subject, so it has to be a token.
type job struct {
	ID   string        `json:"id"`
	Kind string        `json:"kind"`
	Work time.Duration `json:"work"` // in nanoseconds
}

// A result is the effect of a job. It is stored once for each ID.
type result struct {
	ID     string `json:"id"`
	Digest string `json:"digest"`
	Worker string `json:"worker"`
}

var token = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// parseJob parses a payload, which may come from anybody.
func parseJob(data []byte) (job, error) {
	var j job
	if err := json.Unmarshal(data, &j); err != nil {
		return job{}, fmt.Errorf("the payload is not a job: %w", err)
	}
	switch {
	case !token.MatchString(j.ID):
		return job{}, fmt.Errorf("job ID %q: want 1 to 100 letters, digits, - and _", j.ID)
	case kinds[j.Kind] == nil:
		return job{}, fmt.Errorf("unknown kind %q of job", j.Kind)
	}
	return j, nil
}

// kinds are the kinds of jobs. A worker has to survive the last three.
var kinds = map[string]func(ctx context.Context, j job) error{
	"sleep": func(ctx context.Context, j job) error {
		select {
		case <-time.After(j.Work):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	},
	"fail":  func(context.Context, job) error { return errors.New("this job always fails") },
	"panic": func(context.Context, job) error { panic("this job always panics") },
	"hang":  func(context.Context, job) error { select {} },
}

// do does the job.
func (j job) do(ctx context.Context) (result, error) {
	if err := kinds[j.Kind](ctx, j); err != nil {
		return result{}, err
	}
	digest := sha256.Sum256([]byte(j.ID))
	return result{ID: j.ID, Digest: hex.EncodeToString(digest[:8])}, nil
}
