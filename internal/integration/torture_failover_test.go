package integration_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// D8, D10: while a PostgreSQL dies with its disk, and its synchronous standby takes
// over, nothing that was acknowledged is lost or doubled, and all is as if the
// calls had come one after the other.
//
// The standby must be synchronous: of another one PostgreSQL acknowledges what it
// has not. And callers are patient: who gives up while the primary waits for the
// standby has it commit for itself, and show others what a failover may lose. Redis
// does so always, so that this test is of PostgreSQL alone: what Redis keeps by
// Config.Wait shows TestRedisSentinelFailover.
func TestTortureFailover(t *testing.T) {
	primary := servers.OwnPostgreSQL(t)
	standby, err := servers.OwnPostgreSQLStandby(t, primary)
	wantErr(t, err, nil)
	there := func(p *tortureProxy) string {
		return strings.Replace(primary.DSN(""), strconv.Itoa(primary.Port()), strconv.Itoa(p.port()), 1)
	}
	ours, theirs := startTortureProxy(t, primary.Port()), startTortureProxy(t, primary.Port())
	direct := newStore(t, openDB(t, primary.Driver, there(ours)), sqlstore.PostgreSQL, sqlstore.Config{})
	wantErr(t, direct.Open(t.Context()), nil)
	callers, faults := tortureCallers(t, "pooled SQL", primary.Driver, there(theirs), "", strconv.Itoa(int(sqlstore.PostgreSQL)))
	point := func(port int) {
		ours.point(port)
		theirs.point(port)
	}
	faults = append(faults, tortureFault{"failed over", func() error {
		err := primary.Destroy()
		point(0) // processes of the old primary may live on for a moment, and read
		if err = errors.Join(err, standby.Promote()); err != nil {
			return err
		}
		primary = standby
		point(primary.Port())
		standby, err = servers.OwnPostgreSQLStandby(t, primary)
		return err
	}})
	torture(t, "failover", tortureBackend{direct: direct, callers: callers, faults: faults, patient: true})
}
