package storetest_test

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/store/storetest"
)

// All that a store's own test needs.
func ExampleRun() {
	TestContract := func(t *testing.T) {
		storetest.Run(t, func(t *testing.T, offset func() time.Duration) any {
			return memstore.New(memstore.Config{ClockOffset: offset})
		}, storetest.Config{})
	}
	_ = TestContract
}
