package jwtauth_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
)

// J18: 10 000 tokens with made-up kids cost at most one fetch in 30 s, of which
// good tokens notice nothing.
func TestMadeUpKidsCostOneFetchIn30Seconds(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.cacheControl = "max-age=86400"
		r.slow(time.Second)
		r.want("a", found, time.Second)
		var wg sync.WaitGroup
		for i := range 10_000 {
			wg.Go(func() {
				if got := r.lookup(fmt.Sprint("made-up", i)); got != unknown {
					t.Errorf("a made-up kid: %s", got)
				}
			})
			if i%10 == 0 {
				r.want("a", found, 0)
				time.Sleep(300 * time.Millisecond) // 5 minutes in all
			}
		}
		wg.Wait()
		fetches := r.asked[1:]
		if len(fetches) != 10 {
			t.Errorf("%d fetches, want 10", len(fetches))
		}
		for i := 1; i < len(fetches); i++ {
			if gap := fetches[i].Sub(fetches[i-1]); gap < 30*time.Second {
				t.Errorf("two fetches within %v", gap)
			}
		}
		r.wantEvents()
	})
}

// J18: that holds from the start, when made-up kids cause the first fetch.
func TestMadeUpKidsAtTheStartCostOneFetch(t *testing.T) {
	withRemote(t, func(r *remote) {
		for i := range 1000 {
			r.want(fmt.Sprint("made-up", i), unknown, 0)
		}
		r.wantFetches(1)
		r.want("a", found, 0)
		time.Sleep(30 * time.Second)
		r.want("made-up", unknown, 0)
		r.wantFetches(2)
	})
}

// J18: a new key is found at its first use; if somebody has spent that refresh,
// within 30 s.
func TestNewKeysAreFound(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.want("a", found, 0)
		r.has(remoteJWK("a"), remoteJWK("b"))
		r.want("b", found, 0)
		r.has(remoteJWK("a"), remoteJWK("b"), remoteJWK("c"))
		time.Sleep(30*time.Second - time.Nanosecond)
		r.want("c", unknown, 0)
		r.wantFetches(2)
		time.Sleep(time.Nanosecond)
		r.want("c", found, 0)
		r.wantFetches(3)
	})
}

// J18: all who come with a new key while it is being fetched share that.
func TestLookupsOfANewKeyShareOneFetch(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.want("a", found, 0)
		r.has(remoteJWK("a"), remoteJWK("b"))
		r.slow(2 * time.Second)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() { r.want("b", found, 2*time.Second) })
			wg.Go(func() { r.want("a", found, 0) })
		}
		wg.Wait()
		r.wantFetches(2)
	})
}

// J18: who joins a fetch that a good token began has had the one of 30 s.
func TestUnknownKidsJoinARefresh(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.want("a", found, 0)
		r.slow(2 * time.Second)
		time.Sleep(951 * time.Second)
		r.want("a", found, 0)
		r.want("made-up", unknown, 2*time.Second)
		r.want("made-up", unknown, 0)
		r.wantFetches(2)
	})
}

// J18: a scheduled refresh keeps nobody from asking for a new key right after it.
func TestRefreshDoesNotDelayNewKeys(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.want("a", found, 0)
		time.Sleep(951 * time.Second)
		r.want("a", found, 0)
		r.wantFetches(2)
		r.has(remoteJWK("a"), remoteJWK("b"))
		r.want("b", found, 0)
		r.wantFetches(3)
	})
}

// J18: looking up a known kid, however often and whatever the signature is
// worth, fetches nothing.
func TestKnownKidsAreNotFetchedAgain(t *testing.T) {
	withRemote(t, func(r *remote) {
		for range 10_000 {
			r.want("a", found, 0)
		}
		time.Sleep(799 * time.Second)
		r.want("a", found, 0)
		r.wantFetches(1)
	})
}

// J18, J19: an unknown kid may be a new key of a source that is down: it is an
// outage, and not a bad token. One lookup in 30 s waits for it.
func TestUnknownKidIsAnOutageWhileTheSourceIsDown(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.want("a", found, 0)
		r.fails(errSource)
		r.slow(2 * time.Second)
		r.want("b", outage, 2*time.Second)
		for range 100 {
			r.want("b", outage, 0)
			r.want("a", found, 0)
		}
		time.Sleep(30*time.Second - time.Nanosecond)
		r.want("b", outage, 0)
		r.wantFetches(2)
		time.Sleep(time.Nanosecond)
		r.want("a", found, 0) // a retry begins
		r.want("b", outage, 0)
		r.wantFetches(3)
		r.has(remoteJWK("a"), remoteJWK("b"))
		time.Sleep(2 * time.Second)
		r.wantFetches(3)
		r.want("b", found, 0)
		r.wantEvents(authn.EventOutage, authn.EventRecovered)
		r.slow(0)
		r.want("c", unknown, 0)
	})
}

// J18: while the source is down, too, made-up kids and good tokens together
// cost one fetch in 30 s.
func TestMadeUpKidsWhileTheSourceIsDown(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.want("a", found, 0)
		r.fails(errSource)
		for range 600 {
			r.want("made-up", outage, 0)
			r.want("a", found, 0)
			time.Sleep(time.Second)
		}
		r.wantFetches(1 + 20)
	})
}
