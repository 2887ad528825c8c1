package sqlstore

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Dialect is the SQL that a database speaks.
type Dialect uint8

// The dialects. Zero is none.
const (
	PostgreSQL Dialect = iota + 1
	MySQL              // MySQL and MariaDB
	SQLite
)

// String is the name of the constant.
func (d Dialect) String() string {
	switch d {
	case PostgreSQL:
		return "PostgreSQL"
	case MySQL:
		return "MySQL"
	case SQLite:
		return "SQLite"
	}
	return fmt.Sprintf("Dialect(%d)", uint8(d))
}

// quote makes an identifier of name, which checkName has seen.
func (d Dialect) quote(name string) string {
	if d == MySQL {
		return "`" + name + "`"
	}
	return `"` + name + `"`
}

// placeholders numbers the ? of a statement for PostgreSQL. No statement of
// this package has a ? elsewhere.
func (d Dialect) placeholders(text string) string {
	if d != PostgreSQL {
		return text
	}
	var b strings.Builder
	n := 0
	for part := range strings.SplitSeq(text, "?") {
		if n > 0 {
			b.WriteString("$" + strconv.Itoa(n))
		}
		b.WriteString(part)
		n++
	}
	return b.String()
}

// forUpdate locks what a SELECT finds. SQLite's writers have the whole
// database to themselves.
func (d Dialect) forUpdate() string {
	if d == SQLite {
		return ""
	}
	return " FOR UPDATE"
}

// forShare keeps others from writing to what a SELECT finds.
func (d Dialect) forShare() string {
	switch d {
	case PostgreSQL:
		return " FOR SHARE"
	case MySQL:
		return " LOCK IN SHARE MODE" // MariaDB has no other
	}
	return ""
}

// now is the server's clock as an expression with one parameter, which shift
// makes. It is constant in a statement, so that indexes serve to compare with
// it. SQLite has no server and its functions count milliseconds.
func (d Dialect) now() string {
	switch d {
	case PostgreSQL:
		return "(statement_timestamp() + CAST(? AS bigint) * interval '1 microsecond')"
	case MySQL:
		return "(UTC_TIMESTAMP(6) + INTERVAL ? MICROSECOND)"
	}
	return "?"
}

// shift is the parameter of now for the clock moved by by. now is the
// process's, for SQLite.
func (d Dialect) shift(now time.Time, by time.Duration) any {
	if d == SQLite {
		return d.time(now.Add(by))
	}
	return by.Microseconds()
}

// The years that each dialect can write, DATETIME the fewest.
var (
	firstTime = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC)
	lastTime  = time.Date(9999, 12, 31, 23, 59, 59, 999999000, time.UTC)
)

// timeText orders as the times do. Text is exact whatever a driver of MySQL
// is told of time zones, and what SQLite's own functions understand.
const timeText = "2006-01-02 15:04:05.000000"

// time is t as a parameter, NULL for the zero time. What is compared only may
// lie outside of the years that can be written, so it is clamped.
func (d Dialect) time(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return d.bound(t)
}

// bound is t as a parameter to compare with; the zero time is the first.
func (d Dialect) bound(t time.Time) any {
	t = t.UTC().Truncate(time.Microsecond)
	if t.Before(firstTime) {
		t = firstTime
	} else if t.After(lastTime) {
		t = lastTime
	}
	if d == PostgreSQL {
		return t
	}
	return t.Format(timeText)
}

// readTime is a column of times for a SELECT. MySQL's is read as text, since
// with loc the driver would move it into a zone where it may not exist.
func (d Dialect) readTime(column string) string {
	if d == MySQL {
		return "CAST(" + column + " AS CHAR)"
	}
	return column
}

// instant reads a time of any dialect; NULL is the zero time.
type instant struct{ to *time.Time }

// Scan is of sql.Scanner.
func (i instant) Scan(v any) error {
	var text string
	switch v := v.(type) {
	case nil:
		*i.to = time.Time{}
		return nil
	case time.Time:
		*i.to = v.UTC()
		return nil
	case []byte:
		text = string(v)
	case string:
		text = v
	default:
		return fmt.Errorf("authn/sqlstore: a %T is no time", v)
	}
	t, err := time.Parse(timeText, text)
	*i.to = t
	return err
}
