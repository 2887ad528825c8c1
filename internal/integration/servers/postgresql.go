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
	const folder = "/usr/lib/postgresql/*/bin"
	initdb, ok := Binary("initdb", folder)
	if !ok {
		Missing(tb, "postgresql")
	}
	postgres := filepath.Join(filepath.Dir(initdb), "postgres")
	dir, err := Dir("postgresql")
	if err != nil {
		return nil, err
	}
	attr, err := unprivileged(dir, "postgres", "nobody")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	cmd := exec.Command(initdb, "--pgdata", data, "--username", sqlUser, "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = dir, attr
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	hba := filepath.Join(data, "pg_hba.conf")
	if err := os.WriteFile(hba, []byte("host all "+checkedUser+" 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"), 0o600); err != nil {
		return nil, err
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
	if err := s.Start(); err != nil {
		return nil, err
	}
	if err := s.Exec("CREATE USER " + checkedUser + " PASSWORD '" + sqlPassword + "'"); err != nil {
		return nil, err
	}
	return s, s.readVersion("PostgreSQL", "SHOW server_version")
}
