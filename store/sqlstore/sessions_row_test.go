package sqlstore

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// oneRow is a driver that answers one row to anything.
type oneRow struct{ row []driver.Value }

func (o oneRow) Connect(context.Context) (driver.Conn, error) { return o, nil }
func (o oneRow) Driver() driver.Driver                        { return nil }
func (o oneRow) Close() error                                 { return nil }
func (o oneRow) Begin() (driver.Tx, error)                    { return nil, driver.ErrSkip }
func (o oneRow) Prepare(string) (driver.Stmt, error)          { return o, nil }
func (o oneRow) NumInput() int                                { return 0 }
func (o oneRow) Exec([]driver.Value) (driver.Result, error)   { return nil, driver.ErrSkip }
func (o oneRow) Query([]driver.Value) (driver.Rows, error)    { return &rowsOfOne{row: o.row}, nil }

type rowsOfOne struct {
	row  []driver.Value
	done bool
}

func (r *rowsOfOne) Columns() []string { return make([]string, len(r.row)) }
func (r *rowsOfOne) Close() error      { return nil }

func (r *rowsOfOne) Next(to []driver.Value) error {
	if r.done {
		return io.EOF
	}
	r.done = true
	copy(to, r.row)
	return nil
}

// S13: a row that cannot be read is damaged, but not because its request has
// ended: a damaged record is nobody, and an outage is not.
func TestEndedContextIsNoDamagedRow(t *testing.T) {
	now := time.Now()
	row := func(identity string) []driver.Value {
		return []driver.Value{make([]byte, 32), "tag", "id", "ann", identity, []byte("{}"), int64(1), true, "", "", now, now, now, now}
	}
	const good = `{"subject":"ann","kind":"user"}`
	for _, c := range []struct {
		identity string
		ended    bool
		want     error
	}{{good, false, nil}, {"{", false, store.ErrDamaged}, {good, true, context.Canceled}, {"{", true, context.Canceled}} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		db := sql.OpenDB(oneRow{row(c.identity)})
		defer db.Close()
		rows, err := db.QueryContext(ctx, "x")
		if err != nil || !rows.Next() {
			t.Fatal(err)
		}
		defer rows.Close()
		if c.ended {
			cancel()
			for rows.Err() == nil {
				runtime.Gosched()
			}
		}
		_, err = scanSession(rows)
		if !errors.Is(err, c.want) || c.ended && errors.Is(err, store.ErrDamaged) {
			t.Errorf("%s, ended %v: %v, want %v", c.identity, c.ended, err, c.want)
		}
	}
}
