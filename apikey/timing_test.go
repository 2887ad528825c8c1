//go:build !race && unix

// The race detector would be measured, too.

package apikey_test

import (
	"net/http"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// K5: unknown and revoked keys, with right checksums, take the same time:
// medians of interleaved rounds. The measure is shown to see a difference
// where there is one: a second hash of the key.
func TestUnknownAndRevokedTakeTheSameTime(t *testing.T) {
	st := memstore.New(memstore.Config{})
	keys, err := apikey.New(st, apikey.Config{Prefix: "acme_live", MaxPerOwner: 1000})
	if err != nil {
		t.Fatal(err)
	}
	const n = 200
	var revoked, unknown [n]*http.Request
	for i := range n {
		key, err := keys.Create(background, "ada", apikey.Spec{})
		if err != nil {
			t.Fatal(err)
		}
		revoked[i], unknown[i] = request("X-API-Key", key.Secret.Reveal()), request("X-API-Key", forge(i))
	}
	if err := keys.RevokeSubject(background, "ada"); err != nil {
		t.Fatal(err)
	}
	verify := func(requests *[n]*http.Request) func() {
		return func() {
			for _, r := range requests {
				if _, err := keys.Verify(r); authn.AsError(err).Status != 401 {
					t.Fatal(err)
				}
			}
		}
	}
	twice := func() {
		verify(&revoked)()
		for range 10 * n {
			store.DigestOf(raw60)
		}
	}
	if ratio := medianRatio(t, verify(&revoked), verify(&unknown)); ratio < 0.6 || ratio > 1.7 {
		t.Errorf("revoked keys take %.2f times as long as unknown ones", ratio)
	}
	if ratio := medianRatio(t, twice, verify(&unknown)); ratio < 1.7 {
		t.Errorf("the measure is blind: ten more hashes give a ratio of %.2f", ratio)
	}
}

var raw60 = forge(1)

// medianRatio is the median of a's time over b's, in rounds that alternate
// which comes first.
func medianRatio(t *testing.T, a, b func()) float64 {
	t.Helper()
	clock := func(f func()) float64 {
		began := busy(t)
		f()
		return float64(busy(t) - began)
	}
	ratios := make([]float64, 101)
	for i := range ratios {
		if i%2 == 0 {
			ta := clock(a)
			ratios[i] = ta / clock(b)
		} else {
			tb := clock(b)
			ratios[i] = clock(a) / tb
		}
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

// busy is the time that this process has computed: what else the machine does spoils
// it less than the time on the wall.
func busy(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
