package recipes_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown"
)

// A pool of database/sql. It is registered before the tasks are started, so it is closed after
// they have ended. A task uses its work context for a transaction: the end of its own context
// would roll the transaction back.
func Example_databaseSQL() {
	dir, _ := os.MkdirTemp("", "db-")
	defer os.RemoveAll(dir)
	dsn := filepath.Join(dir, "orders.db")
	var db *sql.DB

	inHand := make(chan struct{})
	stopAfter(inHand, func(ctx context.Context) error {
		// region database
		var err error
		if db, err = sql.Open("sqlite", dsn); err != nil {
			return err
		}
		shutdown.Register(shutdown.Closer(db), shutdown.Name("db"))
		if _, err := db.ExecContext(ctx, "CREATE TABLE orders (item TEXT)"); err != nil {
			return err // Open has not connected yet
		}

		var g group.Group
		g.Go("orders", func(ctx context.Context) error {
			work := group.WorkContext(ctx)
			tx, err := db.BeginTx(work, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback() // does nothing after a Commit
			close(inHand)
			<-ctx.Done() // the request to stop comes in the middle of the transaction
			if _, err := tx.ExecContext(work, "INSERT INTO orders VALUES ('tea')"); err != nil {
				return err
			}
			return tx.Commit()
		})
		return g.Run(ctx)
		// endregion
	})
	fmt.Println("closed:", db.Ping() != nil)

	db, _ = sql.Open("sqlite", dsn)
	defer db.Close()
	var item string
	_ = db.QueryRow("SELECT item FROM orders").Scan(&item)
	fmt.Println("saved:", item)
	// Output:
	// closed: true
	// saved: tea
}

// A pool of pgx. Its Close waits for each connection that was acquired, without a limit. As a
// handler it has a limit: if a connection was not released, the report names the handler.
func Example_pgx() {
	const dsn = "postgres://app@127.0.0.1:1/orders?sslmode=disable" // nothing listens there
	var pool *pgxpool.Pool
	main := func(ctx context.Context) error {
		// region pgx
		var err error
		if pool, err = pgxpool.New(ctx, dsn); err != nil {
			return err
		}
		shutdown.Register(shutdown.Func(pool.Close), shutdown.Name("postgres"))
		// endregion

		// The pool connects when it is first used. A program that needs its database from the
		// start would call Ping here, and return the error.
		<-ctx.Done()
		return ctx.Err()
	}
	stopSoon(main)

	_, err := pool.Acquire(context.Background())
	fmt.Println(err)
	// Output: closed pool
}

// A Redis client, and a worker that takes jobs from a list. The client does not notice the end
// of a context while it waits for an answer. So a blocking command has a timeout, and the stop
// may wait for as long.
func Example_redis() {
	server, _ := miniredis.Run()
	defer server.Close()
	_, _ = server.RPush("jobs", "job 1")
	done := make(chan struct{})
	process := func(_ context.Context, job string) error {
		fmt.Println("finished", job)
		close(done)
		return nil
	}

	var rdb *redis.Client
	// region redis
	worker := func(ctx context.Context) error {
		for ctx.Err() == nil {
			// A job that was taken is no longer in the list, so the stop must not interrupt
			// the command either.
			work := group.WorkContext(ctx)
			job, err := rdb.BLPop(work, time.Second, "jobs").Result()
			if errors.Is(err, redis.Nil) {
				continue // there was no job
			}
			if err != nil {
				return err
			}
			if err := process(work, job[1]); err != nil {
				return err
			}
		}
		return nil
	}
	// endregion
	stopAfter(done, func(ctx context.Context) error {
		rdb = redis.NewClient(&redis.Options{Addr: server.Addr()})
		shutdown.Register(shutdown.Closer(rdb), shutdown.Name("redis"))

		var g group.Group
		g.Go("worker", worker)
		return g.Run(ctx)
	})
	fmt.Println(rdb.Ping(context.Background()).Err())
	// Output:
	// finished job 1
	// redis: client is closed
}
