package memstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// D3, R5: MaxKeys bounds limits. Who is refused stays refused, and the new ones
// share a counter.
func TestMaxKeys(t *testing.T) {
	s := memstore.New(memstore.Config{MaxKeys: 10})
	passes := func(key string) bool {
		t.Helper()
		states := make([]store.LimitState, 1)
		take := store.LimitTake{Policy: "ip", Key: key, Limit: 1, Period: time.Hour, Cost: 1}
		want(t, s.TakeLimits(t.Context(), []store.LimitTake{take}, states), nil, "TakeLimits")
		return states[0].RetryIn == 0
	}
	for i := range 10 {
		if !passes(fmt.Sprint(i)) {
			t.Errorf("key %d is refused", i)
		}
	}
	if !passes("new") || passes("newer") {
		t.Error("new keys do not share a counter")
	}
	for i := range 10 {
		if passes(fmt.Sprint(i)) {
			t.Errorf("key %d was evicted", i)
		}
	}
}
