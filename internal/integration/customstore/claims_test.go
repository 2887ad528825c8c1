package customstore_test

import (
	"database/sql"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"github.com/gatehouse-go/authn/internal/integration/customstore"
	"github.com/gatehouse-go/authn/store/storetest"
)

func TestClaims(t *testing.T) {
	storetest.Run(t, func(t *testing.T, _ func() time.Duration) any {
		db, err := sql.Open("sqlite3", t.TempDir()+"/claims.db?_journal_mode=WAL&_busy_timeout=5000")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		if _, err := db.Exec(customstore.Table); err != nil {
			t.Fatal(err)
		}
		return customstore.Claims{DB: db}
	}, storetest.Config{})
}
