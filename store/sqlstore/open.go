package sqlstore

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
)

// The files are named <dialect>_<version>.sql; a statement ends with ; at the
// end of a line.
//
// A migration only adds: tables, indexes, columns with a default. Then the
// instances of the version before go on working while a new one is rolled out.
//
//go:embed schema
var migrations embed.FS

// schemaVersion is the newest migration.
const schemaVersion = 1

// versions is the table of the schema's versions, one row for each migration.
type versions struct {
	db                        *database
	create                    string
	newest, applied, readOnly *statement
	touch                     *statement // reads no row of any table
	charset, binlog           *statement // nil: all dialects but MySQL
	noWrite                   *statement // nil: all dialects but SQLite
}

func (v *versions) init(d *database) {
	v.db = d
	at, readOnly := "", ""
	done := "INSERT INTO {schema} (version) VALUES (?) ON CONFLICT DO NOTHING"
	switch d.dialect {
	case PostgreSQL:
		at = "TIMESTAMPTZ"
		readOnly = "SHOW transaction_read_only"
	case MySQL:
		at = "TIMESTAMP"
		// MySQL and MariaDB have one of the last two, and not the same.
		readOnly = "SHOW VARIABLES WHERE Variable_name IN ('read_only', 'tx_read_only', 'transaction_read_only')"
		done = "INSERT INTO {schema} (version) VALUES (?) ON DUPLICATE KEY UPDATE version = version"
		v.charset = d.statement("SELECT @@character_set_client, @@character_set_connection, COALESCE(@@character_set_results, '')")
		v.binlog = d.statement("SHOW VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format')")
	case SQLite:
		at = "TEXT"
		readOnly = "PRAGMA query_only"
		v.noWrite = d.statement("DELETE FROM {schema} WHERE 1 = 0")
	}
	v.create = "CREATE TABLE IF NOT EXISTS {schema} (version INTEGER NOT NULL PRIMARY KEY, applied_at " + at + " NOT NULL DEFAULT CURRENT_TIMESTAMP)"
	v.newest = d.statement("SELECT COALESCE(MAX(version), 0) FROM {schema}")
	v.applied = d.statement(done)
	v.readOnly = d.statement(readOnly)
	touches := make([]string, len(tables))
	for i, t := range tables {
		touches[i] = "SELECT 1 FROM {" + t + "} WHERE 1 = 0"
	}
	v.touch = d.statement(strings.Join(touches, " UNION ALL "))
}

// Open creates the tables, those that are missing too, or migrates those of an
// older version. It may be repeated, and ten instances may call it at once. A
// schema that is newer than this library is an error. The role needs the right
// to create tables only when there is something to do.
func (s *Store) Open(ctx context.Context) error {
	v, ctx := &s.versions, s.db.withoutHost(ctx)
	version := 0
	err := s.db.run(ctx, "open", func(c conn) (err error) {
		if err := v.checkSession(ctx, c); err != nil {
			return err
		}
		version, err = v.read(ctx, c)
		return err
	})
	missing := false
	if err == nil && version == schemaVersion {
		err = s.db.run(ctx, "open", func(c conn) error { return v.touchAll(ctx, c) })
		missing = errors.Is(err, errNoTable)
	}
	if err != nil && !errors.Is(err, errNoTable) || version == schemaVersion && !missing {
		return err
	}
	if s.db.dialect == MySQL {
		// No lock: a DDL statement would commit it away, and Galera has no
		// GET_LOCK. Each step may be repeated instead.
		return s.db.run(ctx, "open", func(c conn) error { return v.migrate(ctx, c, missing) })
	}
	return s.db.transact(ctx, "open", func(c conn) error {
		if s.db.dialect == PostgreSQL {
			if _, err := c.tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", s.db.lockKey()); err != nil {
				return err
			}
		}
		return v.migrate(ctx, c, missing)
	})
}

// touchAll fails when a table is missing, as after a restore of a part.
func (v *versions) touchAll(ctx context.Context, c conn) error {
	return c.each(ctx, v.touch, func(*sql.Rows) error { return nil })
}

// migrate runs the migrations that were not, or all. It has the lock, where
// there is one.
func (v *versions) migrate(ctx context.Context, c conn, all bool) error {
	if err := c.step(ctx, v.create); err != nil {
		return err
	}
	version, err := v.read(ctx, c)
	if err != nil {
		return err
	}
	if all {
		version = 0 // each step may be repeated
	}
	for version++; version <= schemaVersion; version++ {
		file, err := migrations.ReadFile(fmt.Sprintf("schema/%s_%d.sql", strings.ToLower(v.db.dialect.String()), version))
		if err != nil {
			return err
		}
		for text := range strings.SplitSeq(string(file), ";\n") {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			if err := c.step(ctx, text); err != nil {
				return err
			}
		}
		if _, err := c.exec(ctx, v.applied, version); err != nil {
			return err
		}
	}
	return nil
}

// step runs one statement without parameters, unprepared: not all servers
// prepare DDL.
func (c conn) step(ctx context.Context, text string) error {
	exec := c.d.pool.ExecContext
	if c.tx != nil {
		exec = c.tx.ExecContext
	}
	if _, err := exec(ctx, c.d.names.Replace(text)); err != nil && !c.d.dialect.made(err) {
		return err
	}
	return nil
}

// read is the version of the schema, 0 of an empty one.
func (v *versions) read(ctx context.Context, c conn) (version int, err error) {
	err = c.one(ctx, v.newest, []any{&version})
	if err == nil && version > schemaVersion {
		err = fmt.Errorf("the schema %s* has version %d, this library knows %d: deploy the newer library",
			v.db.schema+v.db.prefix, version, schemaVersion)
	}
	return version, err
}

// lockKey is the same for whoever makes these tables. The schema is not in it:
// one instance may name it, and another leave it to the connection.
func (d *database) lockKey() int64 {
	h := fnv.New64a()
	h.Write([]byte("authn/sqlstore " + d.prefix))
	return int64(h.Sum64())
}

// checkSession refuses what a connection of MySQL cannot do its work with:
// another character set, which would store names as question marks, and a
// format of the log in which no transaction here can write.
func (v *versions) checkSession(ctx context.Context, c conn) error {
	if v.charset == nil {
		return nil
	}
	var sets [3]string
	if err := c.one(ctx, v.charset, []any{&sets[0], &sets[1], &sets[2]}); err != nil {
		return err
	}
	for _, set := range sets {
		if set != "utf8mb4" {
			return fmt.Errorf("the connection speaks %q, not utf8mb4: leave charset and collation out of the DSN", set)
		}
	}
	values := make(map[string]string)
	err := c.each(ctx, v.binlog, func(rows *sql.Rows) error {
		var name, value string
		err := rows.Scan(&name, &value)
		values[name] = strings.ToUpper(value)
		return err
	})
	if err != nil {
		return err
	}
	return checkBinlog(values["log_bin"], values["binlog_format"])
}

func checkBinlog(logBin, format string) error {
	if logBin == "ON" && format == "STATEMENT" {
		return errors.New("binlog_format is STATEMENT, with which the server refuses what is written at READ COMMITTED: set it to ROW or MIXED")
	}
	return nil
}

// Check says whether the database can be reached, has the schema of this
// library or a newer one with all its tables, and can be written to: a
// read-only replica or file is an error.
func (s *Store) Check(ctx context.Context) error {
	ctx = s.db.withoutHost(ctx)
	return s.db.run(ctx, "check", func(c conn) error {
		if err := s.versions.checkSession(ctx, c); err != nil {
			return err
		}
		var version int
		if err := c.one(ctx, s.versions.newest, []any{&version}); err != nil {
			return err
		}
		if version < schemaVersion {
			return fmt.Errorf("the schema has version %d, this library needs %d: call Store.Open", version, schemaVersion)
		}
		if err := s.versions.touchAll(ctx, c); err != nil {
			return err
		}
		err := c.each(ctx, s.versions.readOnly, func(rows *sql.Rows) error {
			var name, value string
			to := []any{&name, &value}
			if s.db.dialect != MySQL {
				to = to[1:]
			}
			if err := rows.Scan(to...); err != nil {
				return err
			}
			if value != "0" && !strings.EqualFold(value, "off") {
				return errors.New("the database is read-only")
			}
			return nil
		})
		if err != nil {
			return err
		}
		return s.versions.checkWrites(ctx, c)
	})
}

// checkWrites says a statement that would write, if there were something to: a
// SQLite that only may read refuses it. That somebody else has the lock shows
// that the file can be written to.
func (v *versions) checkWrites(ctx context.Context, c conn) error {
	if v.noWrite == nil {
		return nil
	}
	if _, err := c.exec(ctx, v.noWrite); err != nil && !v.db.dialect.passing(err) {
		return fmt.Errorf("the database cannot be written to: %w", err)
	}
	return nil
}
