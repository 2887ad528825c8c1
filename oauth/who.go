package oauth

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
)

// profile is who token is of.
func (p *provider) profile(ctx context.Context, m *metadata, token *oauth2.Token, f *flow) (Profile, error) {
	var profile Profile
	var err error
	if p.spec.profile != nil {
		profile, err = p.plain(ctx, token)
	} else {
		profile, err = p.openID(ctx, m, token, f)
	}
	if err != nil {
		return Profile{}, err
	}
	profile.Token = token
	if !isEmail(profile.Email) {
		profile.Email = ""
	}
	profile.EmailVerified = profile.EmailVerified && profile.Email != ""
	if u, err := url.Parse(profile.Picture); err != nil || u.Scheme != "https" {
		profile.Picture = ""
	}
	if p.spec.adjust != nil {
		p.spec.adjust(&profile)
	}
	return profile, nil
}

// plain asks the host's function.
func (p *provider) plain(ctx context.Context, token *oauth2.Token) (Profile, error) {
	c := oauth2.NewClient(p.use(ctx), oauth2.StaticTokenSource(token))
	profile, err := p.spec.profile(ctx, c)
	if e, ok := errors.AsType[*authn.Error](err); ok {
		return Profile{}, e
	}
	if err != nil {
		return Profile{}, outage("profile", withoutURL(err))
	}
	if !isSubject(profile.Subject) {
		return Profile{}, failed("profile without a subject", nil)
	}
	if profile.Issuer == "" {
		profile.Issuer = p.spec.issuer
	}
	return profile, nil
}

// openID reads the id_token, and userinfo where the id_token lacks what a Profile
// has and the scopes promise.
func (p *provider) openID(ctx context.Context, m *metadata, token *oauth2.Token, f *flow) (Profile, error) {
	raw, _ := token.Extra("id_token").(string)
	t, err := p.verify(ctx, m, raw, f.nonce(), token.AccessToken)
	if err != nil {
		return Profile{}, err
	}
	if !p.recent(t.authTime, f.created) {
		return Profile{}, wrong("auth_time", nil)
	}
	claims := t.claims
	if lacks := func(scope, claim string) bool { return slices.Contains(p.Scopes, scope) && claims[claim] == nil }; m.Userinfo != "" &&
		(lacks("email", "email") || lacks("profile", "name")) {
		more, err := p.userinfo(ctx, m, token, t.subject)
		if err != nil {
			return Profile{}, err
		}
		claims = merged(claims, more)
	}
	profile := Profile{
		Issuer: t.issuer, Subject: t.subject, Claims: claims, IDToken: authn.NewSecret(raw), provenAt: t.authTime,
		EmailVerified: claims["email_verified"] == true || claims["email_verified"] == "true", // Apple and others send text
	}
	profile.Email, _ = claims["email"].(string)
	profile.Name, _ = claims["name"].(string)
	profile.Picture, _ = claims["picture"].(string)
	return profile, nil
}

// recent holds the provider to Params' max_age, which the user may have taken out of
// the request (OpenID Connect Core §3.1.3.7, step 13).
func (p *provider) recent(authTime, asked time.Time) bool {
	if !p.Params.Has(maxAge) {
		return true
	}
	age, err := strconv.ParseUint(p.Params.Get(maxAge), 10, 31)
	return err == nil && !authTime.IsZero() && !authTime.Add(time.Duration(age)*time.Second+leeway).Before(asked)
}

// userinfo is OpenID Connect Core §5.3: it counts only for the id_token's subject
// (§5.3.4).
func (p *provider) userinfo(ctx context.Context, m *metadata, token *oauth2.Token, subject string) (map[string]any, error) {
	var claims map[string]any
	c := oauth2.NewClient(p.use(ctx), oauth2.StaticTokenSource(token))
	err := getJSON(ctx, c, m.Userinfo, &claims)
	if status := (statusError{}); errors.As(err, &status) && (status.code == http.StatusUnauthorized || status.code == http.StatusForbidden) {
		return nil, nil // this token is for another API
	}
	if err != nil {
		return nil, outage("userinfo", err)
	}
	if claims["sub"] != any(subject) {
		return nil, failed("userinfo of another sub", nil)
	}
	return claims, nil
}

// merged is the claims of an id_token and what userinfo has besides. An address and
// whether it is verified are of one document. Both maps are for it to change.
func merged(claims, more map[string]any) map[string]any {
	all := make(map[string]any, len(claims)+len(more)) // more is nil where nothing is told
	maps.Copy(all, more)
	if claims["email"] != nil {
		delete(all, "email_verified")
	} else if all["email"] != nil {
		delete(claims, "email")
		delete(claims, "email_verified")
	}
	maps.Copy(all, claims)
	return all
}

const maxEmail = 320

// isEmail is about what is harmless to keep and show, not about what is deliverable.
func isEmail(s string) bool {
	return len(s) <= maxEmail && utf8.ValidString(s) && strings.Contains(s, "@") && !strings.ContainsFunc(s, isControl)
}
