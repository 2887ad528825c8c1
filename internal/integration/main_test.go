package integration_test

import (
	"os"
	"testing"

	"github.com/gatehouse-go/authn/internal/integration/servers"
)

func TestMain(m *testing.M) {
	os.Exit(servers.Main(m))
}
