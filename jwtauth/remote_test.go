package jwtauth_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// fetching is how many goroutines RemoteKeys have in this bubble: those of other
// tests may be about to end.
func fetching() (n int) {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	bubble := regexp.MustCompile(`synctest bubble \d+\]`).Find(stacks) // the first is this goroutine's
	for stack := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		if bytes.Contains(stack, bubble) && bytes.Contains(stack, []byte("created by github.com/gatehouse-go/authn/jwtauth.(*RemoteKeys)")) {
			n++
		}
	}
	return n
}

// J17, J19: the constructor makes no call, and there is a goroutine only while
// a fetch runs.
func TestRemoteKeysAreLazy(t *testing.T) {
	withRemote(t, func(r *remote) {
		time.Sleep(48 * time.Hour)
		r.wantFetches(0)
		r.slow(time.Second)
		for _, age := range []time.Duration{0, 951 * time.Second, 30 * time.Hour} {
			time.Sleep(age)
			if n := fetching(); n != 0 {
				t.Errorf("%d goroutines before a lookup", n)
			}
			go r.lookup("a")
			synctest.Wait()
			if n := fetching(); n != 1 {
				t.Errorf("%d goroutines while a fetch runs", n)
			}
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if n := fetching(); n != 0 {
			t.Errorf("%d goroutines after a fetch", n)
		}
		r.wantFetches(3)
		r.wantEvents()
	})
}

// J17: a thousand first lookups share one fetch.
func TestFirstLookupsShareOneFetch(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.slow(3 * time.Second)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() { r.want("a", found, 3*time.Second) })
		}
		wg.Wait()
		r.wantFetches(1)
	})
}

// J17: one that saw no keys, and comes late, finds those that another has
// fetched meanwhile.
func TestLateFirstLookupFetchesNothing(t *testing.T) {
	withRemote(t, func(r *remote) {
		var late atomic.Bool
		var keys *jwtauth.RemoteKeys
		keys, err := jwtauth.NewRemoteKeys("https://idp.example", jwtauth.RemoteConfig{Transport: r.source, Now: func() time.Time {
			if late.CompareAndSwap(false, true) { // between the look at the set and the lock
				go func() { _, _ = keys.VerificationKey(context.Background(), "a") }()
				time.Sleep(time.Second)
			}
			return time.Now()
		}})
		if err != nil {
			t.Fatal(err)
		}
		r.keys = keys
		r.want("a", found, time.Second)
		r.wantFetches(1)
	})
}

// J17: a lookup within 80 % of the lifetime fetches nothing; one after 95 %
// has the set fetched, and is answered at once from the old one.
func TestRefreshIsAheadOfExpiryAndInTheBackground(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.want("a", found, 0)
		time.Sleep(799 * time.Second)
		r.want("a", found, 0)
		r.wantFetches(1)
		r.slow(3 * time.Second)
		r.has(remoteJWK("b"))
		time.Sleep(151 * time.Second)
		for range 100 {
			r.want("a", found, 0)
		}
		r.wantFetches(2)
		time.Sleep(3 * time.Second)
		r.want("b", found, 0)
		r.slow(0)
		r.want("a", unknown, 0)
	})
}

// J17: nobody is served from a set beyond its lifetime while the source can be
// asked: a key that it has withdrawn is not good for one request more.
func TestLookupBeyondTheLifetimeWaits(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.want("a", found, 0)
		r.has(remoteJWK("b"))
		r.slow(2 * time.Second)
		time.Sleep(1000 * time.Second)
		r.want("a", unknown, 2*time.Second)
		r.want("b", found, 0)
		r.wantFetches(2)
	})
}

// J17, J19: a lookup beyond the lifetime waits for a source that hangs once,
// for 10 s, and no later lookup does: the old key serves.
func TestOnlyTheFirstWaitsForASourceThatHangs(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.want("a", found, 0)
		r.slow(time.Hour)
		time.Sleep(1000 * time.Second)
		r.want("a", found, 10*time.Second)
		for range 100 {
			r.want("a", found, 0)
			time.Sleep(10 * time.Second)
		}
		r.wantEvents(authn.EventOutage)
	})
}

// J17: a fetch is not of the request that started it: neither its end nor its
// values.
func TestFetchHasAContextOfItsOwn(t *testing.T) {
	withRemote(t, func(r *remote) {
		type ctxKey struct{}
		r.slow(3 * time.Second)
		ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), ctxKey{}, "v"), time.Second)
		defer cancel()
		start := time.Now()
		_, err := r.keys.VerificationKey(ctx, "a")
		if !errors.Is(err, context.DeadlineExceeded) || authn.AsError(err).Status != http.StatusServiceUnavailable || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if r.context().Value(ctxKey{}) != nil {
			t.Error("the fetch has the request's values")
		}
		r.want("a", found, 2*time.Second)
		r.wantFetches(1)
		r.wantEvents()
		if r.context().Err() == nil {
			t.Error("its context lives on")
		}
	})
}

// J17: a fetch leaves no body open, whatever was answered.
func TestFetchClosesTheBody(t *testing.T) {
	for _, status := range []int{200, 302, 404} {
		body := &closing{Reader: strings.NewReader(remoteSet(remoteJWK("a")))}
		keys, err := jwtauth.NewRemoteKeys("https://idp.example", jwtauth.RemoteConfig{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Body: body}, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keys.VerificationKey(t.Context(), "a"); (err == nil) != (status == 200) {
			t.Errorf("%d: %v", status, err)
		}
		if err := keys.Close(t.Context()); err != nil || !body.closed {
			t.Errorf("%d: closed: %v, %v", status, body.closed, err)
		}
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

// J17: Close ends a fetch and waits for it; all lookups after it are outages
// that ask nobody.
func TestCloseEndsAFetch(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.slow(time.Hour)
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { r.want("a", outage, time.Second) })
		}
		time.Sleep(time.Second)
		start := time.Now()
		if err := r.keys.Close(context.Background()); err != nil || time.Since(start) != 0 {
			t.Errorf("Close: %v after %v", err, time.Since(start))
		}
		wg.Wait()
		synctest.Wait()
		if n := fetching(); n != 0 {
			t.Errorf("%d goroutines after Close", n)
		}
		r.want("a", outage, 0)
		r.want("", outage, 0)
		r.wantFetches(1)
		r.wantEvents()
	})
}

// J17: after Close, keys that were good serve no longer.
func TestClosedRemoteKeysServeNothing(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.want("a", found, 0)
		for range 2 {
			if err := r.keys.Close(context.Background()); err != nil {
				t.Error(err)
			}
			r.want("a", outage, 0)
		}
		time.Sleep(48 * time.Hour)
		r.want("a", outage, 0)
		r.wantFetches(1)
	})
}

// J17: a Transport that hears nothing holds Close no longer than its context.
func TestCloseObeysItsContext(t *testing.T) {
	withRemote(t, func(r *remote) {
		release := make(chan struct{})
		deaf, err := jwtauth.NewRemoteKeys("https://idp.example", jwtauth.RemoteConfig{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			<-release
			return nil, errSource
		})})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = deaf.VerificationKey(context.Background(), "a") })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := deaf.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		close(release)
		if err := deaf.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
		wg.Wait()
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// J16: a kid may be left out where there is one key, and only there; that
// fetches nothing.
func TestKidMayBeLeftOutForTheOnlyKey(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.want("", found, 0)
		r.has(remoteJWK("a"), remoteJWK("b"))
		time.Sleep(1000 * time.Second)
		for range 10 {
			r.want("", unknown, 0)
		}
		r.wantFetches(2)
		r.has(strings.Replace(remoteJWK("a"), `"kid":"a",`, "", 1))
		time.Sleep(1000 * time.Second)
		r.want("", found, 0)
	})
}

// J16: keys that cannot be used are warned of once, and again when they are
// others.
func TestSkippedKeysAreWarnedOfOnce(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.has(remoteJWK("a"), `{"kty":"oct","kid":"secret","alg":"HS256","k":"AAAA"}`)
		r.want("a", found, 0)
		for range 3 {
			time.Sleep(1000 * time.Second)
			r.want("a", found, 0)
		}
		r.wantFetches(4)
		r.wantEvents(authn.EventWarning)
		if err := r.events.Events()[0].Err.Error(); !strings.Contains(err, `"secret"`) || strings.Contains(err, "AAAA") {
			t.Errorf("the warning says %q", err)
		}
		r.has(remoteJWK("a"))
		time.Sleep(1000 * time.Second)
		r.want("a", found, 0)
		r.wantEvents(authn.EventWarning)
		r.has(remoteJWK("a"), `7`)
		time.Sleep(1000 * time.Second)
		r.want("a", found, 0)
		r.wantEvents(authn.EventWarning, authn.EventWarning)
	})
}

// J17: a fetch runs in no request, so that a panic of the host's code would
// end the process. It is a failed fetch instead, or an event that is lost.
func TestPanicsOfTheHostEndNoProcess(t *testing.T) {
	withRemote(t, func(r *remote) {
		panics := true
		keys, err := jwtauth.NewRemoteKeys("https://idp.example", jwtauth.RemoteConfig{
			Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
				if panics {
					panic("transport")
				}
				return r.RoundTrip(req)
			}),
			OnEvent: func(context.Context, authn.Event) { panic("event") },
		})
		if err != nil {
			t.Fatal(err)
		}
		r.keys = keys
		r.want("a", outage, 0)
		panics = false
		time.Sleep(time.Second)
		r.want("a", found, 0)
	})
}

// J17: lookups, refreshes and Close at the same time, for the race detector.
func TestRemoteKeysInParallel(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.cacheControl = "no-cache"
		r.slow(time.Second)
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				for j := range 100 {
					if (i+j)%5 == 0 {
						r.lookup("made-up")
					} else if got := r.lookup("a"); got != found {
						t.Errorf("a good key: %s", got)
					}
					time.Sleep(time.Duration(i+1) * time.Second)
				}
			})
		}
		wg.Wait()
		for range 10 {
			wg.Go(func() { r.lookup("made-up") })
			wg.Go(func() { _ = r.keys.Close(context.Background()) })
		}
		wg.Wait()
		r.want("a", outage, 0)
	})
}

// J18: a lookup of a good key costs no allocation and no lock.
func TestLookupCostsNoAllocation(t *testing.T) {
	keys, err := jwtauth.NewRemoteKeys("https://idp.example", jwtauth.RemoteConfig{Transport: &source{body: remoteSet(remoteJWK("a"))}})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, kid := range []string{"a", ""} {
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := keys.VerificationKey(ctx, kid); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%q: %v allocations", kid, n)
		}
	}
	if err := keys.Close(ctx); err != nil {
		t.Error(err)
	}
}
