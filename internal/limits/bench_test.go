package limits_test

import (
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/limits"
	"github.com/gatehouse-go/authn/store"
)

// api is a quota that is never used up.
func api(key string) store.LimitTake {
	return store.LimitTake{Policy: "api", Key: key, GCRA: true, Limit: 600_000, Burst: 1_000_000_000, Period: time.Minute, Cost: 1}
}

// R14: one hot key, and the floor: a clock and a locked map.
func BenchmarkHotKey(b *testing.B) {
	const key = "203.0.113.7"
	b.Run("floor", func(b *testing.B) {
		var mu sync.Mutex
		arrivals := map[string]time.Duration{key: 0}
		start := time.Now()
		for b.Loop() {
			mu.Lock()
			arrivals[key] = max(arrivals[key], time.Since(start)) + 1
			mu.Unlock()
		}
	})
	for name, take := range map[string]store.LimitTake{"GCRA": api(key), "window": window(5, key)} {
		b.Run(name, func(b *testing.B) {
			table := limits.New(100_000, nil)
			takes, states := []store.LimitTake{take}, make([]store.LimitState, 1)
			b.ReportAllocs()
			for b.Loop() {
				if err := table.TakeLimits(b.Context(), takes, states); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// R14: 100 000 keys.
func BenchmarkManyKeys(b *testing.B) {
	const many = 100_000
	keys := make([]string, many)
	for i := range keys {
		keys[i] = "client " + strconv.Itoa(i)
	}
	table := limits.New(many, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		states := make([]store.LimitState, 1)
		takes := make([]store.LimitTake, 1)
		for i := 0; pb.Next(); i++ {
			takes[0] = api(keys[i*7919%many])
			if err := table.TakeLimits(b.Context(), takes, states); err != nil {
				b.Error(err)
			}
		}
	})
}

// R5: a new key of a full table.
func BenchmarkFlood(b *testing.B) {
	const most = 100_000
	table := limits.New(most, nil)
	takes, states := make([]store.LimitTake, 1), make([]store.LimitState, 1)
	n := 0
	one := func() {
		n++
		takes[0] = api("client " + strconv.Itoa(n))
		takes[0].Limit = 10 // so that none is as new
		if err := table.TakeLimits(b.Context(), takes, states); err != nil {
			b.Fatal(err)
		}
	}
	for range most {
		one()
	}
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}
