package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// D1: a digest is a type of its own, and prints and parses as hex.
func TestDigestIsHex(t *testing.T) {
	d := store.DigestOf("abc") // FIPS 180-4, appendix B.1
	const hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if d.String() != hex {
		t.Errorf("DigestOf(abc) = %s", d)
	}
	var back store.Digest
	if err := json.Unmarshal(authn.Must(json.Marshal(d)), &back); err != nil || back != d {
		t.Errorf("JSON: %s, %v", back, err)
	}
	if upper, err := store.ParseDigest(strings.ToUpper(hex)); err != nil || upper != d {
		t.Errorf("upper case: %v", err)
	}
	for _, bad := range []string{"", hex[1:], hex + "00", "zz" + hex[2:], strings.Repeat("é", 32)} {
		if _, err := store.ParseDigest(bad); err == nil || !strings.HasPrefix(err.Error(), "authn/store: ") {
			t.Errorf("ParseDigest(%q): %v", bad, err)
		}
	}
	if err := json.Unmarshal([]byte(`"x"`), &back); err == nil {
		t.Error("JSON of no digest is read")
	}
	long := strings.Repeat("x", 1000)
	if store.DigestOf(long) == store.DigestOf(long+"x") {
		t.Error("long secrets are cut")
	}
}

// D1: the sentinels answer for themselves.
func TestSentinelsHaveTheirAnswers(t *testing.T) {
	tests := []struct {
		err    error
		status int
		code   string
	}{
		{store.ErrNotFound, 404, "not_found"},
		{store.ErrExists, 409, "exists"},
		{store.ErrConflict, 409, "conflict"},
		{store.ErrLimit, 409, "limit_reached"},
		{store.ErrFull, 503, "unavailable"},
	}
	for i, tt := range tests {
		if e := authn.AsError(tt.err); e.Status != tt.status || e.Code != tt.code {
			t.Errorf("%v: %d %s", tt.err, e.Status, e.Code)
		}
		for j, other := range tests {
			if errors.Is(tt.err, other.err) != (i == j) {
				t.Errorf("%v is %v", tt.err, other.err)
			}
		}
	}
}

// D1: pages have bounds.
func TestPageSize(t *testing.T) {
	for limit, want := range map[int]int{-1: 100, 0: 100, 1: 1, 1000: 1000, 1001: 1000} {
		if got := (store.Page{Limit: limit}).Size(); got != want {
			t.Errorf("Limit %d: %d, want %d", limit, got, want)
		}
	}
}

// D1: a key ends by the earlier of two ends, exactly, and never lives again.
func TestAPIKeyLive(t *testing.T) {
	at := func(d time.Duration) time.Time { return made.Add(d) }
	tests := []struct {
		name   string
		key    store.APIKey
		maxAge time.Duration
		ends   time.Time
	}{
		{"endless", store.APIKey{CreatedAt: made}, 0, time.Time{}},
		{"by age", store.APIKey{CreatedAt: made}, time.Hour, at(time.Hour)},
		{"by date", store.APIKey{CreatedAt: made, ExpiresAt: at(time.Minute)}, 0, at(time.Minute)},
		{"date first", store.APIKey{CreatedAt: made, ExpiresAt: at(time.Minute)}, time.Hour, at(time.Minute)},
		{"age first", store.APIKey{CreatedAt: made, ExpiresAt: at(time.Hour)}, time.Minute, at(time.Minute)},
	}
	for _, tt := range tests {
		if got := tt.key.EndsAt(tt.maxAge); !got.Equal(tt.ends) {
			t.Errorf("%s ends at %v, want %v", tt.name, got, tt.ends)
		}
		if tt.ends.IsZero() {
			if !tt.key.Live(tt.maxAge, at(1e6*time.Hour)) {
				t.Errorf("%s has ended", tt.name)
			}
			continue
		}
		if !tt.key.Live(tt.maxAge, tt.ends.Add(-1)) || tt.key.Live(tt.maxAge, tt.ends) {
			t.Errorf("%s: the end is not exact", tt.name)
		}
	}
	if (store.APIKey{CreatedAt: made, RevokedAt: at(time.Hour)}).Live(0, made) {
		t.Error("a revoked key lives before its revocation: clocks differ")
	}
}

// K7: who caches asks whether it may.
func TestInTx(t *testing.T) {
	ctx := context.Background()
	if store.InTx(ctx) || !store.InTx(store.MarkTx(ctx)) {
		t.Error("MarkTx and InTx do not agree")
	}
}
