package integration_test

import (
	"os"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/integration/servers"
)

// patience is how long is waited for what must happen, however busy the machine
// is: only a failure takes it.
const patience = 10 * time.Minute

func TestMain(m *testing.M) {
	os.Exit(servers.Main(m))
}
