// Command roll replaces all pods of this example in a cluster, under load, once for each kind of
// preStop hook, and prints what that costs: lost requests, pods that were killed, and times.
//
//	make kind                                        # a cluster of its own, by kind
//	go run ./examples/http-server/deploy/roll        # the current context of kubectl
//
// It needs kubectl, and an image of the example that the cluster's nodes can get (see -image). It
// works in a namespace of its own, lastcall-roll, and deletes it at the end. The load comes from
// this machine and goes to a NodePort of the Service, so the machine must reach the nodes. It does
// with kind and minikube on Linux; elsewhere, -url names an address that leads to the Service.
//
// The exit status is 0 if no request was lost and no pod was killed, 1 if there was one, and 2 if a
// roll could not be done.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/lastcall-go/lastcall/signals"
)

const (
	namespace    = "lastcall-roll"
	deployment   = "deployment/http-server"
	drillPackage = "github.com/lastcall-go/lastcall/cmd/drill"
	rollLimit    = "5m" // for kubectl, which would wait for ever
)

type config struct {
	context, image, url, modes, dir, drill string
	load                                   time.Duration
}

func main() {
	ctx, stop := signals.NotifyContext(context.Background())
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c config
	fs := flag.NewFlagSet("roll", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&c.context, "context", "", "`context` of kubectl; the current one if empty")
	fs.StringVar(&c.image, "image", "http-server:roll", "`image` of the example; with a tag other than latest, the nodes take one that they have")
	fs.StringVar(&c.url, "url", "", "`URL` that leads to the Service; a NodePort of the first node if empty")
	fs.StringVar(&c.modes, "modes", "none,httpget,exec,sleep", "names of manifests in -dir")
	fs.StringVar(&c.dir, "dir", "examples/http-server/deploy", "`folder` of the manifests")
	fs.StringVar(&c.drill, "drill", "", "`program` that is the drill; built with go if empty")
	fs.DurationVar(&c.load, "load", 5*time.Second, "`time` under load before and after each roll")
	if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	results, err := c.rollAll(ctx, stderr)
	write(stdout, results)
	if err != nil {
		fmt.Fprintln(stderr, "roll:", err)
		return 2
	}
	for _, r := range results {
		if r.drill.Lost > 0 || r.pods.killed > 0 || r.pods.unseen > 0 {
			return 1
		}
	}
	return 0
}

// A result is what one roll has cost.
type result struct {
	mode  string
	drill drillResult
	pods  ends
}

// drillResult is the part of the drill's JSON that is printed.
type drillResult struct {
	Answered, Lost int
	Kinds          map[string]int `json:"lost_by_kind"`
	Stops          []struct {
		Began float64 `json:"signal_ms"`
		Ended float64 `json:"exit_ms"`
		Good  bool    `json:"status_good"`
	}
}

func write(w io.Writer, results []result) {
	if len(results) == 0 {
		return
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "HOOK\tANSWERED\tLOST\tPODS\tSIGKILLED\tDELETION TO EXIT\tROLL")
	for _, r := range results {
		lost := fmt.Sprint(r.drill.Lost)
		if r.drill.Lost > 0 {
			lost += strings.ReplaceAll(fmt.Sprint(r.drill.Kinds), "map", " ")
		}
		stop := r.drill.Stops[0]
		took := time.Duration((stop.Ended - stop.Began) * float64(time.Millisecond)).Round(100 * time.Millisecond)
		fmt.Fprintf(tw, "%s\t%d\t%s\t%s\t%d\t%s\t%v\n", r.mode, r.drill.Answered, lost, r.pods.count(), r.pods.killed, r.pods.times(), took)
	}
	_ = tw.Flush()
}

// rollAll returns the results up to the first error.
func (c *config) rollAll(ctx context.Context, progress io.Writer) (results []result, err error) {
	if c.drill == "" {
		temp, err := os.MkdirTemp("", "roll")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(temp)
		c.drill = filepath.Join(temp, "drill")
		if out, err := exec.CommandContext(ctx, "go", "build", "-o", c.drill, drillPackage).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build the drill: %w: %s(run it in a clone of the repository)", err, out)
		}
	}
	if _, err := c.kubectl(ctx, "", "create", "namespace", namespace); err != nil {
		return nil, err
	}
	defer func() { // also after a signal
		_, e := c.kubectl(context.WithoutCancel(ctx), "", "delete", "namespace", namespace, "--timeout="+rollLimit)
		err = errors.Join(err, e)
	}()
	for mode := range strings.SplitSeq(c.modes, ",") {
		fmt.Fprintf(progress, "roll: %s\n", mode)
		r, err := c.roll(ctx, mode, progress)
		if err != nil {
			return results, fmt.Errorf("%s: %w", mode, err)
		}
		results = append(results, r)
	}
	return results, nil
}

// roll deploys one manifest and replaces its pods under load.
func (c *config) roll(ctx context.Context, mode string, progress io.Writer) (result, error) {
	r := result{mode: mode}
	url, err := c.deploy(ctx, mode)
	if err != nil {
		return r, err
	}
	old, err := c.kubectl(ctx, "", "get", "pods", "-o", "jsonpath={range .items[*]}pod/{.metadata.name} {end}")
	if err != nil {
		return r, err
	}
	watch, err := c.watch(ctx)
	if err != nil {
		return r, err
	}
	// rollout status returns when the new pods are available. The old ones may still drain then.
	kubectl := strings.Join(append([]string{"kubectl"}, c.global()...), " ")
	command := fmt.Sprintf("%[1]s rollout restart %[2]s && %[1]s rollout status %[2]s --timeout=%[3]s && %[1]s wait --for=delete %[4]s --timeout=%[3]s",
		kubectl, deployment, rollLimit, strings.TrimSpace(old))
	cmd := exec.CommandContext(ctx, c.drill, "-o", "json", "-runs", "1", "-load", c.load.String(), "-url", url+"/orders", "-while", command)
	cmd.Stderr = progress
	out, err := cmd.Output()
	seen := watch()
	var drilled struct {
		Reports []struct{ Runs []drillResult }
	}
	if json.Unmarshal(out, &drilled) != nil || len(drilled.Reports) != 1 || len(drilled.Reports[0].Runs) != 1 || len(drilled.Reports[0].Runs[0].Stops) != 1 {
		return r, fmt.Errorf("the drill: %w", errors.Join(err, context.Cause(ctx)))
	}
	r.drill = drilled.Reports[0].Runs[0]
	if !r.drill.Stops[0].Good {
		return r, errors.New("kubectl could not roll the deployment")
	}
	r.pods = endsOf(strings.Fields(old), seen)
	return r, nil
}

// deploy applies a manifest, waits until the pods are available, and returns an address of the
// Service.
func (c *config) deploy(ctx context.Context, mode string) (url string, err error) {
	manifest, err := os.ReadFile(filepath.Join(c.dir, mode+".yaml"))
	if err != nil {
		return "", err
	}
	const image = "image: http-server:latest"
	text := string(manifest)
	if strings.Count(text, image) != 1 {
		return "", fmt.Errorf("%s.yaml does not have %q once", mode, image)
	}
	if _, err := c.kubectl(ctx, strings.Replace(text, image, "image: "+c.image, 1), "apply", "-f", "-"); err != nil {
		return "", err
	}
	if _, err := c.kubectl(ctx, "", "rollout", "status", deployment, "--timeout="+rollLimit); err != nil {
		return "", err
	}
	if c.url != "" {
		return strings.TrimSuffix(c.url, "/"), nil
	}
	port, err := c.kubectl(ctx, "", "patch", "service", "http-server", "--patch", `{"spec":{"type":"NodePort"}}`, "-o", "jsonpath={.spec.ports[0].nodePort}")
	if err != nil {
		return "", err
	}
	node, err := c.kubectl(ctx, "", "get", "nodes", "-o", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
	if err != nil {
		return "", err
	}
	return "http://" + strings.TrimSpace(node) + ":" + strings.TrimSpace(port), nil
}

// global are the flags of each call of kubectl.
func (c *config) global() []string {
	flags := []string{"--namespace=" + namespace}
	if c.context != "" {
		flags = append(flags, "--context="+c.context)
	}
	return flags
}

// kubectl returns the standard output. An error has the standard error.
func (c *config) kubectl(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "kubectl", append(c.global(), args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%v: %w: %s", cmd, err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
