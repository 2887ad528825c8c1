package main

import (
	"context"
	"database/sql"
	"errors"
	"time"

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

// storedSessions are those that another process keeps, by wall time, since
// waiting is most of it. Servers start for rows that are wanted.
func storedSessions(wanted func(name string) bool) (rows []row) {
	for _, backend := range []struct {
		name, program string
		folders       []string
		start         func() stored
	}{
		{"Redis", "redis-server", nil, redisSessions},
		{"PostgreSQL", "initdb", []string{"/usr/lib/postgresql/*/bin"}, postgresSessions},
	} {
		read, write := "session read, "+backend.name, "session read + write, "+backend.name
		if !wanted(read) && !wanted(write) || !installed(backend.program, backend.folders...) {
			continue
		}
		s := backend.start()
		for _, r := range []row{s.readRow(read), s.writeRow(write)} {
			if wanted(r.name) {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// stored are sessions of ours and of scs at one server, and what the client needs
// for the calls that ours are.
type stored struct {
	ours  ourLibrary
	scs   library
	read  func() error
	write func() error
}

func redisSessions() stored {
	ctx := context.Background()
	c := redis.NewClient(&redis.Options{Addr: servers.Redis(host{}).Addr, ContextTimeoutEnabled: true})
	ours := sessionManager(authn.Must(redisstore.New(c, redisstore.Config{KeyPrefix: "ours:"})), nil)
	key := authn.Must(c.Keys(ctx, "ours:*session:"+store.DigestOf(ours.cookie().Value).String()).Result())[0]
	value := authn.Must(c.Get(ctx, key).Bytes())
	return stored{
		ours: ours, scs: scsOn(goredisstore.NewWithPrefix(c, "scs:")),
		read:  func() error { return c.Get(ctx, key).Err() },
		write: func() error { return c.Set(ctx, "bare", value, time.Hour).Err() },
	}
}

func postgresSessions() stored {
	ctx, dsn := context.Background(), servers.PostgreSQL(host{}).DSN("")
	db := authn.Must(sql.Open("pgx", dsn))
	db.SetMaxIdleConns(4)
	st := authn.Must(sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{}))
	if err := st.Open(ctx); err != nil {
		panic(err)
	}
	ours := sessionManager(st, nil)
	digest, tag := store.DigestOf(ours.cookie().Value), store.TagOf(visitor)
	read := authn.Must(db.Prepare("SELECT digest, tag, id, subject, identity, data, revision, remember, user_agent, addr, " +
		"created_at, seen_at, idle_until, expires_at FROM authn_sessions WHERE digest = $1 AND tag = $2 AND LEAST(idle_until, expires_at) > $3"))
	// Of another visitor: ours would find a revision that it does not know.
	write := authn.Must(db.Prepare("UPDATE authn_sessions SET data = data WHERE digest = (SELECT digest FROM authn_sessions WHERE subject = 'user0')"))

	pool := authn.Must(pgxpool.New(ctx, dsn)) // what scs has for pgx, without database/sql
	authn.Must(pool.Exec(ctx, "CREATE TABLE sessions (token TEXT PRIMARY KEY, data BYTEA NOT NULL, expiry TIMESTAMPTZ NOT NULL)"))
	return stored{
		ours: ours, scs: scsOn(pgxstore.NewWithCleanupInterval(pool, 0)),
		read: func() error {
			var columns [14]any
			to := make([]any, len(columns))
			for i := range columns {
				to[i] = &columns[i]
			}
			return read.QueryRow(digest[:], tag, time.Now()).Scan(to...)
		},
		write: func() error {
			_, err := write.Exec()
			return err
		},
	}
}

// readRow compares whole requests, and Verify alone with the call that it is.
func (s stored) readRow(name string) row {
	return row{name: name, wall: true, contenders: []contender{
		good(bareCall, s.read),
		good(oursVerify, s.ours.verify()),
		s.ours.reads(oursSession),
		s.scs.reads(scsSession),
	}, promises: append(faster("S17", oursVerify, 1.15, bareCall), faster("S17", oursSession, 1, scsSession)...)}
}

// writeRow has one call more in ours than in scs: Update reads what it changes
// once more, so that what another request has written meanwhile is not lost.
func (s stored) writeRow(name string) row {
	return row{name: name, wall: true, contenders: []contender{
		good("the bare client: two reads and a write", func() error { return errors.Join(s.read(), s.read(), s.write()) }),
		s.ours.writes(oursUpdate),
		s.scs.writes(scsSession + ", Put"),
	}}
}

// scsOn is scs with a store of its own.
func scsOn(st scs.Store) library {
	m := scs.New()
	m.Store = st
	return scsManager(m)
}
