package servers

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

var postgreSQL once

// PostgreSQL is the one that the tests share.
func PostgreSQL(tb testing.TB) *SQLServer { return postgreSQL.get(tb, newPostgreSQL) }

// OwnPostgreSQL is one for tb alone, to be killed.
func OwnPostgreSQL(tb testing.TB) *SQLServer { return own(tb, newPostgreSQL) }

func newPostgreSQL(tb testing.TB) (*SQLServer, error) {
	initdb := postgreSQLProgram(tb, "initdb")
	s, err := postgreSQLIn(tb, func(data string) *exec.Cmd {
		return exec.Command(initdb, "--pgdata", data, "--username", sqlUser, "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync")
	})
	if err != nil {
		return nil, err
	}
	hba := filepath.Join(s.dir, "data", "pg_hba.conf")
	if err := os.WriteFile(hba, []byte("host all "+checkedUser+" 127.0.0.1/32 scram-sha-256\nhost all,replication all 127.0.0.1/32 trust\n"), 0o600); err != nil {
		return nil, err
	}
	if err := s.Start(); err != nil {
		return nil, err
	}
	if err := s.Exec("CREATE USER " + checkedUser + " PASSWORD '" + sqlPassword + "'"); err != nil {
		return nil, err
	}
	return s, s.readVersion("PostgreSQL", "SHOW server_version")
}

// OwnPostgreSQLStandby is a standby of a PostgreSQL, for tb alone. When it is
// answered it has all that is committed, and from then on the primary answers a
// commit when the standby has it: synchronous_commit is on.
func OwnPostgreSQLStandby(tb testing.TB, primary *SQLServer) (*SQLServer, error) {
	backup := postgreSQLProgram(tb, "pg_basebackup")
	s, err := postgreSQLIn(tb, func(data string) *exec.Cmd {
		return exec.Command(backup, "--pgdata", data, "--host", "127.0.0.1", "--port", strconv.Itoa(primary.port), "--username", sqlUser,
			"--checkpoint", "fast", "--write-recovery-conf", "--no-sync")
	})
	if err != nil {
		return nil, err
	}
	if err := s.Start(); err != nil {
		return nil, err
	}
	tb.Cleanup(s.Stop)
	if err := primary.Exec("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"); err != nil {
		return nil, err
	}
	until := func(query string) error {
		return primary.process.Ready(func(ctx context.Context) error {
			is := false
			err := primary.admin.QueryRowContext(ctx, query).Scan(&is)
			if err == nil && !is {
				err = fmt.Errorf("not yet: %s", query)
			}
			return err
		})
	}
	if err := until("SELECT current_setting('synchronous_standby_names') = '*'"); err != nil {
		return nil, err
	}
	// The process that makes checkpoints tells the others to wait for a standby,
	// when it has seen that there is one.
	if err := primary.Exec("CHECKPOINT"); err != nil {
		return nil, err
	}
	var end string
	if err := primary.admin.QueryRow("SELECT pg_current_wal_insert_lsn()::text").Scan(&end); err != nil {
		return nil, err
	}
	return s, until("SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync' AND flush_lsn >= '" + end + "')")
}

// Promote makes a standby a primary.
func (s *SQLServer) Promote() error { return s.Exec("SELECT pg_promote()") }

// postgreSQLProgram is the path of a program of PostgreSQL's.
func postgreSQLProgram(tb testing.TB, name string) string {
	initdb, ok := Binary("initdb", "/usr/lib/postgresql/*/bin")
	if !ok {
		Missing(tb, "postgresql")
	}
	return filepath.Join(filepath.Dir(initdb), name) // what lies in /usr/bin chooses another version
}

// postgreSQLIn is a PostgreSQL that is not yet running, with the data that fill
// writes into a folder.
func postgreSQLIn(tb testing.TB, fill func(data string) *exec.Cmd) (*SQLServer, error) {
	postgres := postgreSQLProgram(tb, "postgres")
	dir, err := Dir("postgresql")
	if err != nil {
		return nil, err
	}
	attr, err := unprivileged(dir, "postgres", "nobody")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	cmd := fill(data)
	cmd.Dir, cmd.SysProcAttr = dir, attr
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", cmd.Path, err, out)
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &SQLServer{Driver: "pgx", dir: dir, port: port, stop: syscall.SIGINT}
	if s.admin, err = sql.Open(s.Driver, s.DSN("")); err != nil {
		return nil, err
	}
	// A process of a postmaster that was killed answers on its connections for a
	// moment, and must not be taken for the next one.
	s.admin.SetMaxIdleConns(0)
	s.ping = func(ctx context.Context) error {
		var at string
		err := s.admin.QueryRowContext(ctx, "SHOW data_directory").Scan(&at)
		if err == nil && at != data {
			err = fmt.Errorf("the PostgreSQL at port %d is another: its data lies in %s", port, at)
		}
		return err
	}
	s.start = func(*SQLServer) (*Process, error) {
		// fsync off: no test cuts the power. mmap: what a killed one leaves of its
		// shared memory lies in its folder, and goes with that.
		cmd := exec.Command(postgres, "-D", data, "-p", strconv.Itoa(port), "-k", dir, "-c", "listen_addresses=127.0.0.1",
			"-c", "max_connections=300", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "shared_buffers=64MB",
			"-c", "shared_memory_type=mmap", "-c", "dynamic_shared_memory_type=mmap")
		cmd.Dir = dir
		own := *attr
		cmd.SysProcAttr = &own
		return StartProcess(cmd, dir)
	}
	return s, nil
}
