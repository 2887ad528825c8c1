package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/go-chi/httprate"
	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	throttledstore "github.com/throttled/throttled/v2/store/memstore"
	"github.com/ulule/limiter/v3"
	ululememory "github.com/ulule/limiter/v3/drivers/store/memory"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// What limiters are called in the rows.
const (
	oursGCRA      = "memstore TakeLimits, GCRA"
	oursWindow    = "memstore TakeLimits, Window"
	nameSethvargo = "sethvargo/go-limiter"
	nameUlule     = "ulule/limiter"
	nameThrottled = "throttled"
	nameHTTPRate  = "go-chi/httprate"
)

// limiterOf lets about n in period through, of each key.
type limiterOf struct {
	name string
	// make answers an asker for each goroutine, which reports whether one passes.
	make func(n int, period time.Duration) func() ask
}

type ask func(key string) bool

// limiters all have their stores in memory, with their defaults. httprate writes
// no response header, since the others do not.
var limiters = []limiterOf{
	{oursGCRA, func(n int, period time.Duration) func() ask {
		most := int(period / (100 * time.Microsecond))
		return ours(store.LimitTake{Policy: "api", GCRA: true, Limit: min(n, most), Burst: n, Period: period, Cost: 1})
	}},
	{oursWindow, func(n int, period time.Duration) func() ask {
		return ours(store.LimitTake{Policy: "login", Limit: min(n, store.MaxWindow), Period: period, Cost: 1})
	}},
	{nameSethvargo, func(n int, period time.Duration) func() ask {
		st := authn.Must(memorystore.New(&memorystore.Config{Tokens: uint64(n), Interval: period}))
		return anyone(func(key string) bool {
			_, _, _, ok, err := st.Take(context.Background(), key)
			return ok && err == nil
		})
	}},
	{nameUlule, func(n int, period time.Duration) func() ask {
		l := limiter.New(ululememory.NewStore(), limiter.Rate{Period: period, Limit: int64(n)})
		return anyone(func(key string) bool {
			c, err := l.Get(context.Background(), key)
			return !c.Reached && err == nil
		})
	}},
	{nameThrottled, func(n int, period time.Duration) func() ask {
		l := authn.Must(throttled.NewGCRARateLimiterCtx(authn.Must(throttledstore.NewCtx(0)),
			throttled.RateQuota{MaxRate: throttled.PerDuration(n, period), MaxBurst: n - 1}))
		return anyone(func(key string) bool {
			refused, _, err := l.RateLimitCtx(context.Background(), key, 1)
			return !refused && err == nil
		})
	}},
	{nameHTTPRate, func(n int, period time.Duration) func() ask {
		l := httprate.NewRateLimiter(n, period, httprate.WithResponseHeaders(httprate.ResponseHeaders{}))
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		return func() ask {
			w := sink{http.Header{}}
			return func(key string) bool { return !l.OnLimit(w, r, key) }
		}
	}},
}

// anyone may ask the same.
func anyone(a ask) func() ask { return func() ask { return a } }

func ours(take store.LimitTake) func() ask {
	st := memstore.New(memstore.Config{})
	return func() ask {
		takes, states := []store.LimitTake{take}, make([]store.LimitState, 1)
		return func(key string) bool {
			takes[0].Key = key
			if err := st.TakeLimits(context.Background(), takes, states); err != nil {
				panic(err)
			}
			return states[0].RetryIn == 0
		}
	}
}

// plenty is a limit that no row comes near.
const plenty = 1_000_000_000

// limits is one hot key that passes.
func limits() []row {
	const client = "203.0.113.7"
	floor := clockAndMap()
	hot := row{name: "limit, hot key", contenders: []contender{{"clock + locked map", func() { floor(client) }}}}
	for _, l := range limiters {
		allow := l.make(plenty, time.Hour)()
		hot.contenders = append(hot.contenders, contender{l.name, func() { allow(client) }})
	}
	hot.promises = append(faster("R14", oursGCRA, 1, nameSethvargo, nameUlule, nameThrottled, nameHTTPRate), promise{"R14", oursGCRA, "", 0})
	return []row{hot}
}

// clockAndMap is the least that a limiter in memory does.
func clockAndMap() ask {
	var mu sync.Mutex
	last, start := map[string]*time.Duration{}, time.Now()
	return func(key string) bool {
		mu.Lock()
		defer mu.Unlock()
		now := time.Since(start)
		at := last[key]
		if at == nil {
			at = new(time.Duration)
			last[key] = at
		}
		ok := now >= *at
		*at = now
		return ok
	}
}
