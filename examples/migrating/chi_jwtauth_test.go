package migrating_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store/memstore"
)

//doc:begin

// older is the way in of before.
type older func(r *http.Request) (*authn.Identity, error)

func (f older) Verify(r *http.Request) (*authn.Identity, error) { return f(r) }

//doc:end

func Example_chiJWTAuth() {
	tokenAuth, mux := &chiAuth{}, http.NewServeMux()
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, memstore.New(memstore.Config{}), authn.GenerateKeychain(), jwtauth.IssuerConfig{
		Issuer: "https://app.example", Audience: []string{"https://app.example"},
	}))

	//doc:begin
	before := older(func(r *http.Request) (*authn.Identity, error) {
		token, err := chijwt.VerifyRequest(tokenAuth, r, chijwt.TokenFromHeader)
		if err != nil || token.Subject() == "" || token.Expiration().IsZero() {
			return nil, authn.ErrNoCredential // none of these: issuer has the last word
		}
		user := authn.User(token.Subject(), "chi-jwtauth")
		user.ExpiresAt = token.Expiration()
		return user, nil
	})
	both := authn.FirstOf(before, issuer.Verifier()) // in the end: issuer.Verifier()
	mux.Handle("GET /account", authn.Require(both)(account))
	mux.Handle("/token/refresh", issuer.RefreshHandler())
	//doc:end

	visitor{}.get(mux, "Authorization: Bearer older.ada.signed")
	visitor{}.get(mux, "Authorization: Bearer older.ada.forged")
	visitor{}.get(mux, "Authorization: Bearer older.endless.signed")
	visitor{}.get(mux)
	tokens, err := issuer.Issue(context.Background(), jwtauth.Grant{Identity: authn.User("ada", "password")})
	if err != nil {
		fmt.Println(err)
	}
	visitor{}.get(mux, "Authorization: Bearer "+tokens.Access.Reveal())
	// Output:
	// ada by chi-jwtauth
	// 401
	// 401
	// 401
	// ada by jwt
}

// chijwt stands in for github.com/go-chi/jwtauth/v5, under the name by which it
// has to be imported beside ours.
var chijwt chiPackage

type chiPackage struct{}

// chiToken stands in for the Token of github.com/lestrrat-go/jwx/v2/jwt.
type chiToken struct {
	subject string
	expires time.Time
}

func (t chiToken) Subject() string       { return t.subject }
func (t chiToken) Expiration() time.Time { return t.expires }

func (chiPackage) TokenFromHeader(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func (chiPackage) VerifyRequest(_ *chiAuth, r *http.Request, find ...func(*http.Request) string) (chiToken, error) {
	switch find[0](r) {
	case "older.ada.signed":
		return chiToken{"ada", time.Now().Add(time.Hour)}, nil
	case "older.endless.signed":
		return chiToken{"ada", time.Time{}}, nil
	}
	return chiToken{}, errors.New("token is unauthorized")
}

// chiAuth stands in for JWTAuth.
type chiAuth struct{}
