package integration_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// said is one statement that a driver was asked to run, or "BEGIN", "COMMIT",
// "ROLLBACK" of a transaction of database/sql, or "PREPARE …".
type said struct {
	text string
	args []any
}

// isQuery is false for what frames a transaction or prepares.
func (s said) isQuery() bool {
	switch first, _, _ := strings.Cut(s.text, " "); first {
	case "BEGIN", "COMMIT", "ROLLBACK", "PREPARE":
		return false
	}
	return true
}

// sqlRecorder is a driver.Connector that writes down what is said, and counts the
// round trips on the wire.
type sqlRecorder struct {
	driver.Connector
	mu    sync.Mutex
	all   []said
	turns atomic.Int64
}

// record is a database whose driver writes down what is said.
func (b sqlBackend) record(t testing.TB) (db *sql.DB, schema string, r *sqlRecorder) {
	t.Helper()
	name, dsn, schema := b.space(t)
	r = &sqlRecorder{}
	switch name {
	case "pgx":
		cfg, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		cfg.DialFunc = r.dial
		r.Connector = stdlib.GetConnector(*cfg)
	case "mysql":
		cfg, err := mysql.ParseDSN(dsn)
		if err != nil {
			t.Fatal(err)
		}
		cfg.DialFunc = r.dial
		if r.Connector, err = mysql.NewConnector(cfg); err != nil {
			t.Fatal(err)
		}
	default:
		plain, err := sql.Open(name, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer plain.Close()
		r.Connector = fileConnector{plain.Driver(), dsn}
	}
	db = sql.OpenDB(r)
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1) // so that nothing is prepared twice
	return db, schema, r
}

// during is what f says, and on how many round trips. SQLite has none.
func (r *sqlRecorder) during(f func()) (all []said, turns int64) {
	r.mu.Lock()
	r.all = nil
	r.mu.Unlock()
	before := r.turns.Load()
	f()
	turns = r.turns.Load() - before
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all), turns
}

func (r *sqlRecorder) say(text string, args []driver.NamedValue) {
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = a.Value
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, said{text, values})
}

// Connect is of driver.Connector.
func (r *sqlRecorder) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &recordedConn{c, r}, nil
}

type fileConnector struct {
	driver driver.Driver
	dsn    string
}

func (f fileConnector) Connect(context.Context) (driver.Conn, error) { return f.driver.Open(f.dsn) }
func (f fileConnector) Driver() driver.Driver                        { return f.driver }

type recordedConn struct {
	driver.Conn
	r *sqlRecorder
}

func (c *recordedConn) PrepareContext(ctx context.Context, text string) (driver.Stmt, error) {
	c.r.say("PREPARE "+text, nil)
	s, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	return &recordedStmt{s, c, text}, nil
}

func (c *recordedConn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	res, err := c.Conn.(driver.ExecerContext).ExecContext(ctx, text, args)
	if !errors.Is(err, driver.ErrSkip) { // then database/sql prepares it
		c.r.say(text, args)
	}
	return res, err
}

func (c *recordedConn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, text, args)
	if !errors.Is(err, driver.ErrSkip) {
		c.r.say(text, args)
	}
	return rows, err
}

func (c *recordedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	c.r.say("BEGIN", nil)
	tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	return recordedTx{tx, c.r}, err
}

func (c *recordedConn) ResetSession(ctx context.Context) error {
	if s, ok := c.Conn.(driver.SessionResetter); ok {
		return s.ResetSession(ctx)
	}
	return nil
}

func (c *recordedConn) CheckNamedValue(v *driver.NamedValue) error {
	if s, ok := c.Conn.(driver.NamedValueChecker); ok {
		return s.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

type recordedTx struct {
	driver.Tx
	r *sqlRecorder
}

func (t recordedTx) Commit() error   { t.r.say("COMMIT", nil); return t.Tx.Commit() }
func (t recordedTx) Rollback() error { t.r.say("ROLLBACK", nil); return t.Tx.Rollback() }

type recordedStmt struct {
	driver.Stmt
	c    *recordedConn
	text string
}

func (s *recordedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.c.r.say(s.text, args)
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *recordedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.c.r.say(s.text, args)
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

// dial counts a round trip each time that something is read after a write.
func (r *sqlRecorder) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &wireConn{Conn: c, turns: &r.turns}, nil
}

type wireConn struct {
	net.Conn
	turns *atomic.Int64
	wrote atomic.Bool
}

func (c *wireConn) Write(p []byte) (int, error) {
	c.wrote.Store(true)
	return c.Conn.Write(p)
}

func (c *wireConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && c.wrote.Swap(false) {
		c.turns.Add(1)
	}
	return n, err
}
