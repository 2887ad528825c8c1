package customstore_test

import (
	"database/sql"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/integration/customstore"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/storetest"
)

// P16: a host's own table of users is three methods.
func TestUsers(t *testing.T) {
	var db *sql.DB // of the case that runs
	storetest.Run(t, func(t *testing.T, _ func() time.Duration) any {
		var err error
		if db, err = sql.Open("sqlite3", t.TempDir()+"/users.db?_journal_mode=WAL&_busy_timeout=5000"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if _, err := db.Exec(customstore.UsersTable); err != nil {
			t.Fatal(err)
		}
		return customstore.Users{DB: db}
	}, storetest.Config{AddUser: func(t *testing.T, p store.Password) {
		if _, err := db.Exec(`INSERT INTO users (id, email, hash) VALUES ($1, $2, $3)`, p.Subject, p.Name, p.Hash); err != nil {
			t.Fatal(err)
		}
	}})
}
