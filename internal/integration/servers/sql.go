package servers

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver named pgx
)

// The account that the tests use on both servers.
const (
	sqlUser     = "authn"
	sqlPassword = "not-a-secret"
	checkedUser = "checked" // PostgreSQL trusts the other: SCRAM is slow under the race detector
)

// restartWithin bounds how long a server is started anew.
const restartWithin = readyWithin

// SQLServer is a PostgreSQL or a MariaDB.
type SQLServer struct {
	// Version is for the summary: "PostgreSQL 15.4".
	Version string
	// Driver is the name that database/sql knows.
	Driver string

	dir   string
	port  int
	start func(s *SQLServer) (*Process, error)
	ping  func(ctx context.Context) error // answers nil when this one answers
	admin *sql.DB                         // for setting it up
	stop  os.Signal

	mu      sync.Mutex
	process *Process
}

// DSN is for the account of the tests, with the options given, as in "a=b&c=d".
func (s *SQLServer) DSN(options string) string {
	if s.Driver == "pgx" {
		return fmt.Sprintf("postgres://%s:%s@127.0.0.1:%d/postgres?%s", sqlUser, sqlPassword, s.port, options)
	}
	return fmt.Sprintf("%s:%s@tcp(127.0.0.1:%d)/authn?%s", sqlUser, sqlPassword, s.port, options)
}

// WrongDSN is of an account whose password is another.
func (s *SQLServer) WrongDSN() string {
	return strings.Replace(s.DSN(""), sqlUser+":"+sqlPassword, checkedUser+":wrong", 1)
}

// Port is where it listens.
func (s *SQLServer) Port() int { return s.port }

// Start starts it, if it is not running, and waits until it answers.
func (s *SQLServer) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		return nil
	}
	// What a killed server leaves, the next one may find still ending.
	for end := time.Now().Add(restartWithin); ; {
		p, err := s.start(s)
		if err != nil {
			return err
		}
		if err = p.Ready(s.ping); err == nil {
			s.process = p
			return nil
		}
		p.Kill()
		if time.Now().After(end) {
			return err
		}
	}
}

// Kill ends it as a crash would. Start brings it back, with its data.
func (s *SQLServer) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.Kill()
		s.process = nil
	}
}

// Stop ends it in order.
func (s *SQLServer) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.process != nil {
		s.process.Stop(s.stop)
		s.process = nil
	}
}

// Pause stops it without an end to its connections, until resume.
func (s *SQLServer) Pause() (resume func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.Pause()
}

// Full lets it run on a full disk, until room, which waits until it answers
// again. If it has ended by that, it is started.
func (s *SQLServer) Full() (room func() error, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.process
	empty, err := FullDisk(p.cmd.SysProcAttr.Credential, p.all)
	return func() error {
		empty()
		err := p.Ready(s.ping)
		select {
		case <-p.exited:
			s.Kill() // is dead already
			return s.Start()
		default:
			return err
		}
	}, err
}

// Destroy ends it as a crash would, with its disk.
func (s *SQLServer) Destroy() error {
	s.Kill()
	return os.RemoveAll(s.dir)
}

// Exec runs statements as the administrator.
func (s *SQLServer) Exec(statements ...string) error {
	for _, text := range statements {
		if _, err := s.admin.ExecContext(context.Background(), text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

// readVersion sets Version, without what the packager added.
func (s *SQLServer) readVersion(product, query string) error {
	var version string
	err := s.admin.QueryRow(query).Scan(&version)
	version, _, _ = strings.Cut(version, " ")
	version, _, _ = strings.Cut(version, "-")
	s.Version = product + " " + version
	return err
}

// once keeps one server for the binary.
type once struct {
	sync.Mutex
	server *SQLServer
}

func (o *once) get(tb testing.TB, fresh func(tb testing.TB) (*SQLServer, error)) *SQLServer {
	tb.Helper()
	o.Lock()
	defer o.Unlock()
	if o.server == nil {
		s, err := fresh(tb)
		if err != nil {
			tb.Fatal(err)
		}
		onStop(s.Stop)
		o.server = s
	}
	return o.server
}

func own(tb testing.TB, fresh func(tb testing.TB) (*SQLServer, error)) *SQLServer {
	tb.Helper()
	s, err := fresh(tb)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Stop)
	return s
}

func init() {
	// Connections that break while a server is killed are what is being tested.
	_ = mysql.SetLogger(&mysql.NopLogger{})
}
