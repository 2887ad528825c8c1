package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	_ "github.com/go-sql-driver/mysql" // the driver named mysql
	_ "github.com/mattn/go-sqlite3"    // the driver named sqlite3

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// growthRows are written by one statement.
const growthRows = 500

// sqlGrowth is what differs by dialect.
type sqlGrowth struct {
	dialect sqlstore.Dialect
	// tables lists those whose names begin with the argument.
	tables string
	quote  string
	// settle has the database look at the table %s after it was filled.
	settle string
	// bytes is the size of the table %s with its indexes.
	bytes string
}

func growPostgreSQL() func(size int) grown {
	db := growthDB("pgx", servers.PostgreSQL(host{}).DSN(""))
	return sqlGrowth{
		dialect: sqlstore.PostgreSQL, quote: `"`,
		tables: "SELECT tablename FROM pg_tables WHERE tablename LIKE $1",
		settle: `VACUUM ANALYZE "%s"`,
		bytes:  `SELECT pg_total_relation_size('"%s"')`,
	}.on(db)
}

// growMariaDB gives the server as much memory as hosts do.
func growMariaDB() func(size int) grown {
	server := servers.MariaDB(host{})
	if err := server.Exec("SET GLOBAL innodb_buffer_pool_size = 2 << 30"); err != nil {
		log.Panic("bench: ", err)
	}
	return sqlGrowth{
		dialect: sqlstore.MySQL, quote: "`",
		tables: "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name LIKE ?",
		settle: "ANALYZE TABLE `%s`",
		bytes:  "SELECT data_length + index_length FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '%s'",
	}.on(growthDB("mysql", server.DSN("")))
}

// growSQLite is of a file for each.
func growSQLite(size int) grown {
	dir := authn.Must(servers.Dir("sqlite"))
	file := filepath.Join(dir, "authn.db")
	db := growthDB("sqlite3", "file:"+file+"?_journal_mode=WAL&_busy_timeout=1000&_synchronous=NORMAL")
	g := sqlGrowth{
		dialect: sqlstore.SQLite, quote: `"`,
		tables: "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE ?",
		settle: `ANALYZE "%s"`,
	}.on(db)(size)
	g.bytes = func() float64 {
		mustExec(db, "PRAGMA wal_checkpoint(TRUNCATE)")
		return float64(authn.Must(os.Stat(file)).Size())
	}
	g.close = func() {
		_ = db.Close()
		_ = os.RemoveAll(dir)
	}
	return g
}

func growthDB(driver, dsn string) *sql.DB {
	db := authn.Must(sql.Open(driver, dsn))
	db.SetMaxIdleConns(4)
	return db
}

func mustExec(db *sql.DB, statement string) {
	if _, err := db.Exec(statement); err != nil {
		log.Panicf("bench: %s: %v", statement, err)
	}
}

func (d sqlGrowth) on(db *sql.DB) func(size int) grown {
	return func(size int) grown {
		prefix := fmt.Sprintf("of_%d_", size)
		st := authn.Must(sqlstore.New(db, d.dialect, sqlstore.Config{TablePrefix: prefix}))
		if err := st.Open(context.Background()); err != nil {
			log.Panic("bench: ", err)
		}
		tables := d.list(db, prefix)
		each := func(format string) {
			for _, table := range tables {
				mustExec(db, fmt.Sprintf(format, table))
			}
		}
		return grown{
			store: st,
			fill: func(_ growthKind, size int) {
				for _, table := range tables {
					d.copies(db, table, size)
				}
				each(d.settle)
			},
			bytes: func() (sum float64) {
				for _, table := range tables {
					var n float64
					if err := db.QueryRow(fmt.Sprintf(d.bytes, table)).Scan(&n); err != nil {
						log.Panic("bench: ", err)
					}
					sum += n
				}
				return sum
			},
			close: func() { each("DROP TABLE " + d.quote + "%s" + d.quote) },
		}
	}
}

func (d sqlGrowth) list(db *sql.DB, prefix string) (names []string) {
	rows, err := db.Query(d.tables, prefix+"%")
	if err != nil {
		log.Panic("bench: ", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			log.Panic("bench: ", err)
		}
		names = append(names, name)
	}
	if err := rows.Err(); err != nil {
		log.Panic("bench: ", err)
	}
	return names
}

// copies adds to what the store wrote into a table of the record 0 the same of
// the others: it differs in what the records differ in. A table that says
// nothing of the record stays as it is.
func (d sqlGrowth) copies(db *sql.DB, table string, size int) {
	columns, first := d.only(db, table)
	var named []int // the columns that differ
	for i := range first {
		if !reflect.DeepEqual(first[i], valueOf(first[i], recordOf(1))) {
			named = append(named, i)
		}
	}
	if named == nil {
		return
	}
	tx := authn.Must(db.Begin())
	var full *sql.Stmt
	values := make([]any, 0, growthRows*len(columns))
	for n := 1; n < size; n++ {
		r, row := recordOf(n), slices.Clone(first)
		for _, i := range named {
			row[i] = valueOf(first[i], r)
		}
		values = append(values, row...)
		if n%growthRows == 0 {
			if full == nil {
				full = authn.Must(tx.Prepare(d.insert(table, columns, growthRows)))
			}
			authn.Must(full.Exec(values...))
			values = values[:0]
		}
	}
	if len(values) > 0 {
		authn.Must(tx.Exec(d.insert(table, columns, len(values)/len(columns)), values...))
	}
	if err := tx.Commit(); err != nil {
		log.Panic("bench: ", err)
	}
}

// only is the row of a table, nil if it has none.
func (d sqlGrowth) only(db *sql.DB, table string) (columns []string, only []any) {
	rows, err := db.Query("SELECT * FROM " + d.quote + table + d.quote)
	if err != nil {
		log.Panic("bench: ", err)
	}
	defer func() { _ = rows.Close() }()
	columns = authn.Must(rows.Columns())
	if rows.Next() {
		only = make([]any, len(columns))
		to := make([]any, len(columns))
		for i := range columns {
			to[i] = &only[i]
		}
		if err := rows.Scan(to...); err != nil {
			log.Panic("bench: ", err)
		}
	}
	if err := rows.Err(); err != nil {
		log.Panic("bench: ", err)
	}
	return columns, only
}

// insert is a statement for n rows.
func (d sqlGrowth) insert(table string, columns []string, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "INSERT INTO %s%s%s (%s) VALUES ", d.quote, table, d.quote, strings.Join(columns, ", "))
	for i := range n * len(columns) {
		switch {
		case i == 0:
			b.WriteByte('(')
		case i%len(columns) == 0:
			b.WriteString("), (")
		default:
			b.WriteByte(',')
		}
		if d.dialect == sqlstore.PostgreSQL {
			fmt.Fprintf(&b, "$%d", i+1)
		} else {
			b.WriteByte('?')
		}
	}
	b.WriteByte(')')
	return b.String()
}

var record0 = recordOf(0)

// valueOf puts r into the place of the record 0 in what a column has.
func valueOf(value any, r record) any {
	switch v := value.(type) {
	case string:
		return textOf(v, r)
	case []byte:
		if bytes.Equal(v, record0.digest[:]) {
			return r.digest[:]
		}
		return []byte(textOf(string(v), r))
	}
	return value
}

func textOf(s string, r record) string {
	s = strings.ReplaceAll(s, record0.subject, r.subject)
	s = strings.ReplaceAll(s, record0.id, r.id)
	return strings.ReplaceAll(s, record0.tag, r.tag)
}
