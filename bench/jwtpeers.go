package main

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strings"
	"time"

	jwtmiddleware "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jws"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/gatehouse-go/authn"
)

// peer is what a user would write down instead, with the options that its
// documentation asks for, made once: what it checks is signature, algorithm,
// issuer, audience and times.
type peer struct {
	name   string
	verify func(raw string) error
}

// middleware is p by hand.
func (p peer) middleware(next http.Handler) http.Handler {
	type verified struct{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || p.verify(raw) != nil {
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), verified{}, raw)))
	})
}

// claims are typed, as golang-jwt's documentation shows it.
type claims struct {
	jwt.RegisteredClaims
	Scope   string `json:"scope"`
	Version int64  `json:"ver"`
}

func claimsNow() *claims {
	now := time.Now()
	return &claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuerURL, Subject: "ada", Audience: jwt.ClaimStrings{audience}, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(15 * time.Minute)),
		},
		Scope: "orders:read orders:write", Version: 1,
	}
}

func mapOf(c *claims) jwt.MapClaims {
	return jwt.MapClaims{
		"iss": c.Issuer, "sub": c.Subject, "aud": audience, "jti": c.ID, "scope": c.Scope, "ver": c.Version,
		"iat": c.IssuedAt.Unix(), "nbf": c.NotBefore.Unix(), "exp": c.ExpiresAt.Unix(),
	}
}

func golangJWTMap(k key) peer {
	parse := golangJWT(k)
	return peer{"golang-jwt, MapClaims", func(raw string) error { return parse(raw, jwt.MapClaims{}) }}
}

func golangJWTStruct(k key) peer {
	parse := golangJWT(k)
	return peer{"golang-jwt, struct", func(raw string) error { return parse(raw, new(claims)) }}
}

func golangJWT(k key) func(raw string, into jwt.Claims) error {
	p := jwt.NewParser(jwt.WithValidMethods([]string{k.alg}), jwt.WithAudience(audience), jwt.WithIssuer(issuerURL), jwt.WithExpirationRequired())
	keyOf := func(*jwt.Token) (any, error) { return k.public, nil }
	return func(raw string, into jwt.Claims) error {
		_, err := p.ParseWithClaims(raw, into, keyOf)
		return err
	}
}

func jwx(k key) peer {
	options := []jwxjwt.ParseOption{
		jwxjwt.WithKey(jwxAlgorithm(k), k.public), jwxjwt.WithValidate(true),
		jwxjwt.WithIssuer(issuerURL), jwxjwt.WithAudience(audience), jwxjwt.WithRequiredClaim("exp"),
	}
	return peer{"jwx", func(raw string) error {
		_, err := jwxjwt.Parse([]byte(raw), options...)
		return err
	}}
}

func jwxAlgorithm(k key) jwa.SignatureAlgorithm {
	alg, ok := jwa.LookupSignatureAlgorithm(k.alg)
	if !ok {
		panic("jwx has no " + k.alg)
	}
	return alg
}

func (k key) signJWX() error {
	now := time.Now()
	t, err1 := jwxjwt.NewBuilder().Issuer(issuerURL).Subject("ada").Audience([]string{audience}).JwtID(rand.Text()).
		IssuedAt(now).NotBefore(now).Expiration(now.Add(15*time.Minute)).
		Claim("scope", "orders:read orders:write").Claim("ver", 1).Build()
	h := jws.NewHeaders()
	err := errors.Join(err1, h.Set(jws.KeyIDKey, keyID), h.Set(jws.TypeKey, "at+jwt"))
	if err == nil {
		_, err = jwxjwt.Sign(t, jwxjwt.WithKey(jwxAlgorithm(k), k.private, jws.WithProtectedHeaders(h)))
	}
	return err
}

func auth0Validator(k key) *validator.Validator {
	return authn.Must(validator.New(
		validator.WithKeyFunc(func(context.Context) (any, error) { return k.public, nil }),
		validator.WithAlgorithm(validator.SignatureAlgorithm(k.alg)),
		validator.WithIssuer(issuerURL), validator.WithAudience(audience),
	))
}

func auth0(k key) peer {
	v := auth0Validator(k)
	return peer{"auth0", func(raw string) error {
		_, err := v.ValidateToken(context.Background(), raw)
		return err
	}}
}

func auth0Middleware(k key) *jwtmiddleware.JWTMiddleware {
	return authn.Must(jwtmiddleware.New(jwtmiddleware.WithValidator(auth0Validator(k))))
}
