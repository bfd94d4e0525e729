package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lastcall-go/lastcall/examples/grpc-server/echo"
	"github.com/lastcall-go/lastcall/group"
)

const (
	callers = 8
	pause   = time.Second // before a stream is opened again, and between two lines of counts
)

// A client prints what it sees of the servers: the counts of calls each second, health, and how
// streams end.
type client struct {
	callFor time.Duration
	echo    echo.EchoClient
	health  healthpb.HealthClient

	mu               sync.Mutex // for the fields below, and so that lines do not mix
	out              io.Writer
	answered, failed int
	reason           string
}

func runClient(ctx context.Context, cfg config, out io.Writer) error {
	cc, err := connect(cfg.addr)
	if err != nil {
		return err
	}
	defer cc.Close()
	c := &client{callFor: cfg.callFor, echo: echo.NewEchoClient(cc), health: healthpb.NewHealthClient(cc), out: out}
	g := group.Group{Concurrent: true}
	g.Go("counts", c.count)
	g.Go("ticks", c.again("stream", c.ticks))
	g.Go("health", c.again("health", c.watch))
	for i := range callers {
		g.Go(fmt.Sprintf("caller-%d", i+1), c.call)
	}
	return g.Run(ctx)
}

// connect connects to all addresses of a list, and calls them in turn.
func connect(addresses string) (*grpc.ClientConn, error) {
	var addrs []resolver.Address
	for a := range strings.SplitSeq(addresses, ",") {
		addrs = append(addrs, resolver.Address{Addr: a})
	}
	list := manual.NewBuilderWithScheme("list")
	list.InitialState(resolver.State{Addresses: addrs})
	return grpc.NewClient("list:///servers", grpc.WithResolvers(list),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`))
}

func (c *client) printf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintf(c.out, time.Now().Format(time.TimeOnly)+" "+format+"\n", args...)
}

// call calls Say all the time. While there is no server, it waits for one.
func (c *client) call(ctx context.Context) error {
	req := &echo.SayRequest{Text: "hello", After: durationpb.New(c.callFor)}
	for {
		_, err := c.echo.Say(ctx, req, grpc.WaitForReady(true))
		if ctx.Err() != nil {
			return nil
		}
		c.mu.Lock()
		if err == nil {
			c.answered++
		} else {
			c.failed++
			c.reason = status.Convert(err).Message()
		}
		c.mu.Unlock()
	}
}

func (c *client) count(ctx context.Context) error {
	for sleep(ctx, pause) {
		c.mu.Lock()
		answered, failed, reason := c.answered, c.failed, c.reason
		c.answered, c.failed, c.reason = 0, 0, ""
		c.mu.Unlock()
		if failed > 0 {
			c.printf("calls:  %d answered, %d failed: %s", answered, failed, reason)
		} else {
			c.printf("calls:  %d answered", answered)
		}
	}
	return nil
}

// again opens a stream again and again, and prints how each ends.
func (c *client) again(name string, read func(ctx context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		last := ""
		for ctx.Err() == nil {
			err := read(ctx)
			if ctx.Err() != nil {
				break
			}
			how := "ended with the status OK"
			if err != io.EOF {
				how = status.Convert(err).Code().String() + ": " + status.Convert(err).Message()
			}
			if how != last { // a server that is away is reported once
				c.printf("%s: %s", name, how)
			}
			last = how
			sleep(ctx, pause)
		}
		return nil
	}
}

func (c *client) ticks(ctx context.Context) error {
	s, err := c.echo.Ticks(ctx, new(echo.TicksRequest))
	if err != nil {
		return err
	}
	for {
		tick, err := s.Recv()
		if err != nil {
			return err
		}
		if tick.GetNumber() == 1 {
			c.printf("stream: opened by %s", tick.GetServer())
		}
	}
}

func (c *client) watch(ctx context.Context) error {
	s, err := c.health.Watch(ctx, new(healthpb.HealthCheckRequest))
	if err != nil {
		return err
	}
	for {
		res, err := s.Recv()
		if err != nil {
			return err
		}
		c.printf("health: %v", res.GetStatus())
	}
}

// sleep returns false if ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
