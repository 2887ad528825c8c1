package servers

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

var mariaDB once

// MariaDB is the one that the tests share.
func MariaDB(tb testing.TB) *SQLServer { return mariaDB.get(tb, newMariaDB) }

// OwnMariaDB is one for tb alone, to be killed.
func OwnMariaDB(tb testing.TB) *SQLServer { return own(tb, newMariaDB) }

func newMariaDB(tb testing.TB) (*SQLServer, error) {
	mariadbd, ok := Binary("mariadbd", "/usr/sbin", "/usr/libexec")
	install, ok2 := Binary("mariadb-install-db", "/usr/bin")
	if !ok || !ok2 {
		Missing(tb, "mariadb-server")
	}
	dir, err := Dir("mariadb")
	if err != nil {
		return nil, err
	}
	attr, err := unprivileged(dir, "mysql", "nobody")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	cmd := exec.Command(install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db")
	cmd.Dir, cmd.SysProcAttr = dir, attr
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	s := &SQLServer{Driver: "mysql", dir: dir, port: port, stop: syscall.SIGTERM}
	if s.admin, err = sql.Open(s.Driver, fmt.Sprintf("root@unix(%s)/", filepath.Join(dir, "socket"))); err != nil {
		return nil, err
	}
	s.ping = s.admin.PingContext // the socket lies in its own folder
	s.start = func(*SQLServer) (*Process, error) {
		if err := os.RemoveAll(filepath.Join(dir, "socket")); err != nil {
			return nil, err
		}
		// Not flushed at each commit: no test cuts the power.
		cmd := exec.Command(mariadbd, "--no-defaults", "--datadir="+data, "--port="+strconv.Itoa(port), "--bind-address=127.0.0.1",
			"--socket="+filepath.Join(dir, "socket"), "--pid-file="+filepath.Join(dir, "pid"), "--tmpdir="+dir, "--log-bin=binlog", "--binlog-format=MIXED",
			"--innodb-flush-log-at-trx-commit=2", "--innodb-doublewrite=0", "--innodb-buffer-pool-size=64M", "--max-connections=300")
		cmd.Dir = dir
		own := *attr
		cmd.SysProcAttr = &own
		return StartProcess(cmd, dir)
	}
	if err := s.Start(); err != nil {
		return nil, err
	}
	if err := s.Exec("CREATE DATABASE authn"); err != nil {
		return nil, err
	}
	for _, user := range []string{sqlUser, checkedUser} {
		account := "'" + user + "'@'127.0.0.1'"
		if err := s.Exec("CREATE USER "+account+" IDENTIFIED BY '"+sqlPassword+"'", "GRANT ALL ON *.* TO "+account); err != nil {
			return nil, err
		}
	}
	return s, s.readVersion("MariaDB", "SELECT VERSION()")
}
