// Package stores opens the store that a URL names, for the -store flag of the
// examples. A service of your own needs one of these cases.
package stores

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // "pgx"
	_ "github.com/mattn/go-sqlite3"    // "sqlite3"
	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/store/redisstore"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// Usage is for the flag.
const Usage = "`URL` of the store: memory, sqlite:FILE, postgres://…, mysql://USER:PASSWORD@HOST/DATABASE or redis://…"

// Open opens the store, tables included. close ends its connections.
func Open(ctx context.Context, at string) (st store.Store, close func() error, err error) {
	st, close, err = dial(at)
	if err != nil {
		return nil, nil, fmt.Errorf("-store: %w", err)
	}
	if err := st.Open(ctx); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("-store: %w", err), close())
	}
	return st, close, nil
}

func dial(at string) (store.Store, func() error, error) {
	scheme, _, _ := strings.Cut(at, ":")
	switch scheme {
	case "memory":
		return memstore.New(memstore.Config{}), func() error { return nil }, nil
	case "redis", "rediss":
		o, err := redis.ParseURL(at)
		if err != nil {
			return nil, nil, errors.New("the redis URL cannot be read")
		}
		o.ContextTimeoutEnabled = true
		client := redis.NewClient(o)
		st, err := redisstore.New(client, redisstore.Config{})
		return st, client.Close, err
	}
	db, dialect, err := DB(at)
	if err != nil {
		return nil, nil, err
	}
	st, err := sqlstore.New(db, dialect, sqlstore.Config{})
	return st, db.Close, err
}

// DB is the database of a URL of SQL, for a service's own tables.
func DB(at string) (db *sql.DB, d sqlstore.Dialect, err error) {
	scheme, rest, _ := strings.Cut(at, ":")
	switch scheme {
	case "sqlite":
		file := (&url.URL{Path: rest}).EscapedPath() // a ? in it would begin the options
		// SQLite comes back from waiting when _busy_timeout is over, whatever the
		// request's timeout, so it is short. FULL keeps revocations when the power fails.
		db, err = sql.Open("sqlite3", "file:"+file+"?_journal_mode=WAL&_busy_timeout=1000&_synchronous=FULL&_txlock=immediate")
		return db, sqlstore.SQLite, err
	case "postgres", "postgresql":
		db, err = sql.Open("pgx", at)
		return db, sqlstore.PostgreSQL, err
	case "mysql":
		u, err := url.Parse(at)
		if err != nil {
			return nil, 0, errors.New("the mysql URL cannot be read") // it holds a password
		}
		// The options are the driver's, such as tls=true. In a DSN the last / ends
		// the address.
		cfg, err := mysql.ParseDSN("/?" + strings.ReplaceAll(u.RawQuery, "/", "%2F"))
		if err != nil {
			return nil, 0, fmt.Errorf("the options of the mysql URL: %w", err)
		}
		cfg.Net, cfg.Addr, cfg.DBName, cfg.User = "tcp", u.Host, strings.TrimPrefix(u.Path, "/"), u.User.Username()
		cfg.Passwd, _ = u.User.Password()
		db, err = sql.Open("mysql", cfg.FormatDSN())
		return db, sqlstore.MySQL, err
	default:
		return nil, 0, fmt.Errorf("no store is called %q: take %s", scheme, strings.ReplaceAll(Usage, "`", ""))
	}
}
