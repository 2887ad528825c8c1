package sqlstore

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/gatehouse-go/authn"
)

// Drivers' errors are told apart without importing the drivers: those of
// PostgreSQL have a method SQLState (pgx and pq), those of MySQL a field
// Number (go-sql-driver), and those of SQLite the texts of sqlite3_errstr,
// which all drivers pass on.

var (
	// errNoTable is in errors of a database without the schema.
	errNoTable = errors.New("no such table")
	// errDenied is in errors of a role that lacks a right.
	errDenied = errors.New("the database role lacks a right")
)

// passing reports whether err is of a call that lost against another and may
// be made again: nothing of it took effect.
func (d Dialect) passing(err error) bool {
	switch d {
	case PostgreSQL:
		// serialization_failure, deadlock_detected
		return slices.Contains([]string{"40001", "40P01"}, sqlState(err))
	case MySQL:
		// Deadlock; a record that changed since it was read (MariaDB's snapshot
		// isolation); a prepared statement to prepare again; a conflict with
		// another member of a group.
		return slices.Contains([]uint64{1213, 1020, 1615, 3101}, mysqlNumber(err))
	}
	return says(err, "database is locked", "database table is locked", "database schema is locked")
}

// exists reports whether err is of a unique key that is there already. On
// PostgreSQL it ends the host's transaction, so that an INSERT says ON CONFLICT
// instead, where the dialect has that.
func (d Dialect) exists(err error) bool {
	switch d {
	case PostgreSQL:
		return sqlState(err) == "23505" // unique_violation
	case MySQL:
		return mysqlNumber(err) == 1062
	}
	return says(err, "UNIQUE constraint failed")
}

// noTable reports whether err says that the schema is missing or too old.
func (d Dialect) noTable(err error) bool {
	switch d {
	case PostgreSQL:
		// undefined_table, undefined_column
		return slices.Contains([]string{"42P01", "42703"}, sqlState(err))
	case MySQL:
		return slices.Contains([]uint64{1146, 1054}, mysqlNumber(err))
	}
	return says(err, "no such table", "no such column")
}

// noSchema reports whether err says that Config.Schema does not exist.
func (d Dialect) noSchema(err error) bool {
	switch d {
	case PostgreSQL:
		return sqlState(err) == "3F000"
	case MySQL:
		return mysqlNumber(err) == 1049
	}
	return says(err, "unknown database")
}

// denied reports whether err says that the role lacks a right.
func (d Dialect) denied(err error) bool {
	switch d {
	case PostgreSQL:
		return sqlState(err) == "42501" // insufficient_privilege
	case MySQL:
		return mysqlNumber(err) == 1142
	}
	return false // SQLite has no roles
}

// made reports whether err says that what a migration makes is there: of
// another instance that migrates at once, or of an earlier try. MySQL commits
// each step and cannot say IF NOT EXISTS of columns and indexes.
func (d Dialect) made(err error) bool {
	return d == MySQL && slices.Contains([]uint64{1050, 1060, 1061}, mysqlNumber(err))
}

func sqlState(err error) string {
	var e interface{ SQLState() string }
	if errors.As(err, &e) {
		return e.SQLState()
	}
	return ""
}

func mysqlNumber(err error) uint64 {
	for ; err != nil; err = errors.Unwrap(err) {
		v := reflect.Indirect(reflect.ValueOf(err))
		if v.Kind() != reflect.Struct {
			continue
		}
		if n := v.FieldByName("Number"); n.IsValid() && n.CanUint() {
			return n.Uint()
		}
	}
	return 0
}

func says(err error, texts ...string) bool {
	return err != nil && slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(err.Error(), t) })
}

// explain makes of err what a method answers: package store's errors as they
// are, all else with what was being done and what to do about it.
func (d *database) explain(op string, err error) error {
	var known *authn.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case d.dialect.noTable(err):
		return fmt.Errorf("authn/sqlstore: %s: %w, or it is of an older version: call Store.Open, which creates and migrates %s*: %w",
			op, errNoTable, d.schema+d.prefix, err)
	case d.dialect.noSchema(err):
		return fmt.Errorf("authn/sqlstore: %s: Config.Schema does not exist, create it first: %w", op, err)
	case d.dialect.denied(err):
		return fmt.Errorf("authn/sqlstore: %s: %w on %s*, grant it: %w", op, errDenied, d.schema+d.prefix, err)
	}
	return fmt.Errorf("authn/sqlstore: %s: %w", op, err)
}
