package integration_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/store/redisstore"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// tortureClocks are how far the clocks of the processes are off that load a
// backend. Nothing depends on them while all records live.
var tortureClocks = []time.Duration{-time.Hour, time.Hour}

// D10: what one process's goroutines do to memstore at once is as if they had
// come one after the other. There is nothing to kill in it.
func TestTortureMemStore(t *testing.T) {
	s := memstore.New(memstore.Config{})
	torture(t, "memstore", tortureBackend{direct: s, callers: []tortureCaller{tortureHere{s}, tortureHere{s}}})
}

// D8, D10: while the server is killed and started again, stopped, read-only, on a
// full disk, cut off and slowed, the processes that use it are killed and stopped,
// and their clocks are hours apart, nothing that was acknowledged is lost or
// doubled, and all is as if the calls had come one after the other.
func TestTortureSQLServers(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		own, ok := map[string]func(testing.TB) *servers.SQLServer{"PostgreSQL": servers.OwnPostgreSQL, "MariaDB": servers.OwnMariaDB}[b.name]
		if !ok {
			return // SQLite has a test of its own
		}
		s := own(t)
		direct := newStore(t, openDB(t, s.Driver, s.DSN("")), b.dialect, sqlstore.Config{})
		wantErr(t, direct.Open(t.Context()), nil)
		proxy := startTortureProxy(t, s.Port())
		dsn := strings.Replace(s.DSN(""), strconv.Itoa(s.Port()), strconv.Itoa(proxy.port()), 1)
		callers, faults := tortureCallers(t, "pooled SQL", s.Driver, dsn, "", strconv.Itoa(int(b.dialect)))
		faults = append(faults, tortureProxied(proxy)...)
		faults = append(faults, tortureReadOnly(t, s), tortureFull(s), torturePaused("server", s.Pause),
			tortureFault{"server killed", func() error { s.Kill(); return s.Start() }})
		torture(t, b.name, tortureBackend{direct: direct, callers: callers, faults: faults})
	})
}

// tortureFull lets the server's disk be full for a while, also where it writes
// its log: both servers end by that, and begin again.
func tortureFull(s *servers.SQLServer) tortureFault {
	return tortureFault{"full", func() error {
		room, err := s.Full()
		tortureWait(300 * time.Millisecond)
		return errors.Join(err, room())
	}}
}

// tortureReadOnly lets the server refuse writes for a while.
func tortureReadOnly(t *testing.T, s *servers.SQLServer) tortureFault {
	t.Helper()
	on := []string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"}
	off := []string{"ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"}
	if s.Driver == "mysql" {
		on, off = []string{"SET GLOBAL read_only = 1"}, []string{"SET GLOBAL read_only = 0"}
		// The tests' account has all rights, and this one lets it write all the same.
		wantErr(t, s.Exec("REVOKE READ_ONLY ADMIN ON *.* FROM 'authn'@'127.0.0.1'"), nil)
	}
	return tortureFault{"read-only", func() error {
		err := s.Exec(on...)
		tortureWait(300 * time.Millisecond)
		return errors.Join(err, s.Exec(off...))
	}}
}

// D8, D10: the same of SQLite, which has no server: its processes are killed and
// stopped, also while they hold the lock, another one holds it for longer than a
// call waits, and they may write no more.
func TestTortureSQLite(t *testing.T) {
	b := sqlBackends[2]
	driver, dsn, _ := b.space(t)
	db := openDB(t, driver, dsn)
	direct := newStore(t, db, b.dialect, sqlstore.Config{})
	wantErr(t, direct.Open(t.Context()), nil)
	callers, faults := tortureCallers(t, "pooled SQL", driver, dsn, "", strconv.Itoa(int(b.dialect)))
	faults = append(faults, tortureFault{"locked", func() error { return holdSQLite(t.Context(), db) }}, tortureFault{"full", func() error {
		var errs error
		for _, c := range callers {
			room, err := c.(*tortureProcess).full()
			defer room()
			errs = errors.Join(errs, err)
		}
		tortureWait(300 * time.Millisecond)
		return errs
	}})
	torture(t, "SQLite", tortureBackend{direct: direct, callers: callers, faults: faults})
}

// holdSQLite keeps all others from writing for a while.
func holdSQLite(ctx context.Context, db *sql.DB) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	for { // it waits for its turn as others do
		if _, err = c.ExecContext(ctx, "BEGIN IMMEDIATE"); err == nil {
			break
		} else if !strings.Contains(err.Error(), "locked") {
			return err
		}
	}
	tortureWait(tortureTimeout + 200*time.Millisecond)
	_, err = c.ExecContext(ctx, "ROLLBACK")
	return err
}

// D8, D10: the same of one Redis that writes each change to disk before it
// answers, and also when its memory is full. This is what Redis can promise.
// Without appendfsync always a kill loses what was acknowledged, and so does a
// failover without Config.Wait; with it reads at the old primary, and what is
// counted, may still be behind: package redisstore's doc says what. What is
// counted by limits and guesses, a client that asks again may count twice, so
// that others are refused early: no more pass than may.
func TestTortureRedis(t *testing.T) {
	s := servers.OwnRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	admin := redisClient(t, s)
	proxy := startTortureProxy(t, s.Port())
	const prefix = "torture:"
	direct := openRedis(t, admin, redisstore.Config{KeyPrefix: prefix})
	callers, faults := tortureCallers(t, "Redis", prefix, fmt.Sprint("127.0.0.1:", proxy.port()))
	faults = append(faults, tortureProxied(proxy)...)
	faults = append(faults, torturePaused("server", s.Pause),
		tortureFault{"server killed", func() error { s.Kill(); return s.Start() }},
		tortureFault{"full", func() error {
			err := admin.ConfigSet(t.Context(), "maxmemory", "1").Err()
			tortureWait(300 * time.Millisecond)
			return errors.Join(err, admin.ConfigSet(t.Context(), "maxmemory", "0").Err())
		}})
	torture(t, "Redis", tortureBackend{direct: direct, callers: callers, faults: faults, resends: true})
}

// tortureCallers are processes of a backend, and what befalls them.
func tortureCallers(t *testing.T, backend string, args ...string) (callers []tortureCaller, faults []tortureFault) {
	t.Helper()
	var processes []*tortureProcess
	for _, clock := range tortureClocks {
		p := startTortureProcess(t, clock, append([]string{backend}, args...)...)
		processes = append(processes, p)
		callers = append(callers, p)
	}
	next := 0
	one := func() *tortureProcess {
		next++
		return processes[next%len(processes)]
	}
	return callers, []tortureFault{
		{"caller killed", func() error { one().restart(); return nil }},
		torturePaused("caller", func() (resume func()) { return one().pause() }),
	}
}

// torturePaused stops somebody for longer than a call may take, so that what is
// under way takes effect when nobody waits for it any more.
func torturePaused(who string, pause func() (resume func())) tortureFault {
	return tortureFault{who + " stopped", func() error {
		resume := pause()
		tortureWait(tortureTimeout + 100*time.Millisecond)
		resume()
		return nil
	}}
}

// tortureProxied are the faults of a network.
func tortureProxied(p *tortureProxy) []tortureFault {
	return []tortureFault{
		{"cut off", func() error {
			for range 5 {
				p.cut()
				tortureWait(30 * time.Millisecond)
			}
			return nil
		}},
		{"slowed", func() error {
			p.set(20*time.Millisecond+rand.N(180*time.Millisecond), false)
			tortureWait(600 * time.Millisecond)
			p.set(0, false)
			return nil
		}},
		{"answers lost", func() error {
			p.set(0, true)
			tortureWait(200 * time.Millisecond)
			p.set(0, false)
			return nil
		}},
	}
}
