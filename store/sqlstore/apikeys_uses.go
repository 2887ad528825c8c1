package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// addrText is addr for its column, "" for the zero Addr. A zone is a name of
// the sender's network of any length.
func addrText(addr netip.Addr) string {
	if !addr.IsValid() {
		return ""
	}
	if s := addr.String(); checkText("", s, maxShown) == nil {
		return s
	}
	return addr.WithZone("").String()
}

// idsBatch keeps statements of MySQL below the parameters that they may have.
const idsBatch = 500

// use is a row of the JSON that addUses takes.
type use struct {
	ID   string `json:"id"`
	N    int64  `json:"n"`
	At   string `json:"at,omitempty"` // "": LastUsedAt does not move
	Addr string `json:"addr"`
}

func (a *apiKeys) initUses() {
	d := a.db
	switch d.dialect {
	case PostgreSQL:
		// JSON, since one text then serves batches of all sizes and no driver
		// needs to know arrays. Rows are locked by id, or two batches might
		// deadlock.
		a.addUses = d.statement(`
		WITH u AS (
			SELECT * FROM json_to_recordset(CAST(? AS json)) AS r(id text, n bigint, at timestamp, addr text)
		), locked AS (
			SELECT id FROM {api_keys} WHERE id = ANY (ARRAY(SELECT id FROM u)) ORDER BY id FOR UPDATE
		)
		UPDATE {api_keys} AS k SET
			uses = k.uses + u.n,
			last_used_at = CASE WHEN u.at IS NULL OR k.last_used_at >= u.at AT TIME ZONE 'UTC' THEN k.last_used_at ELSE u.at AT TIME ZONE 'UTC' END,
			last_addr = CASE WHEN u.at IS NULL OR k.last_used_at >= u.at AT TIME ZONE 'UTC' THEN k.last_addr ELSE u.addr END
		FROM u WHERE k.id = u.id AND k.id = ANY (ARRAY(SELECT id FROM locked))
		RETURNING k.id, k.uses`)
	case SQLite:
		a.addUses = d.statement(`
		UPDATE {api_keys} AS k SET
			uses = k.uses + u.n,
			last_used_at = CASE WHEN u.at IS NULL OR k.last_used_at >= u.at THEN k.last_used_at ELSE u.at END,
			last_addr = CASE WHEN u.at IS NULL OR k.last_used_at >= u.at THEN k.last_addr ELSE u.addr END
		FROM (
			SELECT value ->> 'id' AS id, value ->> 'n' AS n, value ->> 'at' AS at, value ->> 'addr' AS addr FROM json_each(?)
		) AS u WHERE k.id = u.id
		RETURNING id, uses`)
	}
}

// RecordAPIKeyUses is of store.APIKeys. It is one statement, but on MySQL two
// in a transaction, whose UPDATE cannot answer anything.
func (a *apiKeys) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) (first []string, err error) {
	rows, err := a.sortUses(uses)
	if err != nil {
		return nil, a.db.explain("record API key uses", err)
	}
	if len(rows) == 0 {
		return nil, nil
	}
	call, record := a.db.write, a.record
	if a.db.dialect == MySQL {
		call, record = a.db.transact, a.recordMySQL
	}
	err = call(ctx, "record API key uses", func(c conn) error {
		fresh := make(map[string]bool)
		if err := record(ctx, c, rows, fresh); err != nil {
			return err
		}
		first = nil
		for _, u := range rows {
			if fresh[u.ID] {
				first = append(first, u.ID)
			}
		}
		return nil
	})
	return first, err
}

// sortUses orders rows by id, the order in which they are locked, and leaves
// out ids that cannot be there.
func (a *apiKeys) sortUses(uses []store.APIKeyUse) ([]use, error) {
	rows := make([]use, 0, len(uses))
	for _, u := range uses {
		if checkText("", u.ID, maxID) != nil {
			continue
		}
		row := use{ID: u.ID, N: u.N, Addr: addrText(u.Addr)}
		if !u.At.IsZero() { // zero is against the contract, but the others of the batch must not be lost for it
			if err := checkTime("APIKeyUse.At", u.At); err != nil {
				return nil, err
			}
			row.At = u.At.UTC().Format(timeText)
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(x, y use) int { return cmp.Or(strings.Compare(x.ID, y.ID), strings.Compare(y.At, x.At)) })
	for i := len(rows) - 1; i > 0; i-- {
		if rows[i-1].ID == rows[i].ID { // against the contract, but no use is lost
			rows[i-1].N += rows[i].N
			rows = slices.Delete(rows, i, i+1)
		}
	}
	return rows, nil
}

func (a *apiKeys) record(ctx context.Context, c conn, rows []use, fresh map[string]bool) error {
	n := make(map[string]int64, len(rows))
	for _, r := range rows {
		n[r.ID] = r.N
	}
	return c.each(ctx, a.addUses, func(r *sql.Rows) error {
		var id string
		var uses int64
		err := r.Scan(&id, &uses)
		if uses == n[id] {
			fresh[id] = true
		}
		return err
	}, jsonText(rows))
}

// recordMySQL reads what the rows are before it writes to them.
func (a *apiKeys) recordMySQL(ctx context.Context, c conn, rows []use, fresh map[string]bool) error {
	for batch := range slices.Chunk(rows, idsBatch) {
		ids := make([]any, len(batch))
		byID := make(map[string]use, len(batch))
		for i, r := range batch {
			ids[i], byID[r.ID] = r.ID, r
		}
		var adds, times, addrs strings.Builder
		var addArgs, timeArgs, addrArgs, found []any
		lock := c.d.statement("SELECT id, uses, " + c.d.dialect.readTime("last_used_at") +
			" FROM {api_keys} WHERE id IN (" + marks(len(ids)) + ") ORDER BY id FOR UPDATE")
		err := c.each(ctx, lock, func(rows *sql.Rows) error {
			var id string
			var uses int64
			var last time.Time
			if err := rows.Scan(&id, &uses, instant{&last}); err != nil {
				return err
			}
			u := byID[id]
			fresh[id] = uses == 0
			found = append(found, id)
			adds.WriteString(" WHEN ? THEN " + strconv.FormatInt(u.N, 10))
			addArgs = append(addArgs, id)
			if at, err := time.Parse(timeText, u.At); err == nil && at.After(last) {
				times.WriteString(" WHEN ? THEN ?")
				timeArgs = append(timeArgs, id, u.At)
				addrs.WriteString(" WHEN ? THEN ?")
				addrArgs = append(addrArgs, id, u.Addr)
			}
			return nil
		}, ids...)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			continue
		}
		text := "UPDATE {api_keys} SET uses = uses + CASE id" + adds.String() + " ELSE 0 END"
		if len(timeArgs) > 0 {
			text += ", last_used_at = CASE id" + times.String() + " ELSE last_used_at END" +
				", last_addr = CASE id" + addrs.String() + " ELSE last_addr END"
		}
		text += " WHERE id IN (" + marks(len(found)) + ")"
		if _, err := c.exec(ctx, c.d.statement(text), slices.Concat(addArgs, timeArgs, addrArgs, found)...); err != nil {
			return err
		}
	}
	return nil
}

// marks is n parameters.
func marks(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }
