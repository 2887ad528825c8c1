package sqlstore

import (
	"context"
	"errors"
)

// sweepBatch bounds what one statement deletes, and so for how long it locks.
const sweepBatch = 1000

// sweep deletes from one table what ended over a day ago.
type sweep struct {
	op   string
	text *statement
}

// sweep is of the table with this primary key and this column of ends, which
// has an index.
func (d *database) sweep(op, table, key, end string) sweep {
	find := " FROM {" + table + "} WHERE " + end + " < " + d.dialect.now() + " ORDER BY " + end + " LIMIT ?"
	text := "DELETE" + find
	switch d.dialect {
	case PostgreSQL:
		text = "DELETE FROM {" + table + "} WHERE ctid = ANY (ARRAY(SELECT ctid" + find + " FOR UPDATE SKIP LOCKED))"
	case SQLite:
		text = "DELETE FROM {" + table + "} WHERE (" + key + ") IN (SELECT " + key + find + ")"
	}
	return sweep{op, d.statement(text)}
}

// sweepAll deletes what ended over a day ago. A table that cannot be swept
// does not keep it from the others.
func (s *Store) sweepAll(ctx context.Context) error {
	ctx = s.db.withoutHost(ctx)
	var errs []error
	for _, w := range s.sweeps {
		errs = append(errs, s.db.sweepOne(ctx, w))
	}
	return errors.Join(errs...)
}

func (d *database) sweepOne(ctx context.Context, w sweep) error {
	for {
		var n int64
		err := d.write(ctx, w.op, func(c conn) (err error) {
			n, err = c.changed(ctx, w.text, d.clock(-margin), sweepBatch)
			return err
		})
		if err != nil || n < sweepBatch {
			return err
		}
	}
}
