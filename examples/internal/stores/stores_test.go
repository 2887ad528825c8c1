package stores_test

import (
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/examples/internal/stores"
)

// E1: the stores that need no server open; the integration tests open the others.
func TestOpen(t *testing.T) {
	for _, at := range []string{"memory", "sqlite:" + t.TempDir() + "/authn.db", "sqlite:" + t.TempDir() + "/a?b#c%3F d.db"} {
		t.Run(at, func(t *testing.T) {
			st, closeStore, err := stores.Open(t.Context(), at)
			if err != nil {
				t.Fatal(err)
			}
			if err := st.Check(t.Context()); err != nil {
				t.Error(err)
			}
			if err := closeStore(); err != nil {
				t.Error(err)
			}
			if _, file, ok := strings.Cut(at, ":"); ok {
				if _, err := os.Stat(file); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// E1: a URL that cannot be opened says so, and no password.
func TestOpenErrors(t *testing.T) {
	for _, at := range []string{
		"", "oracle://x", "postgres://u:hunter2@127.0.0.1:1/x?connect_timeout=1", "mysql://u:hunter2@127.0.0.1:1/x",
		"mysql://u:hunter2@:%zz/", "mysql://u:hunter2@127.0.0.1:1/x?tls=no-such", "mysql://u:hunter2@127.0.0.1:1/x?loc=No%2FWhere", "redis://:hunter2@127.0.0.1:1/x", "sqlite:/no/such/folder/x.db",
	} {
		t.Run(at, func(t *testing.T) {
			_, _, err := stores.Open(t.Context(), at)
			if err == nil || !strings.HasPrefix(err.Error(), "-store: ") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("err = %v", err)
			}
		})
	}
}

// E1: the options of a mysql URL reach the driver: with tls=true no password is
// sent to a server without TLS.
func TestMySQLOptionsAreTheDrivers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			// A greeting of protocol 10 whose capabilities lack TLS.
			greeting := "\x0a8.0.0\x00" + "\x01\x00\x00\x00" + "12345678\x00" + "\x00\x82" + "\x2d" + "\x02\x00" + "\x08\x00" +
				"\x15" + strings.Repeat("\x00", 10) + "123456789012\x00" + "mysql_native_password\x00"
			_, _ = io.WriteString(c, string([]byte{byte(len(greeting)), 0, 0, 0})+greeting)
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		}
	}()
	_, _, err = stores.Open(t.Context(), "mysql://u:hunter2@"+l.Addr().String()+"/x?tls=true")
	if err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("err = %v", err)
	}
}
