package sqlstore

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
	"time"
)

// tables are all of the schema, without their prefix.
var tables = []string{
	"schema", "api_keys", "api_key_owners", "once", "revoked_tokens", "refresh_families", "token_subjects", "signing_keys", "sessions", "session_subjects",
	"passwords", "one_time_tokens", "one_time_subjects", "limits", "attempts", "totps", "oauth_clients", "provider_tokens",
}

// database is what the concerns share.
type database struct {
	pool    *sql.DB
	dialect Dialect
	schema  string // name and a dot in quotes, or ""
	prefix  string
	names   *strings.Replacer // of {api_keys} and the like
	offset  func() time.Duration
	writer  chan struct{} // of SQLite: holds one while a call writes
}

func newDatabase(db *sql.DB, d Dialect, cfg Config) *database {
	base := &database{pool: db, dialect: d, prefix: cfg.TablePrefix, offset: cfg.ClockOffset}
	if d == SQLite {
		base.writer = make(chan struct{}, 1)
	}
	if cfg.Schema != "" {
		base.schema = d.quote(cfg.Schema) + "."
	}
	// {x} is a table. The others are for indexes: SQLite wants the schema before
	// their names, PostgreSQL does not.
	pairs := []string{"{schema.}", base.schema, "{prefix}", cfg.TablePrefix}
	for _, t := range tables {
		pairs = append(pairs, "{"+t+"}", base.table(t))
	}
	base.names = strings.NewReplacer(pairs...)
	return base
}

// table is the full name, in quotes.
func (d *database) table(name string) string {
	return d.schema + d.dialect.quote(d.prefix+name)
}

// text makes SQL of a text with {tables} and ? for parameters.
func (d *database) text(text string) string {
	return d.dialect.placeholders(d.names.Replace(text))
}

// clock is the parameter of Dialect.now for the server's clock moved by by.
func (d *database) clock(by time.Duration) any { return d.clocks(by)[0] }

func (d *database) clockOffset() time.Duration {
	if d.offset == nil {
		return 0
	}
	return d.offset()
}

// clocks is clock for several of one statement, all of one moment.
func (d *database) clocks(by ...time.Duration) []any {
	var offset time.Duration
	if d.offset != nil {
		offset = d.offset()
	}
	now := time.Now()
	args := make([]any, len(by))
	for i := range by {
		args[i] = d.dialect.shift(now, by[i]+offset)
	}
	return args
}

// statement is one that a Store says again and again.
type statement struct {
	text     string
	prepared atomic.Pointer[sql.Stmt]
}

func (d *database) statement(text string) *statement { return &statement{text: d.text(text)} }

// stmt prepares s once. Unprepared, go-sql-driver would take a second round
// trip and SQLite parse the text each time. Nobody needs to close it: it ends
// with the pool.
func (d *database) stmt(ctx context.Context, s *statement) (*sql.Stmt, error) {
	if p := s.prepared.Load(); p != nil {
		return p, nil
	}
	// No lock: it would make callers wait for another's connection.
	p, err := d.pool.PrepareContext(ctx, s.text)
	if err != nil {
		return nil, err
	}
	if !s.prepared.CompareAndSwap(nil, p) {
		p.Close()
		p = s.prepared.Load()
	}
	return p, nil
}

// conn is where statements run: a transaction, or the pool.
type conn struct {
	d  *database
	tx interface { // nil: each statement on its own, by the pool
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
}

func (c conn) exec(ctx context.Context, s *statement, args ...any) (sql.Result, error) {
	switch {
	case c.tx != nil:
		// A prepared one would need a second connection, of a pool that may have one.
		return c.tx.ExecContext(ctx, s.text, args...)
	case c.d.dialect == PostgreSQL:
		// pgx prepares by itself, unless the host has told it not to, for PgBouncer.
		return c.d.pool.ExecContext(ctx, s.text, args...)
	}
	p, err := c.d.stmt(ctx, s)
	if err != nil {
		return nil, err
	}
	return p.ExecContext(ctx, args...)
}

func (c conn) query(ctx context.Context, s *statement, args ...any) (*sql.Rows, error) {
	switch {
	case c.tx != nil:
		return c.tx.QueryContext(ctx, s.text, args...)
	case c.d.dialect == PostgreSQL:
		return c.d.pool.QueryContext(ctx, s.text, args...)
	}
	p, err := c.d.stmt(ctx, s)
	if err != nil {
		return nil, err
	}
	return p.QueryContext(ctx, args...)
}

// changed runs s and reports how many rows it wrote.
func (c conn) changed(ctx context.Context, s *statement, args ...any) (int64, error) {
	res, err := c.exec(ctx, s, args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// each calls scan for each row that s answers.
func (c conn) each(ctx context.Context, s *statement, scan func(rows *sql.Rows) error, args ...any) error {
	rows, err := c.query(ctx, s, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// one is each for the one row of an aggregate.
func (c conn) one(ctx context.Context, s *statement, to []any, args ...any) error {
	return c.each(ctx, s, func(rows *sql.Rows) error { return rows.Scan(to...) }, args...)
}
