package integration_test

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/store/storetest"
)

// D2, D3: the contract of package store in memory, so that the summary names
// all the stores.
func TestMemStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T, offset func() time.Duration) any {
		servers.Case(t, "memstore")
		return memstore.New(memstore.Config{ClockOffset: offset})
	}, storetest.Config{})
}
