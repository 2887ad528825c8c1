package sqlstore_test

import (
	"context"
	"database/sql"
	"log"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// The host imports the driver: pgx and lib/pq for PostgreSQL, go-sql-driver for
// MySQL and MariaDB, mattn/go-sqlite3 or modernc.org/sqlite for SQLite.
func Example() {
	ctx := context.Background()
	db, err := sql.Open("pgx", "postgres://localhost/shop")
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	st, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{})
	if err != nil {
		log.Fatal(err)
	}
	if err := st.Open(ctx); err != nil { // creates or migrates the tables
		log.Fatal(err)
	}
	go func() { log.Print(st.Run(ctx)) }() // deletes what expired a day ago
	// apikey.New(st, …) and the like take st from here.
}

// A user and a first key are made in one transaction: both or neither.
func ExampleStore_WithTx() {
	signUp := func(ctx context.Context, db *sql.DB, st *sqlstore.Store, email string, k store.APIKey) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, "INSERT INTO users (id, email) VALUES ($1, $2)", k.Owner, email); err != nil {
			return err
		}
		if err := st.CreateAPIKey(st.WithTx(ctx, tx), k, store.APIKeyLimits{MaxLive: 10}, k.CreatedAt); err != nil {
			return err
		}
		return tx.Commit()
	}
	_ = signUp
}
