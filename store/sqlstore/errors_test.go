package sqlstore

import (
	"errors"
	"fmt"
	"testing"
)

// pgxError is as pgx and pq make them.
type pgxError struct{ code string }

func (e *pgxError) Error() string    { return "ERROR: whatever (SQLSTATE " + e.code + ")" }
func (e *pgxError) SQLState() string { return e.code }

// mysqlError is as go-sql-driver makes them.
type mysqlError struct {
	Number  uint16
	Message string
}

func (e *mysqlError) Error() string { return fmt.Sprintf("Error %d: %s", e.Number, e.Message) }

// D4: drivers' errors are told apart without importing the drivers, and only by
// the dialect that they belong to.
func TestDriverErrorsAreToldApart(t *testing.T) {
	type kinds struct{ passing, exists, noTable, noSchema, made, denied bool }
	for _, c := range []struct {
		d    Dialect
		err  error
		want kinds
	}{
		{PostgreSQL, &pgxError{"40001"}, kinds{passing: true}},
		{PostgreSQL, &pgxError{"40P01"}, kinds{passing: true}},
		{PostgreSQL, &pgxError{"42P01"}, kinds{noTable: true}},
		{PostgreSQL, &pgxError{"42703"}, kinds{noTable: true}},
		{PostgreSQL, &pgxError{"3F000"}, kinds{noSchema: true}},
		{PostgreSQL, &pgxError{"42501"}, kinds{denied: true}},
		{PostgreSQL, &pgxError{"23505"}, kinds{exists: true}},
		{PostgreSQL, &pgxError{"25006"}, kinds{}},
		{PostgreSQL, errors.New("database is locked"), kinds{}},
		{MySQL, &mysqlError{Number: 1213}, kinds{passing: true}},
		{MySQL, &mysqlError{Number: 1020}, kinds{passing: true}},
		{MySQL, &mysqlError{Number: 1615}, kinds{passing: true}},
		{MySQL, &mysqlError{Number: 3101}, kinds{passing: true}},
		{MySQL, &mysqlError{Number: 1062}, kinds{exists: true}},
		{MySQL, &mysqlError{Number: 1146}, kinds{noTable: true}},
		{MySQL, &mysqlError{Number: 1054}, kinds{noTable: true}},
		{MySQL, &mysqlError{Number: 1049}, kinds{noSchema: true}},
		{MySQL, &mysqlError{Number: 1050}, kinds{made: true}},
		{MySQL, &mysqlError{Number: 1060}, kinds{made: true}},
		{MySQL, &mysqlError{Number: 1061}, kinds{made: true}},
		{MySQL, &mysqlError{Number: 1142}, kinds{denied: true}},
		{MySQL, &mysqlError{Number: 1205}, kinds{}},
		{MySQL, &pgxError{"40001"}, kinds{}},
		{SQLite, errors.New("database is locked (5) (SQLITE_BUSY)"), kinds{passing: true}},
		{SQLite, errors.New("database table is locked"), kinds{passing: true}},
		{SQLite, errors.New("SQL logic error: no such table: authn_once (1)"), kinds{noTable: true}},
		{SQLite, errors.New("unknown database nowhere"), kinds{noSchema: true}},
		{SQLite, errors.New("UNIQUE constraint failed: authn_api_keys.id"), kinds{exists: true}},
		{SQLite, &mysqlError{Number: 1213}, kinds{}},
	} {
		for _, err := range []error{c.err, fmt.Errorf("a wrapper of the host's: %w", c.err)} {
			got := kinds{c.d.passing(err), c.d.exists(err), c.d.noTable(err), c.d.noSchema(err), c.d.made(err), c.d.denied(err)}
			if got != c.want {
				t.Errorf("%v: %v: %+v, want %+v", c.d, err, got, c.want)
			}
		}
	}
	for _, d := range []Dialect{PostgreSQL, MySQL, SQLite} {
		if d.passing(nil) || d.exists(nil) || d.noTable(nil) || d.noSchema(nil) || d.made(nil) || d.denied(nil) {
			t.Errorf("%v: nil is an error", d)
		}
	}
}

// D4: a log in which MySQL could not write what a transaction did is refused;
// without a log its format is of no interest.
func TestStatementBinlogIsRefused(t *testing.T) {
	for _, c := range []struct {
		log, format string
		good        bool
	}{{"ON", "STATEMENT", false}, {"OFF", "STATEMENT", true}, {"ON", "ROW", true}, {"ON", "MIXED", true}, {"", "", true}} {
		if err := checkBinlog(c.log, c.format); (err == nil) != c.good {
			t.Errorf("log_bin %s, binlog_format %s: %v", c.log, c.format, err)
		}
	}
}
