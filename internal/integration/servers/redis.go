package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
)

// RedisServer is a redis-server, or a sentinel.
type RedisServer struct {
	Addr    string
	port    int
	bus     int // of a node of a cluster
	dir     string
	args    []string
	process *Process
}

// OwnRedis is a redis-server for tb alone, to be killed. Without args it keeps
// nothing on disk; they are as on its command line: "--maxmemory", "10mb".
func OwnRedis(tb testing.TB, args ...string) *RedisServer {
	tb.Helper()
	s, err := newRedis(tb, args...)
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Kill)
	return s
}

// OwnRedisReplica is a replica of s for tb alone, when it follows.
func OwnRedisReplica(tb testing.TB, s *RedisServer) *RedisServer {
	tb.Helper()
	r := OwnRedis(tb, "--replicaof", "127.0.0.1 "+strconv.Itoa(s.port))
	if err := s.followed(); err != nil {
		tb.Fatal(err)
	}
	return r
}

// followed waits until a replica follows s.
func (s *RedisServer) followed() error {
	c := s.Client()
	defer func() { _ = c.Close() }()
	return s.process.Ready(func(ctx context.Context) error {
		info, err := c.Info(ctx, "replication").Result()
		if err == nil && !strings.Contains(info, "state=online") {
			err = errors.New("no replica follows")
		}
		return err
	})
}

func newRedis(tb testing.TB, args ...string) (*RedisServer, error) {
	tb.Helper()
	if _, ok := Binary("redis-server"); !ok {
		Missing(tb, "redis-server")
	}
	dir, err := Dir("redis")
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	return &RedisServer{
		Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		port: port,
		dir:  dir,
		args: append([]string{
			"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--repl-diskless-sync-delay", "0",
		}, args...),
	}, nil
}

// Start starts it, where it was before, and waits until it answers.
func (s *RedisServer) Start() error {
	path, _ := Binary("redis-server")
	cmd := exec.Command(path, s.args...)
	cmd.Args[0] = "redis-server" // one file is several programs, by this name
	p, err := StartProcess(cmd, s.dir)
	if err != nil {
		return err
	}
	s.process = p
	c := s.Client()
	defer func() { _ = c.Close() }()
	return p.Ready(func(ctx context.Context) error {
		probe, err := net.Dial("tcp", s.Addr)
		if err != nil { // the client would try for seconds
			return err
		}
		_ = probe.Close()
		err = c.Ping(ctx).Err()
		if redis.IsAuthError(err) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := c.Info(ctx, "server").Result()
		if err == nil && !strings.Contains(info, fmt.Sprintf("process_id:%d\r\n", p.cmd.Process.Pid)) {
			err = fmt.Errorf("the Redis at %s is another", s.Addr)
		}
		return err
	})
}

// Kill ends it as a crash would. It may be repeated.
func (s *RedisServer) Kill() {
	if s.process != nil {
		s.process.Kill()
		s.process = nil
	}
}

// Pause stops it without an end to its connections, until resume.
func (s *RedisServer) Pause() (resume func()) { return s.process.Pause() }

// Port is where it listens.
func (s *RedisServer) Port() int { return s.port }

// Client is a new client of s, as hosts make them.
func (s *RedisServer) Client() *redis.Client {
	return redis.NewClient(&redis.Options{Addr: s.Addr})
}

var sharedRedis struct {
	sync.Mutex
	*RedisServer
}

// Redis is the redis-server that the tests share, each with a key prefix of its
// own.
func Redis(tb testing.TB) *RedisServer {
	tb.Helper()
	sharedRedis.Lock()
	defer sharedRedis.Unlock()
	if sharedRedis.RedisServer == nil {
		s, err := newRedis(tb)
		if err != nil {
			tb.Fatal(err)
		}
		if err := s.Start(); err != nil {
			tb.Fatal(err)
		}
		onStop(s.Kill)
		sharedRedis.RedisServer = s
	}
	return sharedRedis.RedisServer
}

// RedisSentinel is a primary, a replica, and a sentinel that watches them.
type RedisSentinel struct {
	Primary, Replica, Sentinel *RedisServer
	// Name is what the sentinel calls the primary.
	Name string
}

// OwnRedisSentinel is a RedisSentinel for tb alone, when the sentinel knows the
// replica.
func OwnRedisSentinel(tb testing.TB) *RedisSentinel {
	tb.Helper()
	s := &RedisSentinel{Name: "tests", Primary: OwnRedis(tb)}
	s.Replica = OwnRedisReplica(tb, s.Primary)
	sentinel, err := newRedis(tb)
	if err != nil {
		tb.Fatal(err)
	}
	conf := filepath.Join(sentinel.dir, "sentinel.conf") // it writes into it
	text := fmt.Sprintf("sentinel monitor %[1]s 127.0.0.1 %[2]d 1\nsentinel down-after-milliseconds %[1]s 3000\nsentinel failover-timeout %[1]s 5000\n",
		s.Name, s.Primary.port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	sentinel.args = []string{conf, "--sentinel", "--port", strconv.Itoa(sentinel.port), "--bind", "127.0.0.1", "--dir", sentinel.dir}
	if err := sentinel.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(sentinel.Kill)
	s.Sentinel = sentinel

	c := redis.NewSentinelClient(&redis.Options{Addr: sentinel.Addr})
	defer func() { _ = c.Close() }()
	err = sentinel.process.Ready(func(ctx context.Context) error {
		replicas, err := c.Replicas(ctx, s.Name).Result()
		if err == nil && (len(replicas) != 1 || replicas[0]["flags"] != "slave") {
			err = fmt.Errorf("the sentinel does not know the replica yet: %v", replicas)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// Version is for the summary: "7.0.15".
func (s *RedisServer) Version(tb testing.TB) string {
	tb.Helper()
	c := s.Client()
	defer func() { _ = c.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	info, err := c.Info(ctx, "server").Result()
	if err != nil {
		tb.Fatal(err)
	}
	_, version, _ := strings.Cut(info, "redis_version:")
	version, _, _ = strings.Cut(version, "\r\n")
	return version
}

func init() {
	// Connections that break while a server is killed are what is being tested.
	logging.Disable()
}
