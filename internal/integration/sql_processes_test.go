package integration_test

import (
	"database/sql"
	"strconv"
	"testing"

	"github.com/gatehouse-go/authn/store/sqlstore"
)

func init() {
	// args are the driver, the DSN, the schema and the number of the dialect.
	raceOpeners["SQL"] = func(args []string) (raceStore, error) {
		db, err := sql.Open(args[0], args[1])
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(50)
		db.SetMaxIdleConns(50)
		d, err := strconv.Atoi(args[3])
		if err != nil {
			return nil, err
		}
		return sqlstore.New(db, sqlstore.Dialect(d), sqlstore.Config{Schema: args[2]})
	}
}

// D1, D4, R3, R11: of two processes that race on an operation, one wins, every
// time; of many callers of three, just as many as a limit lets through.
func TestSQLProcessesRace(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		t.Parallel()
		args := b.openForProcesses(t)
		raceProcesses(t, "SQL", args...)
		crowdProcesses(t, "SQL", args...)
	})
}

// D1, D4: what a hundred callers of two processes submit at once is accepted
// once: a code, a recovery code, a new secret of a service account.
func TestSQLProcessesSubmitTheSame(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		t.Parallel()
		submitProcesses(t, "SQL", b.openForProcesses(t)...)
	})
}

// openForProcesses is an opened store, as the arguments of its opener.
func (b sqlBackend) openForProcesses(t *testing.T) []string {
	t.Helper()
	driver, dsn, schema := b.space(t)
	st := newStore(t, openDB(t, driver, dsn), b.dialect, sqlstore.Config{Schema: schema})
	if err := st.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return []string{driver, dsn, schema, strconv.Itoa(int(b.dialect))}
}
