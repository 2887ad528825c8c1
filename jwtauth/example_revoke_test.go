package jwtauth_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store/memstore"
)

// "Log out everywhere": what the subject holds is dead with the next request,
// and what it proves afterwards is good.
func ExampleIssuer_RevokeSubject() {
	ctx := context.Background()
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, memstore.New(memstore.Config{}), authn.GenerateKeychain(), jwtauth.IssuerConfig{
		Issuer: "https://auth.example.com", Audience: []string{"https://api.example.com"},
	}))
	orders := authn.Require(issuer.Verifier())(http.HandlerFunc(exampleOrders))
	login := func() jwtauth.TokenSet {
		return authn.Must(issuer.Issue(ctx, jwtauth.Grant{Identity: authn.User("ada", "password"), Refresh: true}))
	}
	phone, laptop := login(), login()
	exampleGet(orders, phone.Access)

	// One login, as LogoutHandler does it:
	if err := issuer.RevokeToken(ctx, phone.Refresh.Reveal(), ""); err != nil {
		fmt.Println(err)
		return
	}
	exampleGet(orders, phone.Access)
	exampleGet(orders, laptop.Access)

	// All of them:
	if err := issuer.RevokeSubject(ctx, "ada"); err != nil {
		fmt.Println(err)
		return
	}
	exampleGet(orders, laptop.Access)
	_, err := issuer.Refresh(ctx, laptop.Refresh.Reveal(), jwtauth.Grant{})
	fmt.Println(authn.AsError(err).Code)
	exampleGet(orders, login().Access)
	// Output:
	// 200 orders of ada
	// 401 Bearer realm="api", error="invalid_token", error_description="The credential is malformed, expired, revoked or unknown."
	// 200 orders of ada
	// 401 Bearer realm="api", error="invalid_token", error_description="The credential is malformed, expired, revoked or unknown."
	// invalid_grant
	// 200 orders of ada
}
