//go:build !race

// What options change is SQL and its answers, and no goroutine: to look for races
// once more would only take minutes.

package integration_test

import (
	"testing"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// D4: the same with the options of drivers that change what they answer.
func TestSQLStoreKeepsTheContractWithAnyOptions(t *testing.T) {
	for _, b := range []sqlBackend{
		// As for PgBouncer.
		{"PostgreSQL, unprepared", sqlstore.PostgreSQL, servers.PostgreSQL, "default_query_exec_mode=simple_protocol&timezone=Asia/Kolkata"},
		{"MariaDB, other options", sqlstore.MySQL, servers.MariaDB, "clientFoundRows=true&parseTime=true&loc=America%2FNew_York&interpolateParams=true&sql_mode=%27%27&time_zone=%27%2B05:30%27"},
		{"SQLite, no options", sqlstore.SQLite, nil, "_busy_timeout=0&_synchronous=OFF"},
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			keepsTheContract(t, b, b.name)
		})
	}
}
