package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

// A broker is a NATS server within this process that stores its messages on disk.
//
// A message that it has confirmed survives a crash of the process, since it was written to
// the operating system. To survive a loss of power as well, use SyncAlways, or a cluster with
// replicas.
type broker struct {
	srv  *server.Server
	lock *os.File // of the store
}

// brokerStart is how long the broker may take to read its store.
const brokerStart = time.Minute

func startBroker(ctx context.Context, cfg config, log zerolog.Logger) (_ *broker, err error) {
	lock, err := lockStore(cfg.store)
	if err != nil {
		return nil, fmt.Errorf("broker: -store %s: %w", cfg.store, err)
	}
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	opts := &server.Options{
		ServerName:        "worker",
		DontListen:        cfg.listen == "",
		JetStream:         true,
		StoreDir:          cfg.store,
		JetStreamMaxStore: cfg.maxStore,
		NoSigs:            true, // the Coordinator handles signals
	}
	if cfg.listen != "" {
		host, port, err := splitAddress(cfg.listen)
		if err != nil {
			return nil, err
		}
		opts.Host, opts.Port = host, port
		if port == 0 {
			opts.Port = server.RANDOM_PORT
		}
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	failed := make(chan error, 1)
	srv.SetLoggerV2(brokerLog{log.With().Str("of", "broker").Logger(), failed}, false, false, false)
	go srv.Start()
	if err := started(ctx, srv, failed); err != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
		return nil, fmt.Errorf("broker: with -store %s and -listen %q: %w", cfg.store, cfg.listen, err)
	}
	if cfg.listen != "" {
		log.Info().Str("url", srv.ClientURL()).Msg("the broker serves other workers")
	}
	return &broker{srv, lock}, nil
}

func lockStore(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	return lockFile(filepath.Join(dir, "lock"))
}

func started(ctx context.Context, srv *server.Server, failed <-chan error) error {
	late := time.After(brokerStart)
	for !srv.ReadyForConnections(50 * time.Millisecond) {
		select {
		case err := <-failed:
			return err
		case <-late:
			return fmt.Errorf("not ready within %v", brokerStart)
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
	}
	return nil
}

// run is the task that stops last, so that the broker serves until then.
func (b *broker) run(ctx context.Context) error {
	<-ctx.Done()
	b.srv.Shutdown() // writes the store
	b.srv.WaitForShutdown()
	return b.lock.Close()
}

// options make a client connect to the broker without a socket.
func (b *broker) options() []nats.Option { return []nats.Option{nats.InProcessServer(b.srv)} }

// A brokerLog passes the broker's warnings and errors to the program's log. A fatal error would
// end the process of a NATS server; here it is why the broker does not start.
type brokerLog struct {
	log    zerolog.Logger
	failed chan<- error
}

func (l brokerLog) Noticef(string, ...any)         {}
func (l brokerLog) Debugf(string, ...any)          {}
func (l brokerLog) Tracef(string, ...any)          {}
func (l brokerLog) Warnf(format string, v ...any)  { l.log.Warn().Msgf(format, v...) }
func (l brokerLog) Errorf(format string, v ...any) { l.log.Error().Msgf(format, v...) }

func (l brokerLog) Fatalf(format string, v ...any) {
	select {
	case l.failed <- fmt.Errorf(format, v...):
	default:
		l.log.Error().Msgf(format, v...)
	}
}
