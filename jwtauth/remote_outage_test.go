package jwtauth_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// J19: a source that is down at the start is asked again after 1 s, 2 s, and so
// on to 30 s; in between, lookups fail at once with its last error. When it is
// up, they recover by themselves.
func TestSourceThatIsDownAtTheStart(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.fails(errSource)
		for i, wait := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30} {
			r.want("a", outage, 0)
			r.wantFetches(i + 1)
			time.Sleep(wait*time.Second - 1)
			_, err := r.keys.VerificationKey(context.Background(), "a")
			if !errors.Is(err, errSource) || !strings.Contains(err.Error(), "idp.example") {
				t.Errorf("%v, want the source's last error and its host", err)
			}
			r.wantFetches(i + 1)
			time.Sleep(time.Nanosecond)
		}
		r.wantEvents(authn.EventOutage)
		r.has(remoteJWK("a"))
		r.want("a", found, 0)
		r.wantEvents(authn.EventOutage, authn.EventRecovered)

		r.fails(errSource) // a later outage begins with 1 s again
		time.Sleep(48 * time.Hour)
		r.want("a", outage, 0)
		r.has(remoteJWK("a"))
		time.Sleep(time.Second)
		r.want("a", found, 0)
	})
}

// J16: a source that hangs is given up after 10 s.
func TestFetchTimesOut(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.slow(time.Hour)
		r.want("a", outage, 10*time.Second)
		r.slow(0)
		time.Sleep(time.Second)
		r.want("a", found, 0)
	})
}

// J19: when the source is down, old keys serve for MaxStale beyond their
// lifetime, then it is an outage; then it recovers by itself.
func TestOldKeysServeUpToMaxStale(t *testing.T) {
	withRemote(t, func(r *remote) {
		r.want("a", found, 0)
		r.fails(errSource)
		end := time.Now().Add(1000*time.Second + 24*time.Hour)
		for time.Until(end) > time.Hour {
			r.want("a", found, 0)
			time.Sleep(time.Hour)
		}
		time.Sleep(time.Until(end) - 1)
		r.want("a", found, 0)
		r.wantEvents(authn.EventOutage)
		time.Sleep(time.Nanosecond)
		r.want("a", outage, 0)
		time.Sleep(30 * time.Second)
		r.want("a", outage, 0)
		r.has(remoteJWK("b"))
		time.Sleep(30 * time.Second)
		r.want("b", found, 0)
		r.want("a", unknown, 0)
		r.wantEvents(authn.EventOutage, authn.EventRecovered)
	})
}

// J19: also when nobody asked in the meantime.
func TestOldKeysDoNotServeAfterALongSilence(t *testing.T) {
	for _, tt := range []struct {
		silence time.Duration
		want    string
	}{
		{1000*time.Second + 24*time.Hour - 1, found},
		{1000*time.Second + 24*time.Hour, outage},
	} {
		withRemote(t, func(r *remote) {
			r.want("a", found, 0)
			r.fails(errSource)
			time.Sleep(tt.silence)
			r.want("a", tt.want, 0)
			r.wantFetches(2)
		})
	}
}

// J19: MaxStale counts from the end of a lifetime, and is over in the middle of
// the fetch if it must be.
func TestMaxStaleIsConfigured(t *testing.T) {
	withRemote(t, func(r *remote) {
		keys, err := jwtauth.NewRemoteKeys("https://idp.example", jwtauth.RemoteConfig{Transport: r.source, MaxStale: 5 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		r.keys = keys
		r.want("a", found, 0)
		r.slow(time.Hour)
		time.Sleep(1000*time.Second - 1)
		r.want("a", found, 0)
		time.Sleep(time.Nanosecond)
		r.want("a", outage, 10*time.Second-1)
	})
	if _, err := jwtauth.NewRemoteKeys("https://idp.example", jwtauth.RemoteConfig{MaxStale: -1}); err == nil {
		t.Error("a negative MaxStale is taken")
	}
}

// J16: a set without a usable key is a failed refresh that keeps the old set.
func TestSetWithoutUsableKeysKeepsTheOldOne(t *testing.T) {
	for _, body := range []string{
		remoteSet(),
		remoteSet(strings.Replace(remoteJWK("a"), `"kty"`, `"use":"enc","kty"`, 1)),
		remoteSet(`{"kty":"oct","kid":"a","alg":"HS256","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}`),
		`<!doctype html><title>Maintenance</title>`,
		``,
	} {
		withRemote(t, func(r *remote) {
			r.want("a", found, 0)
			good := r.body
			r.body = body
			time.Sleep(1000 * time.Second)
			for range 10 {
				r.want("a", found, 0)
				r.wantEvents(authn.EventOutage)
			}
			r.body = good
			time.Sleep(30 * time.Second)
			r.want("a", found, 0)
			r.wantFetches(3)
			r.wantEvents(authn.EventOutage, authn.EventRecovered)
		})
	}
}
