package jwtauth_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store/memstore"
)

// Signing keys that all instances share: a new one is published first and signs
// an hour later, so that no token is refused meanwhile. One that leaked is
// retired at once, with all that it signed.
func Example_keyRotation() {
	ctx := context.Background()
	now := time.Now()
	clock := func() time.Time { return now }                                                          // only so that an hour passes here
	st := memstore.New(memstore.Config{ClockOffset: func() time.Duration { return time.Until(now) }}) // in a real service: sqlstore, redisstore
	keychain := authn.GenerateKeychain()                                                              // and authn.ParseKeychain
	ring, err := jwtauth.OpenKeyRing(st, keychain, jwtauth.RingConfig{Now: clock})
	if err != nil {
		fmt.Println(err)
		return
	}
	issuer := authn.Must(jwtauth.NewIssuer(ring, st, keychain, jwtauth.IssuerConfig{
		Issuer: "https://auth.example.com", Audience: []string{"https://api.example.com"}, AccessTTL: 12 * time.Hour, Now: clock,
	}))
	orders := authn.Require(issuer.Verifier())(http.HandlerFunc(exampleOrders))
	login := func() authn.Secret {
		ada := authn.User("ada", "password")
		ada.VerifiedAt = now
		return authn.Must(issuer.Issue(ctx, jwtauth.Grant{Identity: ada})).Access
	}
	report := func(when string, tokens ...authn.Secret) {
		w := httptest.NewRecorder()
		ring.JWKS().ServeHTTP(w, httptest.NewRequest("GET", "/.well-known/jwks.json", nil))
		fmt.Println(when, "published:", strings.Count(w.Body.String(), `"kid"`))
		for _, token := range tokens {
			exampleGet(orders, token)
		}
	}
	kid := func(token authn.Secret) string { // of the header, as jwt.io shows it
		header := authn.Must(base64.RawURLEncoding.DecodeString(strings.Split(token.Reveal(), ".")[0]))
		_, rest, _ := strings.Cut(string(header), `"kid":"`)
		id, _, _ := strings.Cut(rest, `"`)
		return id
	}

	old := login()
	report("at first:", old)
	if err := ring.Rotate(ctx); err != nil {
		fmt.Println(err)
		return
	}
	report("staged:", old)
	fmt.Println("the old key signs:", kid(login()) == kid(old))
	now = now.Add(61 * time.Minute)
	next := login()
	fmt.Println("the new key signs:", kid(next) != kid(old))
	report("an hour later:", old, next)

	if err := ring.Retire(ctx, kid(old)); err != nil {
		fmt.Println(err)
		return
	}
	report("retired:", old, next)
	// Output:
	// at first: published: 1
	// 200 orders of ada
	// staged: published: 2
	// 200 orders of ada
	// the old key signs: true
	// the new key signs: true
	// an hour later: published: 2
	// 200 orders of ada
	// 200 orders of ada
	// retired: published: 1
	// 401 Bearer realm="api", error="invalid_token", error_description="The credential is malformed, expired, revoked or unknown."
	// 200 orders of ada
}
