//go:build !race && unix

// The race detector would be measured, too.

package apikey_test

import (
	"net/http"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/internal/cputime"
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
	if ratio := cputime.MedianRatio(verify(&revoked), verify(&unknown)); ratio < 0.6 || ratio > 1.7 {
		t.Errorf("revoked keys take %.2f times as long as unknown ones", ratio)
	}
	if ratio := cputime.MedianRatio(twice, verify(&unknown)); ratio < 1.7 {
		t.Errorf("the measure is blind: ten more hashes give a ratio of %.2f", ratio)
	}
}

var raw60 = forge(1)
