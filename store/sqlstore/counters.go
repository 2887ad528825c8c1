package sqlstore

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"
)

// counters is a table with one row for each counter: its id, a state that only
// this library reads, and when the row may go.
//
// A call reads its counters without a lock and decides. A refusal that changes
// nothing ends there: it was right when it was read. What passes is written
// where the state is still what was read, all of it by one statement. Where it
// is not, since others take from the same counters, the call locks them, in the
// order of their ids, and decides again.
type counters struct {
	db    *database
	table string

	read    [maxQuick + 1]*statement // by the number of counters
	swaps   [maxQuick + 1]*statement // nil: beyond one, but on PostgreSQL
	swap    *statement
	addOne  *statement
	deleted *statement
}

// counter is one row. Without one the state is empty, and so is that of a row
// which was only made to be locked.
type counter struct {
	id, state []byte
	there     bool

	next   []byte // nil: it stays as it is
	endsAt time.Time
}

// maxQuick is how many counters are tried without a lock. Each number has its
// own statements.
const maxQuick = 8

// decision sets next and endsAt of what changes. It is called again when others
// were first.
type decision func(now time.Time, cs []counter) error

func (t *counters) init(d *database, table string) {
	t.db, t.table = d, "{"+table+"}"
	for n := 1; n <= maxQuick; n++ {
		t.read[n] = d.statement("SELECT " + d.dialect.readTime(d.dialect.now()) +
			strings.Repeat(", (SELECT state FROM "+t.table+" WHERE id = ?)", n))
		if d.dialect == PostgreSQL {
			t.swaps[n] = d.statement(t.swapText(n))
		}
	}
	orNothing := " ON CONFLICT DO NOTHING"
	if d.dialect == MySQL {
		orNothing = ""
	}
	t.swap = d.statement("UPDATE " + t.table + " SET state = ?, ends_at = ? WHERE id = ? AND state = ?")
	t.addOne = d.statement("INSERT INTO " + t.table + " (id, state, ends_at) VALUES (?, ?, ?)" + orNothing)
	drop := "DELETE FROM " + t.table + " WHERE id BETWEEN ? AND ?"
	if d.dialect == PostgreSQL {
		// Locked in the order of update, or the two might deadlock.
		drop = "DELETE FROM " + t.table + " WHERE id IN (SELECT id FROM " + t.table + " WHERE id BETWEEN ? AND ? ORDER BY id FOR UPDATE)"
	}
	t.deleted = d.statement(drop)
}

// swapText writes to n counters, or to none if one of them is not as it was
// read. They are locked first and compared as they are then.
func (t *counters) swapText(n int) string {
	const row = "(CAST(? AS bytea), CAST(? AS bytea), CAST(? AS bytea), CAST(? AS timestamptz))"
	return `
		WITH swap (id, old, next, ends_at) AS (VALUES ` + row + strings.Repeat(", "+row, n-1) + `),
		held AS (SELECT t.id FROM ` + t.table + ` t JOIN swap ON t.id = swap.id AND t.state = swap.old ORDER BY t.id FOR UPDATE OF t)
		UPDATE ` + t.table + ` t SET state = swap.next, ends_at = swap.ends_at FROM swap
		WHERE t.id = swap.id AND (SELECT COUNT(*) FROM held) = ?`
}

// update decides about cs, which are in the order of their ids, each there
// once, and writes what changes, all of it or nothing.
func (t *counters) update(ctx context.Context, op string, cs []counter, decide decision) error {
	if _, inTx, _ := t.db.host(ctx); !inTx && len(cs) <= maxQuick {
		if done, err := t.quick(ctx, op, cs, decide); done || err != nil {
			return err
		}
	}
	return t.db.transact(ctx, op, func(c conn) error {
		missing := slices.ContainsFunc(cs, func(c counter) bool { return !c.there && c.next != nil })
		now, err := t.lock(ctx, c, cs, missing)
		if err != nil {
			return err
		}
		if err := decide(now, cs); err != nil {
			return err
		}
		return t.write(ctx, c, changed(cs))
	})
}

// quick is update without a lock, done when nobody else changed what was read.
func (t *counters) quick(ctx context.Context, op string, cs []counter, decide decision) (done bool, err error) {
	err = t.db.run(ctx, op, func(c conn) error {
		now, err := t.readAll(ctx, c, cs)
		if err != nil {
			return err
		}
		return decide(now, cs)
	})
	if err != nil {
		return false, err
	}
	var s *statement
	var args []any
	switch some := changed(cs); {
	case len(some) == 0:
		return true, nil
	case len(some) == 1 && !some[0].there:
		s, args = t.addOne, []any{some[0].id, some[0].next, t.ends(some[0])}
	case len(some) == 1:
		s, args = t.swap, []any{some[0].next, t.ends(some[0]), some[0].id, some[0].state}
	case t.swaps[len(some)] != nil && !slices.ContainsFunc(some, func(c counter) bool { return !c.there }):
		s, args = t.swaps[len(some)], t.swapArgs(some)
	default:
		return false, nil
	}
	err = t.db.write(ctx, op, func(c conn) error {
		n, err := c.changed(ctx, s, args...)
		if t.db.dialect.exists(err) {
			return nil
		}
		done = n > 0
		return err
	})
	return done, err
}

func changed(cs []counter) []counter {
	var some []counter
	for _, c := range cs {
		if c.next != nil {
			some = append(some, c)
		}
	}
	return some
}

func (t *counters) swapArgs(cs []counter) []any {
	var args []any
	for _, c := range cs {
		args = append(args, c.id, c.state, c.next, t.ends(c))
	}
	return append(args, len(cs))
}

// ends is a whole hour, so that the index of ends_at seldom changes.
func (t *counters) ends(c counter) any {
	return t.db.dialect.bound(c.endsAt.Add(time.Hour).Truncate(time.Hour))
}

// readAll reads cs and the clock as they are now.
func (t *counters) readAll(ctx context.Context, c conn, cs []counter) (now time.Time, err error) {
	to, args := []any{instant{&now}}, []any{t.db.clock(0)}
	for i := range cs {
		cs[i] = counter{id: cs[i].id}
		to, args = append(to, &cs[i].state), append(args, cs[i].id)
	}
	err = c.one(ctx, t.read[len(cs)], to, args...)
	for i := range cs {
		cs[i].there = cs[i].state != nil
	}
	return now, err
}

// lock is readAll with a lock until the transaction ends. It makes the rows that
// are missing.
func (t *counters) lock(ctx context.Context, c conn, cs []counter, missing bool) (now time.Time, err error) {
	ids := make([]any, len(cs))
	for i := range cs {
		cs[i] = counter{id: cs[i].id, state: []byte{}}
		ids[i] = cs[i].id
	}
	text := c.d.statement("SELECT id, state, " + c.d.dialect.readTime(c.d.dialect.now()) + " FROM " + t.table +
		" WHERE id IN (" + marks(len(ids)) + ") ORDER BY id" + c.d.dialect.forUpdate())
	for {
		if missing {
			if err := t.make(ctx, c, ids); err != nil {
				return now, err
			}
		}
		found := 0
		err = c.each(ctx, text, func(rows *sql.Rows) error {
			var id, state []byte
			if err := rows.Scan(&id, &state, instant{&now}); err != nil {
				return err
			}
			for i := range cs {
				if string(cs[i].id) == string(id) {
					cs[i].state, cs[i].there = notNull(state), true
				}
			}
			found++
			return nil
		}, append([]any{t.db.clock(0)}, ids...)...)
		if err != nil || found == len(cs) {
			return now, err
		}
		missing = true
	}
}

// make makes those of the rows that are missing. On MySQL it locks the others,
// too: of some new ones and some old ones it would lock the new ones first.
func (t *counters) make(ctx context.Context, c conn, ids []any) error {
	orNothing := " ON CONFLICT DO NOTHING"
	if c.d.dialect == MySQL {
		orNothing = " ON DUPLICATE KEY UPDATE ends_at = ends_at"
	}
	var args []any
	for _, id := range ids {
		args = append(args, id, []byte{}, c.d.clock(0))
	}
	row := "(?, ?, " + c.d.dialect.now() + ")"
	_, err := c.exec(ctx, c.d.statement("INSERT INTO "+t.table+" (id, state, ends_at) VALUES "+row+strings.Repeat(", "+row, len(ids)-1)+orNothing), args...)
	return err
}

// write changes counters that are locked.
func (t *counters) write(ctx context.Context, c conn, cs []counter) error {
	switch {
	case len(cs) == 0:
		return nil
	case len(cs) == 1:
		_, err := c.exec(ctx, t.swap, cs[0].next, t.ends(cs[0]), cs[0].id, cs[0].state)
		return err
	case c.d.dialect == PostgreSQL:
		_, err := c.exec(ctx, c.d.statement(t.swapText(len(cs))), t.swapArgs(cs)...)
		return err
	}
	var states, ends, ids []any
	for _, x := range cs {
		states, ends, ids = append(states, x.id, x.next), append(ends, x.id, t.ends(x)), append(ids, x.id)
	}
	when := strings.Repeat(" WHEN ? THEN ?", len(cs))
	text := "UPDATE " + t.table + " SET state = CASE id" + when + " END, ends_at = CASE id" + when + " END WHERE id IN (" + marks(len(cs)) + ")"
	_, err := c.exec(ctx, c.d.statement(text), slices.Concat(states, ends, ids)...)
	return err
}
