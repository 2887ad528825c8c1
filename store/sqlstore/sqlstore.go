// Package sqlstore keeps everything in PostgreSQL, MySQL, MariaDB or SQLite,
// by database/sql. It imports no driver: the host opens the *sql.DB that it has
// anyway, and says which dialect it speaks.
//
//	db, err := sql.Open("pgx", dsn)
//	…
//	st, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Config{})
//	…
//	err = st.Open(ctx) // creates or migrates the tables
//	go st.Run(ctx)     // deletes what expired
//
// # What it needs
//
// PostgreSQL 12, MySQL 8, MariaDB 10.6 or SQLite 3.38, or newer; the tests run
// on PostgreSQL 15, MariaDB 10.11 and SQLite 3.54. The SQL for MySQL is what
// MySQL and MariaDB both accept, and is tested on MariaDB. A database of
// PostgreSQL must be UTF8. For MySQL the connection must speak utf8mb4, which
// is go-sql-driver's default; all other options of a DSN (parseTime, loc,
// clientFoundRows, interpolateParams) may be as they are. With a binary log its
// binlog_format must be ROW or MIXED, as it comes: Open and Check refuse
// STATEMENT.
//
// SQLite is a file of one machine. journal_mode(WAL) lets readers and the
// writer work at once. A call that waits for another process's lock does not
// see its context end: it comes back when busy_timeout is over, so make that
// shorter than the timeout of a request, about a second. A :memory: database is
// one of each connection: set SetMaxOpenConns(1).
//
// # What a DBA sees
//
// Tables named authn_api_keys, authn_once and so on, or with
// [Config.TablePrefix]. Times are UTC, to the microsecond: TIMESTAMPTZ on
// PostgreSQL, DATETIME(6) on MySQL, TEXT of the form 2006-01-02
// 15:04:05.000000 on SQLite. Ids and subjects compare bytewise. Lists and
// attributes are JSON text. authn_schema lists the versions of the schema; the
// files in the folder schema are what Open runs.
//
// Leave rows of authn_token_subjects where they are. There is one for each
// subject that ever logged in with refresh tokens or was revoked: without it
// revoked tokens of the first version are good again, and its refresh tokens are
// not. A row of authn_session_subjects may go when its revoked_at is older than
// any login takes. Without its row in authn_limits nothing was taken from a
// counter, and without those in authn_attempts nobody is locked or disabled. An
// account that was disabled keeps its row until it is unlocked, and one that is
// to be disabled after so many attempts a year after the last of them. A row of
// authn_totps without a secret keeps codes from coming again, and whoever guessed
// too often from guessing on; it goes after a year. Without its row in
// authn_oauth_clients the ID of a service account may get another owner: set
// disabled_at instead.
//
// A limit costs one statement where it refuses, and two where it lets through:
// one reads, and one writes if nobody else has, who would make it wait. Limits
// of many requests a second are better kept in Redis or in memory.
//
// # What it promises
//
// What was acknowledged is as durable as the server's commits: leave
// synchronous_commit and innodb_flush_log_at_trx_commit as they come. With
// SQLite's WAL, synchronous=NORMAL loses the last commits when the power fails:
// set FULL. Calls go to the primary: a replica that lags forgets revocations.
//
// A failover to an asynchronous standby loses what was acknowledged and had not
// arrived there, and a revoked key works again. To rule it out, set
// synchronous_standby_names on PostgreSQL, and semi-synchronous replication on
// MySQL and MariaDB (rpl_semi_sync_…, which falls back to asynchronous after its
// timeout: set that high).
//
// Serialization failures, deadlocks and a busy SQLite are tried again within the
// context, until there were ten tries and five seconds have passed; then they
// are an error, as is any other failure of the database.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// Config of New. The zero Config is good.
type Config struct {
	// Schema is where the tables lie: a schema of PostgreSQL, a database of
	// MySQL, an attached database of SQLite. It must exist. It consists of
	// letters, digits and _, at most 63. Defaults to the connection's.
	Schema string
	// TablePrefix begins the names of all tables and indexes, so that several
	// stores fit in one schema. It consists of lower-case letters, digits and _,
	// at most 32: where names of tables do not tell upper from lower case, two
	// stores must not become one. Defaults to "authn_".
	TablePrefix string
	// ClockOffset is added to the server's clock, for tests. nil adds nothing.
	ClockOffset func() time.Duration
}

const (
	// margin is how long the expired is kept, for callers whose clocks differ.
	margin = 24 * time.Hour
	// sweepEvery is how often Run deletes.
	sweepEvery = time.Minute
)

// Store implements [store.Store] and is safe for concurrent use. Its clock is
// the server's; SQLite's is the process's. Make one for a pool and keep it:
// statements are prepared once. There is nothing to close but the *sql.DB,
// which is the host's.
type Store struct {
	apiKeys
	limits
	oauthClients
	once
	oneTime
	passwords
	providerTokens
	sessions
	signingKeys
	tokens
	totps
	versions versions
	sweeps   []sweep
	db       *database
}

var (
	_ store.Store         = (*Store)(nil)
	_ store.PasswordTable = (*Store)(nil)
	_ store.OneTime       = (*Store)(nil)
	_ store.Limits        = (*Store)(nil)
)

// New makes a Store on db. It does not talk to the database: [Store.Open] does.
func New(db *sql.DB, d Dialect, cfg Config) (*Store, error) {
	if db == nil {
		return nil, errors.New("authn/sqlstore: the *sql.DB is nil")
	}
	if d < PostgreSQL || d > SQLite {
		return nil, fmt.Errorf("authn/sqlstore: %v is no dialect: take PostgreSQL, MySQL or SQLite", d)
	}
	if cfg.Schema != "" {
		if err := checkName("Config.Schema", cfg.Schema, 63); err != nil {
			return nil, err
		}
	}
	if cfg.TablePrefix == "" {
		cfg.TablePrefix = "authn_"
	}
	if err := checkName("Config.TablePrefix", cfg.TablePrefix, 32); err != nil {
		return nil, err
	}
	if cfg.TablePrefix != strings.ToLower(cfg.TablePrefix) {
		return nil, fmt.Errorf("authn/sqlstore: Config.TablePrefix %q may have lower-case letters only", cfg.TablePrefix)
	}
	s := &Store{db: newDatabase(db, d, cfg)}
	s.apiKeys.init(s.db)
	s.limits.init(s.db)
	s.oauthClients.init(s.db)
	s.once.init(s.db)
	s.oneTime.init(s.db)
	s.passwords.init(s.db)
	s.providerTokens.init(s.db)
	s.sessions.init(s.db)
	s.signingKeys.init(s.db)
	s.tokens.init(s.db)
	s.totps.init(s.db)
	s.versions.init(s.db)
	s.sweeps = []sweep{
		s.db.sweep("delete old claims", "once", "purpose, digest", "ends_at"),
		s.db.sweep("delete old token revocations", "revoked_tokens", "digest", "expires_at"),
		s.db.sweep("delete old refresh families", "refresh_families", "id", "idle_until"),
		s.db.sweep("delete old sessions", "sessions", "digest", "idle_until"),
		s.db.sweep("delete old one-time tokens", "one_time_tokens", "digest", "expires_at"),
		s.db.sweep("delete old subjects of one-time tokens", "one_time_subjects", "subject", "ends_at"),
		s.db.sweep("delete old limits", "limits", "id", "ends_at"),
		s.db.sweep("delete old attempts", "attempts", "id", "ends_at"),
		s.db.sweep("delete old TOTPs", "totps", "subject", "ends_at"),
	}
	return s, nil
}

// checkName admits what needs no escaping in any dialect: it becomes part of
// the text of statements.
func checkName(field, name string, most int) error {
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return fmt.Errorf("authn/sqlstore: %s %q may have letters, digits and _ only, and no digit first", field, name)
		}
	}
	if len(name) > most {
		return fmt.Errorf("authn/sqlstore: %s has %d characters, over %d", field, len(name), most)
	}
	return nil
}

// WithTx is a context in which calls of this Store run in the host's
// transaction: a user and a first credential are created at once, or neither.
// It marks [store.MarkTx].
//
// Such calls are not tried again: after an error that is none of package
// store's, roll back. Other callers that write to the same owner or
// subject wait until the transaction ends. On SQLite, begin it with the driver's option for BEGIN
// IMMEDIATE, or it may be refused as busy. Open, Run and Check take no notice
// of it.
func (s *Store) WithTx(ctx context.Context, tx *sql.Tx) context.Context {
	return store.MarkTx(context.WithValue(ctx, hostTx{s.db}, tx))
}

// Run deletes what expired over a day ago by the server's clock, until ctx
// ends; then it answers nil. It outlasts outages, and ends with an error only
// when there is no table, or when the database's role may not delete from it.
func (s *Store) Run(ctx context.Context) error {
	t := time.NewTicker(sweepEvery)
	defer t.Stop()
	for {
		// Any other error is met again in a minute; until then only space is lost.
		if err := s.sweepAll(ctx); errors.Is(err, errNoTable) || errors.Is(err, errDenied) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}
