package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// busy is a driver whose statements fail with err, the first so many times.
type busy struct {
	only  string // the verb of those that fail; "": all
	times int
	err   error
	said  []string
	onSay func() // nil: nothing
}

func (b *busy) Connect(context.Context) (driver.Conn, error) { return b, nil }
func (b *busy) Driver() driver.Driver                        { return nil }
func (b *busy) Close() error                                 { return nil }
func (b *busy) Begin() (driver.Tx, error)                    { return b, nil }
func (b *busy) Commit() error                                { return nil }
func (b *busy) Rollback() error                              { return nil }

func (b *busy) Prepare(text string) (driver.Stmt, error) { return &busyStmt{b, text}, nil }

type busyStmt struct {
	*busy
	text string
}

func (s *busyStmt) NumInput() int                             { return -1 }
func (s *busyStmt) Query([]driver.Value) (driver.Rows, error) { return nil, errors.New("no rows here") }

func (s *busyStmt) Exec([]driver.Value) (driver.Result, error) {
	verb := strings.Fields(s.text)[0]
	s.said = append(s.said, verb)
	if s.onSay != nil {
		s.onSay()
	}
	if s.times > 0 && (s.only == "" || s.only == verb) {
		s.times--
		return nil, s.err
	}
	return driver.RowsAffected(1), nil
}

var errBusy = errors.New("database is locked")

// D4: what loses against others is tried again, until there were ten tries and
// five seconds have passed; anything else is not.
func TestLosersTryAgain(t *testing.T) {
	for _, c := range []struct {
		name  string
		times int
		takes time.Duration // each try
		err   error
		tries int // 0: as many as five seconds are for, and the last wait
		fails bool
	}{
		{"never busy", 0, 0, errBusy, 1, false},
		{"busy once", 1, 0, errBusy, 2, false},
		{"busy twenty times", 20, 0, errBusy, 21, false},
		{"busy for ever", 10_000, 0, errBusy, 0, true},
		{"slow, and busy nine times", 9, 7 * time.Second, errBusy, 10, false},
		{"slow, and busy for ever", 10_000, 7 * time.Second, errBusy, 10, true},
		{"another error", 1, 0, errors.New("disk I/O error"), 1, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := &busy{times: c.times, err: c.err, onSay: func() { time.Sleep(c.takes) }}
			st, began := open(t, b), time.Now()
			err := st.ClaimOnce(t.Context(), "jti", store.DigestOf("x"), began.Add(time.Hour), began)
			if c.fails != (err != nil) || c.fails && !errors.Is(err, c.err) {
				t.Errorf("%s: %v", c.name, err)
			}
			n, took := len(b.said), time.Since(began)
			if c.tries > 0 && n != c.tries {
				t.Errorf("%s: %d tries, want %d", c.name, n, c.tries)
			}
			if c.tries == 0 && (n <= 20 || took < 5*time.Second || took > 5250*time.Millisecond) {
				t.Errorf("%s: %d tries in %v, want more than 20 in 5 s and at most 250 ms", c.name, n, took)
			}
		})
	}
}

// D4: a transaction is made again as a whole, and SQLite's begins with the lock.
func TestTransactionsTryAgainFromTheBeginning(t *testing.T) {
	b := &busy{times: 2, err: errBusy}
	if err := open(t, b).RevokeAPIKeysOf(t.Context(), "ann", time.Now()); err != nil {
		t.Fatal(err)
	}
	want := "BEGIN ROLLBACK BEGIN INSERT UPDATE COMMIT"
	if got := strings.Join(b.said, " "); got != want {
		t.Errorf("said %s, want %s", got, want)
	}
}

// D4: a COMMIT that never succeeds is tried for as long as a call is, and no
// longer: the transaction is not made again.
func TestCommitIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &busy{only: "COMMIT", times: 10_000, err: errBusy}
		began := time.Now()
		if err := open(t, b).RevokeAPIKeysOf(t.Context(), "ann", began); !errors.Is(err, errBusy) {
			t.Errorf("%v, want %v", err, errBusy)
		}
		said := strings.Join(b.said, " ")
		if took := time.Since(began); strings.Count(said, "BEGIN") != 1 || strings.Count(said, "COMMIT") <= 20 || took < 5*time.Second || took > 5250*time.Millisecond {
			t.Errorf("in %v said %s, want one BEGIN and COMMIT for 5 s", took, said)
		}
	})
}

// D4: in a host's transaction nothing is tried again.
func TestHostsTransactionIsNotRetried(t *testing.T) {
	b := &busy{times: 1, err: errBusy}
	st := open(t, b)
	tx, err := b.db(t).Begin()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	if err := st.ClaimOnce(st.WithTx(t.Context(), tx), "jti", store.DigestOf("x"), now.Add(time.Hour), now); !errors.Is(err, errBusy) {
		t.Errorf("%v, want %v", err, errBusy)
	}
	if len(b.said) != 1 {
		t.Errorf("%d tries, want 1", len(b.said))
	}
}

// D4: trying again ends with the context, which is in the error.
func TestTryingEndsWithTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := &busy{times: 1000, err: errBusy}
	b.onSay = func() {
		if len(b.said) == 3 {
			cancel()
		}
	}
	now := time.Now()
	err := open(t, b).ClaimOnce(ctx, "jti", store.DigestOf("x"), now.Add(time.Hour), now)
	if !errors.Is(err, context.Canceled) || len(b.said) != 3 {
		t.Errorf("after %d tries: %v", len(b.said), err)
	}
}

func (b *busy) db(t *testing.T) *sql.DB {
	db := sql.OpenDB(b)
	t.Cleanup(func() { db.Close() })
	return db
}

func open(t *testing.T, b *busy) *sqlstore.Store {
	t.Helper()
	st, err := sqlstore.New(b.db(t), sqlstore.SQLite, sqlstore.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}
