//go:build unix

package main

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// A job that cannot be done is tried -tries times and then moved to DEAD with the reason. The jobs
// after it are done.
func TestJobsThatCannotBeDone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.worker("-tries", "2", "-job-timeout", "2s", "-workers", "2")
	r.until("JOBS", 0) // the stream exists
	for id, payload := range map[string]string{
		"half":   `{"id":"ha`,
		"noid":   `{"kind":"sleep"}`,
		"paint":  `{"id":"paint","kind":"paint"}`,
		"panics": `{"id":"panics","kind":"panic"}`,
		"fails":  `{"id":"fails","kind":"fail"}`,
		"hang":   `{"id":"hang","kind":"hang"}`,
		"long":   `{"id":"long","kind":"sleep","work":3600000000000}`,
	} {
		r.publish(id, payload)
	}
	r.produce(20)
	r.until("RESULTS", 20)
	r.until("DEAD", 7)
	r.until("JOBS", 0)

	reasons := map[string]string{}
	for _, msgs := range r.read("DEAD") {
		for _, m := range msgs {
			reasons[string(m.Data)] = m.Header.Get(reasonHeader)
		}
	}
	for payload, reason := range map[string]string{
		`{"id":"ha`:                                         "not a job",
		`{"kind":"sleep"}`:                                  `ID ""`,
		`{"id":"paint","kind":"paint"}`:                     `"paint"`,
		`{"id":"panics","kind":"panic"}`:                    "panicked",
		`{"id":"fails","kind":"fail"}`:                      "always fails",
		`{"id":"hang","kind":"hang"}`:                       "abandoned",
		`{"id":"long","kind":"sleep","work":3600000000000}`: "deadline exceeded",
	} {
		if !strings.Contains(reasons[payload], reason) {
			t.Errorf("%s: reason %q, want %q", payload, reasons[payload], reason)
		}
	}
	if n := strings.Count(w.log.String(), `"job":"fails"`); n != 2 {
		t.Errorf("tried %d times, want twice:\n%s", n, w.log.String())
	}
	if code := w.terminate(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, w.log.String())
	}
}

// A job that crashes its worker each time never fails, so its deliveries are limited too.
func TestJobWithTooManyDeliveries(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.produce(1)
	jobs, err := r.js.Consumer(t.Context(), "JOBS", consumer)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		msg, err := jobs.Next(jetstream.FetchMaxWait(patience))
		if err != nil {
			t.Fatal(err)
		}
		if err := msg.Nak(); err != nil {
			t.Fatal(err)
		}
	}
	w := r.worker("-deliveries", "3")
	r.until("DEAD", 1)
	r.until("JOBS", 0)
	w.terminate()
}

func TestJobInHandIsFinished(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.produce(1, "-work", "5s")
	w := r.worker("-verbose", "-ack-wait", "1h")
	w.untilInHand()
	if code := w.terminate(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, w.log.String())
	}
	if c := w.counts(); c.Done != 1 || c.GivenBack != 0 {
		t.Errorf("%+v, want 1 done", c)
	}
	r.eachOnce(1)
}

// untilInHand waits until a -verbose worker has a job in hand. The broker's count would not do: a
// worker that is told to stop before it has received the job gives it back.
func (p *process) untilInHand() { p.t.Helper(); p.says(`"job taken"`) }

// unlessAbandoned calls stop, which stops a worker at its deadline. On a busy machine the worker may be
// abandoned before it has given its job back, which shows nothing of it. So stop is called until it is not,
// at most three times, and then check.
func unlessAbandoned(t *testing.T, stop func() (w *process, check func())) {
	t.Helper()
	for range 3 {
		w, check := stop()
		w.wait()
		if !strings.Contains(w.log.String(), `"outcome":"abandoned"`) {
			check()
			return
		}
	}
	t.Error("the worker was abandoned in each of three attempts")
}

// An interrupted job is given back, and another worker gets it at once.
func TestInterruptedJob(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		stop func(p *process)
	}{
		"by the grace period": {[]string{"-grace", "1s"}, func(p *process) { p.signal(syscall.SIGTERM) }},
		"by a second signal": {nil, func(p *process) {
			p.signal(syscall.SIGTERM)
			p.says(`"stopping"`)
			time.Sleep(300 * time.Millisecond) // within 200 ms it would count as a duplicate
			p.signal(syscall.SIGTERM)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			unlessAbandoned(t, func() (*process, func()) {
				r := newRig(t)
				r.produce(1, "-work", "5s")
				first := r.worker(append([]string{"-verbose", "-ack-wait", "1h", "-job-timeout", "1m"}, tt.args...)...)
				first.untilInHand()
				second := r.worker("-ack-wait", "1h", "-job-timeout", "1m")
				tt.stop(first)
				return first, func() {
					if code := first.wait(); code != 1 {
						t.Errorf("exit code %d, want 1:\n%s", code, first.log.String())
					}
					if c := first.counts(); c.GivenBack != 1 || c.Left != 0 {
						t.Errorf("%+v, want 1 given back", c)
					}
					if out := first.log.String(); !strings.Contains(out, "job t-000000 was interrupted and given back") {
						t.Errorf("the job is not named:\n%s", out)
					}
					r.until("RESULTS", 1)
					second.terminate()
					r.eachOnce(1)
				}
			})
		})
	}
}

// A job that hangs does not hold up the drain, and is given back.
func TestJobThatHangs(t *testing.T) {
	t.Parallel()
	unlessAbandoned(t, func() (*process, func()) {
		r := newRig(t)
		r.produce(1, "-kind", "hang")
		w := r.worker("-verbose", "-grace", "1s", "-job-timeout", "1h")
		w.untilInHand()
		w.signal(syscall.SIGTERM)
		return w, func() {
			if code := w.wait(); code != 1 {
				t.Errorf("exit code %d, want 1:\n%s", code, w.log.String())
			}
			if c := w.counts(); c.GivenBack != 1 {
				t.Errorf("%+v, want 1 given back", c)
			}
			if n := r.stored("JOBS"); n != 1 {
				t.Errorf("%d jobs in the queue, want 1", n)
			}
		}
	})
}

// A worker waits for a broker that does not run yet, and can be stopped meanwhile.
func TestNoBrokerAtTheStart(t *testing.T) {
	t.Parallel()
	r := rigWithoutBroker(t)
	w := r.worker()
	w.says("not ready")
	if code := w.terminate(); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, w.log.String())
	}
	w = r.worker()
	w.says("not ready")
	r.startBroker("-produce", "5", "-batch", "t")
	r.connect()
	r.until("RESULTS", 5)
	if code := w.terminate(); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, w.log.String())
	}
	r.eachOnce(5)
}

// The broker is gone while the worker drains. The worker stops in time, and its job is done
// later, once.
func TestNoBrokerInTheDrain(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.produce(1, "-work", "4s")
	w := r.worker("-verbose", "-grace", "8s", "-ack-wait", "1s")
	w.untilInHand()
	r.broker.signal(syscall.SIGKILL)
	<-r.broker.ended
	if code := w.terminate(); code != 1 {
		t.Errorf("exit code %d, want 1:\n%s", code, w.log.String())
	}
	if out := w.log.String(); strings.Contains(out, "abandoned") || !strings.Contains(out, "t-000000") {
		t.Errorf("want the job's name and no abandoned step:\n%s", out)
	}
	r.startBroker()
	w = r.worker("-ack-wait", "1s")
	r.until("RESULTS", 1)
	w.terminate()
	r.eachOnce(1)
}

// A full store refuses new jobs and keeps those that it has. They are done when it has room again.
func TestFullStore(t *testing.T) {
	t.Parallel()
	r := newRig(t, "-max-store", "100000")
	p := r.worker("-workers", "0", "-batch", "t", "-produce", "100000")
	if code := p.wait(); code != 1 || !strings.Contains(p.log.String(), "insufficient resources") {
		t.Errorf("exit code %d, want 1 and \"insufficient resources\":\n%s", code, p.log.String())
	}
	n := r.stored("JOBS")
	if n == 0 {
		t.Fatal("no job was stored")
	}
	w := r.worker("-verbose", "-grace", "2s", "-workers", "1")
	w.untilInHand()
	w.terminate()
	if kept := r.stored("JOBS") + r.stored("RESULTS"); kept < n {
		t.Errorf("%d jobs and results are stored, want at least %d", kept, n)
	}
	r.broker.terminate()
	r.startBroker()
	w = r.worker("-ack-wait", "1s")
	r.until("RESULTS", n)
	w.terminate()
	r.eachOnce(n)
}

// A Kubernetes Job needs this: exit status 0 means that the queue is empty.
func TestUntilEmpty(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.produce(50)
	w := r.worker("-until-empty")
	if code := w.wait(); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, w.log.String())
	}
	r.eachOnce(50)

	r.produce(1, "-batch", "u", "-work", "5s")
	w = r.worker("-verbose", "-until-empty")
	w.untilInHand()
	w.terminate()
	ws, _ := w.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ws.Signaled() || ws.Signal() != syscall.SIGTERM {
		t.Errorf("%v, want that SIGTERM ended it:\n%s", w.cmd.ProcessState, w.log.String())
	}
	if c := w.counts(); c.Done != 1 {
		t.Errorf("%+v, want 1 done", c)
	}
}

// The broker within the process stops last, so that it confirms the jobs in hand.
func TestBrokerWithinTheProcess(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	w := start(t, "-store", store, "-produce", "200", "-work", "30ms", "-workers", "2")
	w.says(`"progress"`)
	if code := w.terminate(); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, w.log.String())
	}
	first := w.counts()
	w = start(t, "-store", store, "-until-empty")
	if code := w.wait(); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, w.log.String())
	}
	second := w.counts()
	if first.Left != 0 || second.Before != 0 || first.Done+second.Done != 200 {
		t.Errorf("%+v, then %+v, want 200 done in all, each once", first, second)
	}
}

// Without flags the program puts jobs into the queue and does them. After a stop it goes on with
// the rest.
func TestDemonstration(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	env := []string{"HOME=" + home, "XDG_CACHE_HOME=" + home}
	w := startWith(t, env)
	w.says(`"progress"`)
	if code := w.terminate(); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, w.log.String())
	}
	first := w.counts()
	w = startWith(t, env)
	w.says("going on with the jobs of the last run")
	if code := w.wait(); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, w.log.String())
	}
	if second := w.counts(); first.Done == 0 || first.Done+second.Done != demoJobs {
		t.Errorf("%+v, then %+v, want %d done in all", first, second, demoJobs)
	}
}

func TestErrorsAtTheStart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for name, tt := range map[string]struct {
		args []string
		code int
		want string
	}{
		"port in use":  {[]string{"-listen", r.addr, "-store", t.TempDir()}, 1, r.addr},
		"not a folder": {[]string{"-store", "/dev/null/store"}, 1, "/dev/null/store"},
		"bad setting":  {[]string{"-tries", "0"}, 2, "-tries 0"},
		"bad URL":      {[]string{"-nats", "nats://127.0.0.1:port"}, 1, "-nats"},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, tt.args...)
			if code := p.wait(); code != tt.code || !strings.Contains(p.log.String(), tt.want) {
				t.Errorf("exit code %d, want %d and %q:\n%s", code, tt.code, tt.want, p.log.String())
			}
		})
	}
}

// A worker without authorization exits at once. It does not log its password.
func TestBrokerThatRefuses(t *testing.T) {
	t.Parallel()
	srv, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		Username: "a", Password: "secret", JetStream: true, StoreDir: t.TempDir(),
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(patience) {
		t.Fatal("not ready")
	}
	w := start(t, "-nats", "nats://a:wrongpass@"+srv.Addr().String())
	code := w.wait()
	if out := w.log.String(); code != 1 || !strings.Contains(out, "Authorization") || strings.Contains(out, "wrongpass") {
		t.Errorf("exit code %d, want 1, the reason, and no password:\n%s", code, out)
	}
}

// A worker does not change the configuration of an existing stream.
func TestExistingStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.until("RESULTS", 0)
	s, err := r.js.Stream(t.Context(), "RESULTS")
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.CachedInfo().Config
	cfg.Description = "kept"
	if _, err := r.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	r.produce(1)
	if s, err = r.js.Stream(t.Context(), "RESULTS"); err != nil || s.CachedInfo().Config.Description != "kept" {
		t.Errorf("%v: %+v", err, s.CachedInfo().Config)
	}
}

// A worker exits when its consumer is deleted. The next start creates a new one.
func TestDeletedConsumer(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.worker("-workers", "1")
	r.produce(1)
	r.until("RESULTS", 1)
	if err := r.js.DeleteConsumer(t.Context(), "JOBS", consumer); err != nil {
		t.Fatal(err)
	}
	if code := w.wait(); code != 1 {
		t.Errorf("exit code %d, want 1:\n%s", code, w.log.String())
	}
}

// The same, while the only worker has a job in hand. The broker does not tell it.
func TestDeletedConsumerWithAJobInHand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.produce(1, "-work", "3s") // by then the consumer is deleted
	w := r.worker("-verbose", "-workers", "1", "-ack-wait", "1s")
	w.untilInHand()
	if err := r.js.DeleteConsumer(t.Context(), "JOBS", consumer); err != nil {
		t.Fatal(err)
	}
	if code := w.wait(); code != 1 || !strings.Contains(w.log.String(), "consumer not found") {
		t.Errorf("exit code %d, want 1 and the reason:\n%s", code, w.log.String())
	}
}

// A job that is interrupted while its effect is being stored is given back as well.
func TestInterruptedStore(t *testing.T) {
	t.Parallel()
	unlessAbandoned(t, func() (*process, func()) {
		r := newRig(t)
		r.produce(1, "-work", "1ms")
		s, err := r.js.Stream(t.Context(), "RESULTS")
		if err != nil {
			t.Fatal(err)
		}
		cfg := s.CachedInfo().Config
		full := cfg // a stream that refuses every result
		full.MaxBytes, full.Discard = 1, jetstream.DiscardNew
		if _, err := r.js.UpdateStream(t.Context(), full); err != nil {
			t.Fatal(err)
		}
		w := r.worker("-verbose", "-workers", "1", "-grace", "2s", "-ack-wait", "1h")
		w.untilInHand()
		w.signal(syscall.SIGTERM)
		return w, func() {
			if code := w.wait(); code != 1 {
				t.Errorf("exit code %d, want 1:\n%s", code, w.log.String())
			}
			if c := w.counts(); c.GivenBack != 1 || c.Left != 0 {
				t.Errorf("%+v, want 1 given back:\n%s", c, w.log.String())
			}
			if _, err := r.js.UpdateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			w = r.worker()
			r.until("RESULTS", 1)
			w.terminate()
			r.eachOnce(1)
		}
	})
}

// A message of the maximum size has no room for the headers with the reason or the number of
// tries. It is moved to DEAD without them.
func TestDeadJobOfTheMaximumSize(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.produce(1) // creates the stream
	const largest = 1 << 20
	job := `{"id":"fails","kind":"fail"}`
	for id, payload := range map[string]string{
		"large": strings.Repeat("x", largest),
		"fails": job + strings.Repeat(" ", largest-len(job)),
	} {
		r.publish(id, payload)
	}
	r.produce(20)
	w := r.worker("-workers", "1")
	r.until("DEAD", 2)
	r.until("RESULTS", 20)
	r.until("JOBS", 0)
	for id, msgs := range r.read("DEAD") {
		if len(msgs[0].Data) != largest {
			t.Errorf("%s: %d bytes", id, len(msgs[0].Data))
		}
	}
	if n := strings.Count(w.log.String(), "too large to store the reason with it"); n != 2 {
		t.Errorf("the reason was logged %d times, want twice:\n%s", n, w.log.String())
	}
	w.terminate()
}

// A job's ID may be the sequence number of another message.
func TestDeadJobsWithTheSameID(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.produce(1)
	r.worker("-tries", "1")
	r.publish("2", "no job") // the second message of the stream
	r.publish("other", `{"id":"2","kind":"fail"}`)
	r.until("JOBS", 0)
	if n := r.stored("DEAD"); n != 2 {
		t.Errorf("%d jobs are dead, want 2", n)
	}
}

// A broker that is killed may not have stored its last deliveries. It then does not confirm these
// jobs when they are done, and the workers go on without that. A job that was on its way to a
// worker may not be delivered again before the ack wait is over.
func TestBrokerThatLosesDeliveries(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.produce(100, "-work", "20ms")
	w := r.worker("-workers", "2", "-ack-wait", "1h")
	for r.stored("RESULTS") < 10 {
		time.Sleep(10 * time.Millisecond)
	}
	r.broker.signal(syscall.SIGKILL)
	<-r.broker.ended
	r.startBroker("-ack-wait", "1h")
	for end := time.Now().Add(patience); r.stored("RESULTS") < 100-2; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of 100 jobs done:\n%s", r.stored("RESULTS"), w.log.String())
		}
	}
	if code := w.terminate(); code != 0 {
		t.Errorf("exit code %d:\n%s", code, w.log.String())
	}
}
