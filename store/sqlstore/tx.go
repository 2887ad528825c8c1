package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"strings"
	"time"
)

// hostTx finds the host's transaction in a context: that of this database,
// since a host may have several.
type hostTx struct{ d *database }

// host is the connection of WithTx.
func (d *database) host(ctx context.Context) (c conn, ok bool, err error) {
	tx, ok := ctx.Value(hostTx{d}).(*sql.Tx)
	if ok && tx == nil {
		return conn{}, true, errors.New("the *sql.Tx of WithTx is nil")
	}
	return conn{d, tx}, ok, nil
}

// withoutHost is ctx for what is not part of the host's transaction.
func (d *database) withoutHost(ctx context.Context) context.Context {
	return context.WithValue(ctx, hostTx{d}, nil)
}

// run is for calls that only read, by one statement.
func (d *database) run(ctx context.Context, op string, f func(conn) error) error {
	return d.do(ctx, op, f, func() error { return f(conn{d: d}) })
}

// write is for calls of one statement that writes, which needs no transaction.
func (d *database) write(ctx context.Context, op string, f func(conn) error) error {
	return d.do(ctx, op, f, func() error {
		return d.alone(ctx, func() error { return f(conn{d: d}) })
	})
}

// transact is for calls of several: all of them take effect or none.
func (d *database) transact(ctx context.Context, op string, f func(conn) error) error {
	return d.do(ctx, op, f, func() error {
		if d.dialect == SQLite {
			return d.alone(ctx, func() error { return d.immediate(ctx, f) })
		}
		// Each statement must see what was committed while it waited for a lock,
		// so the isolation is named, and MySQL's default is not it.
		tx, err := d.pool.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if err := f(conn{d, tx}); err != nil {
			return err
		}
		return tx.Commit()
	})
}

// alone runs f while no other call of this Store writes to SQLite, which has
// one writer and no queue: many would starve some. Against other processes
// there are busy_timeout and again.
func (d *database) alone(ctx context.Context, f func() error) error {
	if d.writer == nil {
		return f()
	}
	select {
	case d.writer <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.writer }()
	return f()
}

// immediate is a transaction of SQLite that has the write lock from its
// beginning: one that takes it later may find that it read what is old. The
// statements are said here because database/sql cannot begin such a one
// without an option of the driver's.
func (d *database) immediate(ctx context.Context, f func(conn) error) error {
	c, err := d.pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	done := false
	// An end must be told even when ctx is over: it is what frees the others.
	last := context.WithoutCancel(ctx)
	defer func() {
		if done {
			return
		}
		// SQLite may have rolled back by itself.
		_, err := c.ExecContext(last, "ROLLBACK")
		if err != nil && !strings.Contains(err.Error(), "no transaction is active") {
			_ = c.Raw(func(any) error { return driver.ErrBadConn }) // not back into the pool
		}
	}()
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := f(conn{d, c}); err != nil {
		return err
	}
	// Without a WAL a COMMIT waits for readers, and meanwhile no new ones come:
	// giving up the transaction would let them in again.
	err = d.again(ctx, func() error {
		_, err := c.ExecContext(last, "COMMIT")
		return err
	})
	if done = err == nil; done {
		return nil
	}
	return uncommitted{err}
}

// uncommitted is of a COMMIT that was tried for as long as a call is.
type uncommitted struct{ error }

func (e uncommitted) Unwrap() error { return e.error }

const (
	// A call that loses against others is made so often, and for so long, at the
	// least: a busy machine lets nobody win for a while.
	tries  = 10
	tryFor = 5 * time.Second
	// The longest wait after the first try, which doubles, and of all.
	firstWait = 4 * time.Millisecond
	longWait  = 250 * time.Millisecond
)

// do runs f in the host's transaction, or own until it does not lose against
// others. In a host's transaction nothing can be tried again, since the
// database has ended it.
func (d *database) do(ctx context.Context, op string, f func(conn) error, own func() error) error {
	if c, ok, err := d.host(ctx); ok {
		if err == nil {
			err = f(c)
		}
		return d.explain(op, err)
	}
	return d.explain(op, d.again(ctx, own))
}

// again calls f until it does not lose against others.
func (d *database) again(ctx context.Context, f func() error) error {
	began, most := time.Now(), firstWait
	for n := 1; ; n++ {
		err := f()
		if err == nil || n >= tries && time.Since(began) >= tryFor || !d.dialect.passing(err) || errors.As(err, new(uncommitted)) {
			return err
		}
		t := time.NewTimer(rand.N(most))
		most = min(2*most, longWait)
		select {
		case <-ctx.Done():
			t.Stop()
			return errors.Join(ctx.Err(), err)
		case <-t.C:
		}
	}
}
