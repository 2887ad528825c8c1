package oauth_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/oauth"
)

// googleDiscovery is https://accounts.google.com/.well-known/openid-configuration.
const googleDiscovery = `{
 "issuer": "https://accounts.google.com",
 "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
 "device_authorization_endpoint": "https://oauth2.googleapis.com/device/code",
 "token_endpoint": "https://oauth2.googleapis.com/token",
 "userinfo_endpoint": "https://openidconnect.googleapis.com/v1/userinfo",
 "revocation_endpoint": "https://oauth2.googleapis.com/revoke",
 "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
 "response_types_supported": ["code", "token", "id_token", "code token", "code id_token", "token id_token", "code token id_token", "none"],
 "response_modes_supported": ["query", "fragment", "form_post"],
 "subject_types_supported": ["public"],
 "id_token_signing_alg_values_supported": ["RS256"],
 "scopes_supported": ["openid", "email", "profile"],
 "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
 "claims_supported": ["aud", "email", "email_verified", "exp", "family_name", "given_name", "iat", "iss", "name", "picture", "sub"],
 "code_challenge_methods_supported": ["plain", "S256"],
 "grant_types_supported": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"]
}`

func google() *standIn {
	return &standIn{answers: map[string]answer{
		"GET accounts.google.com/.well-known/openid-configuration": asJSON(googleDiscovery),
		"GET www.googleapis.com/oauth2/v3/certs":                   asJSON(certs()),
	}}
}

// googleClaims are those of Google's documentation, of today.
func googleClaims(nonce string) map[string]any {
	return map[string]any{
		"iss": "https://accounts.google.com", "azp": "1234987819200.apps.googleusercontent.com", "aud": "1234987819200.apps.googleusercontent.com",
		"sub": "10769150350006150715113082367", "at_hash": "xN1xZIkgQUDV9leUbo7low", "hd": "example.com", "email": "jsmith@example.com", "email_verified": true,
		"name": "J Smith", "picture": "https://lh3.googleusercontent.com/a/x=s96-c", "given_name": "J", "family_name": "Smith",
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(), "nonce": nonce,
	}
}

func googleReply(change map[string]any) func(nonce string) string {
	return func(nonce string) string {
		claims := googleClaims(nonce)
		maps.Copy(claims, change)
		return authn.Must(marshal(map[string]any{
			"access_token": "ya29.a0AfH6SMB", "expires_in": 3599, "token_type": "Bearer",
			"scope": "openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile", "id_token": signedBy(claims),
		}))
	}
}

func googleProvider() oauth.Provider {
	return oauth.Google("1234987819200.apps.googleusercontent.com", authn.NewSecret("GOCSPX-secret"))
}

// O1, O5, O8: Google's own answers make a login, by one token request. Its two
// spellings of its issuer are one key.
func TestGoogle(t *testing.T) {
	for _, iss := range []string{"https://accounts.google.com", "accounts.google.com"} {
		s := google()
		h, p := comesFrom(t, s, googleProvider(), "oauth2.googleapis.com/token", googleReply(map[string]any{"iss": iss}))
		if p.Provider != "google" || p.Issuer != "https://accounts.google.com" || p.Subject != "10769150350006150715113082367" ||
			p.Email != "jsmith@example.com" || !p.EmailVerified || p.Name != "J Smith" || p.Picture != "https://lh3.googleusercontent.com/a/x=s96-c" ||
			p.ReturnTo != "/orders" || p.LinkTo != "" || p.Claims["hd"] != "example.com" {
			t.Errorf("%s: the profile is %+v", iss, p)
		}
		if p.Token.AccessToken != "ya29.a0AfH6SMB" || p.Token.Expiry.Sub(h.now) != 3599*time.Second || p.IDToken.IsZero() {
			t.Errorf("%s: the token is %+v", iss, p.Token)
		}
		want := "GET accounts.google.com/.well-known/openid-configuration, POST oauth2.googleapis.com/token, GET www.googleapis.com/oauth2/v3/certs"
		if got := s.made(); got != want {
			t.Errorf("%s: asked %s, want %s", iss, got, want)
		}
		id := p.Identity("u1")
		if at, ok := id.FactorAt("oauth"); id.Subject != "u1" || id.Kind != authn.KindUser || id.Method != "oauth" || !ok || !at.Equal(h.now) || !id.VerifiedAt.Equal(h.now) {
			t.Errorf("%s: the Identity is %+v", iss, id)
		}
	}
}

// O4: the issuer that is another's is none of Google's, however similar.
func TestGoogleIssuerIsExact(t *testing.T) {
	for _, iss := range []string{"http://accounts.google.com", "https://accounts.google.com/", "https://accounts.google.com.evil.example", ""} {
		s := google()
		s.t = t
		h := newHostOf(t, []oauth.Provider{googleProvider()}, func(cfg *oauth.Config) { cfg.Transport = s })
		b := h.browser()
		q := b.starts("google", "").Query()
		s.answers["POST oauth2.googleapis.com/token"] = asJSON(googleReply(map[string]any{"iss": iss})(q.Get("nonce")))
		h.wantRefused(t, b.get(base+"/google/callback?code=x&state="+q.Get("state")), 401, "login_failed", "iss")
	}
}

// O5: auth_time is when the user proved it, so that a login at the provider long
// ago is no recent one here.
func TestFactorIsOfAuthTime(t *testing.T) {
	ago := time.Now().Add(-3 * time.Hour).Truncate(time.Second)
	for _, c := range []struct {
		name     string
		authTime any
		want     func(h *host) time.Time
	}{
		{"past", ago.Unix(), func(*host) time.Time { return ago }},
		{"future", ago.Add(24 * time.Hour).Unix(), func(h *host) time.Time { return h.now }},
		{"a moment ahead", time.Now().Add(30 * time.Second).Unix(), func(h *host) time.Time { return h.now }},
		{"text", "yesterday", func(h *host) time.Time { return h.now }},
	} {
		h, p := comesFrom(t, google(), googleProvider(), "oauth2.googleapis.com/token", googleReply(map[string]any{"auth_time": c.authTime}))
		if at, _ := p.Identity("u1").FactorAt("oauth"); !at.Equal(c.want(h)) {
			t.Errorf("%s: proven at %v", c.name, at)
		}
	}
}

// O5: the longest address is kept.
func TestLongestEmail(t *testing.T) {
	for n, want := range map[int]bool{320: true, 321: false} {
		email := strings.Repeat("a", n-len("@example.com")) + "@example.com"
		if _, p := comesFrom(t, google(), googleProvider(), "oauth2.googleapis.com/token", googleReply(map[string]any{"email": email})); (p.Email == email) != want {
			t.Errorf("%d: %.40q", n, p.Email)
		}
	}
}

// O5: what is not harmless to show or to keep is left out.
func TestProfileIsClean(t *testing.T) {
	for _, c := range []struct {
		claim, value string
		read         func(p oauth.Profile) string
	}{
		{"picture", "javascript:alert(1)", func(p oauth.Profile) string { return p.Picture }},
		{"picture", "http://example.com/x.png", func(p oauth.Profile) string { return p.Picture }},
		{"email", "a@b.example\r\nBcc: c@d.example", func(p oauth.Profile) string { return p.Email }},
		{"email", "nobody", func(p oauth.Profile) string { return p.Email }},
		{"email", strings.Repeat("a", 321) + "@example.com", func(p oauth.Profile) string { return p.Email }},
	} {
		_, p := comesFrom(t, google(), googleProvider(), "oauth2.googleapis.com/token", googleReply(map[string]any{c.claim: c.value}))
		if got := c.read(p); got != "" || c.claim == "email" && p.EmailVerified {
			t.Errorf("%s %.40q: %.40q, verified: %v", c.claim, c.value, got, p.EmailVerified)
		}
	}
}
