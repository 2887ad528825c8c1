package jwtauth

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// J17: the lifetime is that of Cache-Control, less Age, within bounds
// (RFC 9111 §4.2, 5.2.2).
func TestLifetime(t *testing.T) {
	const day = 24 * time.Hour
	tests := []struct {
		cacheControl []string
		age          string
		want         time.Duration
	}{
		{nil, "", 10 * time.Minute},
		{nil, "5", 10 * time.Minute},
		{[]string{""}, "", 10 * time.Minute},
		{[]string{"public"}, "", 10 * time.Minute},
		{[]string{"s-maxage=3600"}, "", 10 * time.Minute},
		{[]string{"xmax-age=3600"}, "", 10 * time.Minute},
		{[]string{"max-age=3600"}, "", time.Hour},
		{[]string{"public, max-age=3600, must-revalidate, no-transform"}, "", time.Hour},
		{[]string{"public", "max-age=3600"}, "", time.Hour},
		{[]string{" MAX-AGE=3600 ,, "}, "", time.Hour},
		{[]string{`max-age="3600"`}, "", time.Hour},
		{[]string{"max-age=3600, s-maxage=60"}, "", time.Hour},
		{[]string{"max-age=3600, max-age=7200"}, "", time.Hour},
		{[]string{"max-age=3600"}, "600", 50 * time.Minute},
		{[]string{"max-age=3600"}, "3541", time.Minute},
		{[]string{"max-age=3600"}, "99999999999999999999", time.Minute},
		{[]string{"max-age=3600"}, "-600", time.Hour},
		{[]string{"max-age=3600"}, "soon", time.Hour},
		{[]string{"max-age=60"}, "", time.Minute},
		{[]string{"max-age=61"}, "", 61 * time.Second},
		{[]string{"max-age=59"}, "", time.Minute},
		{[]string{"max-age=0"}, "", time.Minute},
		{[]string{"max-age=-1"}, "", time.Minute},
		{[]string{"max-age"}, "", time.Minute},
		{[]string{"max-age="}, "", time.Minute},
		{[]string{"max-age=1h"}, "", time.Minute},
		{[]string{"max-age=3600.5"}, "", time.Minute},
		{[]string{"max-age=0x999"}, "", time.Minute},
		{[]string{"max-age=+3600"}, "", time.Minute},
		{[]string{"max-age=86400"}, "", day},
		{[]string{"max-age=86401"}, "", day},
		{[]string{"max-age=31536000"}, "", day},
		{[]string{"max-age=9223372036854775807"}, "", day},
		{[]string{"max-age=99999999999999999999"}, "", day},
		{[]string{"no-store"}, "", time.Minute},
		{[]string{"no-cache"}, "", time.Minute},
		{[]string{"max-age=3600, no-store"}, "", time.Minute},
		{[]string{"max-age=3600", "No-Cache"}, "", time.Minute},
	}
	for _, tt := range tests {
		h := http.Header{}
		if tt.cacheControl != nil {
			h["Cache-Control"] = tt.cacheControl
		}
		if tt.age != "" {
			h.Set("Age", tt.age)
		}
		if got := lifetime(h); got != tt.want {
			t.Errorf("%q, Age %q: %v, want %v", tt.cacheControl, tt.age, got, tt.want)
		}
	}
}

const (
	remoteKeyA = `{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}` // RFC 8037 §A.2
	remoteKeyB = `{"kty":"EC","crv":"P-256","kid":"b","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
)

// answering is a Transport that answers what it points to.
type answering struct {
	body *string
	err  *error
}

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	if *a.err != nil {
		return nil, *a.err
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Cache-Control": {"max-age=1000"}}, Body: io.NopCloser(strings.NewReader(*a.body)),
	}, nil
}

// J17: what is due at the same time in many instances is not fetched at the
// same time: each has a time of its own, from 80 to 95 % of the lifetime.
func TestRefreshesAreSpread(t *testing.T) {
	k, err := NewRemoteKeys("https://idp.example", RemoteConfig{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	earliest, latest := time.Hour, time.Duration(0)
	for range 1000 {
		set := k.renewed(fetched{lifetime: 1000 * time.Second}, now)
		due := set.due.Sub(now)
		if due < 800*time.Second || due > 950*time.Second {
			t.Fatalf("due after %v", due)
		}
		earliest, latest = min(earliest, due), max(latest, due)
	}
	if latest-earliest < 100*time.Second {
		t.Errorf("due from %v to %v", earliest, latest)
	}
}

// J17: lookups that find a refresh due at the same time start one between
// them, those that come late none, and after Close there is none.
func TestRefreshStartsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		k, err := NewRemoteKeys("https://idp.example", RemoteConfig{Transport: counting{&asked}})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		for _, want := range []int{1, 2} {
			k.refresh(now)
			k.refresh(now)
			synctest.Wait()
			time.Sleep(time.Second)
			if synctest.Wait(); asked != want {
				t.Errorf("%d fetches, want %d", asked, want)
			}
			k.refresh(now)
			if synctest.Wait(); asked != want {
				t.Errorf("%d fetches by a late lookup, want %d", asked, want)
			}
			time.Sleep(1000 * time.Second)
			now = time.Now()
		}
		if err := k.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		k.refresh(now)
		if synctest.Wait(); asked != 2 {
			t.Error("a fetch after Close")
		}
	})
}

// counting is a Transport that counts, and takes a second to answer.
type counting struct{ asked *int }

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	*c.asked++
	time.Sleep(time.Second)
	body, down := `{"keys":[`+remoteKeyA+`]}`, error(nil)
	return answering{&body, &down}.RoundTrip(r)
}

// J16: whatever the bytes are, what is read of them is a bounded set of public
// keys, each under its own kid, and all of them are in what encoding/json reads.
func FuzzParseJWKSet(f *testing.F) {
	f.Add([]byte(`{"keys":[` + remoteKeyA + `,` + remoteKeyB + `]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		keys, skipped, err := parseJWKSet(body)
		if (err == nil) != (len(keys) > 0) || len(keys) > maxSetKeys || len(skipped) > 8<<10 {
			t.Fatalf("%d keys, skipped %q, %v", len(keys), skipped, err)
		}
		if err != nil {
			return
		}
		var slow map[string][]json.RawMessage
		_ = json.Unmarshal(body, &slow) // other members are of other types
		times := map[string]int{}
		for _, raw := range slow["keys"] {
			var members map[string]any
			_ = json.Unmarshal(raw, &members)
			kid, _ := members["kid"].(string)
			times[kid]++
		}
		for kid, key := range keys {
			if key.isZero() || key.canSign() || key.Public() == nil || key.Algorithm().symmetric() || key.ID() != kid || times[kid] == 0 {
				t.Errorf("%q: %v, %d times there", kid, key, times[kid])
			}
		}
	})
}
