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

// A pool of database/sql. It is opened before the tasks that use it, and so closed after
// them; what a task has in hand it does with WorkContext, or the request to stop would
// roll it back.
func Example_databaseSQL() {
	dir, _ := os.MkdirTemp("", "db-")
	defer os.RemoveAll(dir)
	dsn := filepath.Join(dir, "orders.db")
	var db *sql.DB

	inHand := make(chan struct{})
	stopAfter(inHand, func(ctx context.Context) error {
		var err error
		if db, err = sql.Open("sqlite", dsn); err != nil {
			return err
		}
		shutdown.FromContext(ctx).Register(shutdown.Closer(db), shutdown.Name("db"))
		if _, err := db.ExecContext(ctx, "CREATE TABLE orders (item TEXT)"); err != nil {
			return err // Open does not connect: this does
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
			<-ctx.Done()
			if _, err := tx.ExecContext(work, "INSERT INTO orders VALUES ('tea')"); err != nil {
				return err
			}
			return tx.Commit()
		})
		return g.Run(ctx)
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

// A pool of pgx. Its Close waits for every connection that has been acquired, without a
// limit of its own: as a handler it has one, and is named if a connection was not given
// back.
func Example_pgx() {
	const dsn = "postgres://app@127.0.0.1:1/orders?sslmode=disable" // nothing listens there
	var pool *pgxpool.Pool
	main := func(ctx context.Context) error {
		var err error
		if pool, err = pgxpool.New(ctx, dsn); err != nil {
			return err
		}
		shutdown.FromContext(ctx).Register(shutdown.Func(pool.Close), shutdown.Name("postgres"))

		// A program that cannot do without its database would Ping it here, and return the
		// error: the pool connects when it is first used.
		<-ctx.Done()
		return ctx.Err()
	}
	stopSoon(main)

	_, err := pool.Acquire(context.Background())
	fmt.Println(err)
	// Output: closed pool
}

// A Redis client, and a worker that takes jobs from a list. The client does not look at
// the end of a context while it waits for an answer, so a blocking command has to come
// back by itself now and then: at the stop it is waited for as long.
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
	worker := func(ctx context.Context) error {
		for ctx.Err() == nil {
			// The stop must not come between taking a job, which is then nowhere else, and
			// doing it.
			work := group.WorkContext(ctx)
			job, err := rdb.BLPop(work, time.Second, "jobs").Result()
			if errors.Is(err, redis.Nil) {
				continue // there was none
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
	stopAfter(done, func(ctx context.Context) error {
		rdb = redis.NewClient(&redis.Options{Addr: server.Addr()})
		shutdown.FromContext(ctx).Register(shutdown.Closer(rdb), shutdown.Name("redis"))

		var g group.Group
		g.Go("worker", worker)
		return g.Run(ctx)
	})
	fmt.Println(rdb.Ping(context.Background()).Err())
	// Output:
	// finished job 1
	// redis: client is closed
}
