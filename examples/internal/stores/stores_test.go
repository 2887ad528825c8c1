package stores_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/examples/internal/stores"
)

// E1: the stores that need no server open; the integration tests open the others.
func TestOpen(t *testing.T) {
	for _, at := range []string{"memory", "sqlite:" + t.TempDir() + "/authn.db"} {
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
		})
	}
}

// E1: a URL that cannot be opened says so, and no password.
func TestOpenErrors(t *testing.T) {
	for _, at := range []string{
		"", "oracle://x", "postgres://u:hunter2@127.0.0.1:1/x?connect_timeout=1", "mysql://u:hunter2@127.0.0.1:1/x",
		"mysql://u:hunter2@:%zz/", "redis://:hunter2@127.0.0.1:1/x", "sqlite:/no/such/folder/x.db",
	} {
		t.Run(at, func(t *testing.T) {
			_, _, err := stores.Open(t.Context(), at)
			if err == nil || !strings.HasPrefix(err.Error(), "-store: ") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("err = %v", err)
			}
		})
	}
}
