package main

import (
	"context"
	"database/sql"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/pgxstore"
	"github.com/alexedwards/scs/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver named pgx
	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// bareCall is the floor where a server is asked: what the client needs for the
// same call, whose answer nobody reads.
const bareCall = "the bare client: the same call"

// storedSessions are the reads of sessions where another process keeps them,
// by wall time, since waiting is most of it. Servers start for rows that are
// wanted.
func storedSessions(wanted func(name string) bool) (rows []row) {
	if name := "session read, Redis"; wanted(name) && installed("redis-server") {
		rows = append(rows, redisSessions(name))
	}
	if name := "session read, PostgreSQL"; wanted(name) && installed("initdb", "/usr/lib/postgresql/*/bin") {
		rows = append(rows, postgresSessions(name))
	}
	return rows
}

func redisSessions(name string) row {
	ctx := context.Background()
	c := redis.NewClient(&redis.Options{Addr: servers.Redis(host{}).Addr, ContextTimeoutEnabled: true})
	ours := sessionManager(authn.Must(redisstore.New(c, redisstore.Config{KeyPrefix: "ours:"})), nil)
	key := authn.Must(c.Keys(ctx, "ours:*session:"+store.DigestOf(ours.cookie.Value).String()).Result())
	return storedRow(name, ours, scsOn(goredisstore.NewWithPrefix(c, "scs:")), func() error {
		return c.Get(ctx, key[0]).Err()
	})
}

func postgresSessions(name string) row {
	ctx, dsn := context.Background(), servers.PostgreSQL(host{}).DSN("")
	db := authn.Must(sql.Open("pgx", dsn))
	db.SetMaxIdleConns(4)
	st := authn.Must(sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{}))
	if err := st.Open(ctx); err != nil {
		panic(err)
	}
	ours := sessionManager(st, nil)
	digest := store.DigestOf(ours.cookie.Value)
	bare := authn.Must(db.Prepare("SELECT digest, tag, id, subject, identity, data, revision, remember, user_agent, addr, " +
		"created_at, seen_at, idle_until, expires_at FROM authn_sessions WHERE digest = $1"))

	pool := authn.Must(pgxpool.New(ctx, dsn)) // what scs has for pgx, without database/sql
	authn.Must(pool.Exec(ctx, "CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL)"))
	return storedRow(name, ours, scsOn(pgxstore.NewWithCleanupInterval(pool, 0)), func() error {
		var columns [14]any
		to := make([]any, len(columns))
		for i := range columns {
			to[i] = &columns[i]
		}
		return bare.QueryRow(digest[:]).Scan(to...)
	})
}

// storedRow compares whole requests, and Verify alone with the call that it is.
func storedRow(name string, ours ourLibrary, other library, bare func() error) row {
	return row{name: name, wall: true, contenders: []contender{
		good(bareCall, bare),
		good(oursVerify, ours.verify()),
		ours.reads(oursSession),
		other.reads(scsSession),
	}, promises: append(faster("S17", oursVerify, 1.15, bareCall), faster("S17", oursSession, 1, scsSession)...)}
}

// scsOn is scs with a store of its own.
func scsOn(st scs.Store) library {
	m := scs.New()
	m.Store = st
	return scsManager(m)
}
