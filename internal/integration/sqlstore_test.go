package integration_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store/sqlstore"
	"github.com/gatehouse-go/authn/store/storetest"

	"github.com/mattn/go-sqlite3"
)

// sqlBackend is one of the databases, with a driver that hosts use.
type sqlBackend struct {
	name    string
	dialect sqlstore.Dialect
	server  func(testing.TB) *servers.SQLServer // nil: SQLite
	options string                              // of the DSN
}

var sqlBackends = []sqlBackend{
	{"PostgreSQL", sqlstore.PostgreSQL, servers.PostgreSQL, ""},
	{"MariaDB", sqlstore.MySQL, servers.MariaDB, ""},
	{"SQLite", sqlstore.SQLite, nil, sqliteOptions},
}

const sqliteOptions = "_journal_mode=WAL&_busy_timeout=1000&_synchronous=NORMAL"

// onSQL runs f on each of the databases.
func onSQL(t *testing.T, f func(t *testing.T, b sqlBackend)) {
	for _, b := range sqlBackends {
		t.Run(b.name, func(t *testing.T) { f(t, b) })
	}
}

// version is for the summary.
func (b sqlBackend) version(t testing.TB) string {
	if b.server == nil {
		v, _, _ := sqlite3.Version()
		return "SQLite " + v
	}
	return b.server(t).Version
}

var spaces atomic.Int64

// space is an empty place for a schema: what sql.Open needs, and
// Config.Schema.
func (b sqlBackend) space(t testing.TB) (driver, dsn, schema string) {
	t.Helper()
	if b.server == nil {
		return "sqlite3", "file:" + filepath.Join(t.TempDir(), "authn.db") + "?" + b.options, ""
	}
	s := b.server(t)
	schema = fmt.Sprintf("Space_%d", spaces.Add(1))
	make, drop := "CREATE SCHEMA \""+schema+"\"", "DROP SCHEMA \""+schema+"\" CASCADE"
	if b.dialect == sqlstore.MySQL {
		make, drop = "CREATE DATABASE "+schema, "DROP DATABASE "+schema
	}
	if err := s.Exec(make); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Exec(drop); err != nil {
			t.Error(err)
		}
	})
	return s.Driver, s.DSN(b.options), schema
}

// open is an empty, opened Store and its database.
func (b sqlBackend) open(t testing.TB, offset func() time.Duration) (*sqlstore.Store, *sql.DB) {
	t.Helper()
	driver, dsn, schema := b.space(t)
	db := openDB(t, driver, dsn)
	s := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema, ClockOffset: offset})
	if err := s.Open(context.Background()); err != nil {
		t.Fatal(err)
	}
	return s, db
}

func openDB(t testing.TB, driver, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	t.Cleanup(func() { db.Close() })
	return db
}

func newStore(t testing.TB, db *sql.DB, d sqlstore.Dialect, cfg sqlstore.Config) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(db, d, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// D2, D4, D7: the contract of package store, on the real databases.
func TestSQLStoreKeepsTheContract(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		t.Parallel()
		keepsTheContract(t, b, b.version(t))
	})
}

// keepsTheContract runs the suite in one space, which each case finds empty: it
// costs more to make the tables than to run a case.
func keepsTheContract(t *testing.T, b sqlBackend, name string) {
	t.Helper()
	driver, dsn, schema := b.space(t)
	db := openDB(t, driver, dsn)
	storetest.Run(t, func(t *testing.T, offset func() time.Duration) any {
		servers.Case(t, name)
		s := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema, ClockOffset: offset})
		if err := s.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.empty(t, db, schema)
		return s
	}, storetest.Config{})
}

// empty deletes the records of the store in schema, from whichever tables it has.
func (b sqlBackend) empty(t testing.TB, db *sql.DB, schema string) {
	t.Helper()
	list := "SELECT table_name FROM information_schema.tables WHERE table_schema = '" + schema + "'"
	if b.dialect == sqlstore.SQLite {
		list = "SELECT name FROM sqlite_master WHERE type = 'table'"
	}
	rows, err := db.QueryContext(t.Context(), list)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		if name, ok := strings.CutPrefix(name, "authn_"); ok && name != "schema" {
			tables = append(tables, name)
		}
	}
	if err := rows.Err(); err != nil || len(tables) == 0 {
		t.Fatalf("%d tables: %v", len(tables), err)
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	for _, name := range tables {
		if _, err := tx.ExecContext(t.Context(), "DELETE FROM "+b.table(schema, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}
