package jwtauth_test

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// silent is for worlds that live long: a Recorder keeps all that it gets.
func silent(cfg *jwtauth.IssuerConfig) { cfg.OnEvent = nil }

// J20: whatever comes as a refresh token, the store is asked only for what the
// keychain made, as a second, slow reader of the format sees it.
func FuzzRefreshToken(f *testing.F) {
	w := newIssuerWorld(f, nil)
	w.kc = authn.Must(authn.ParseKeychain("ZnV6ei1mdXp6LWZ1enotZnV6ei1mdXp6LWZ1enotZnV6eg"))
	w.issuer = w.instance(silent)
	good := func(s string) bool {
		p := strings.Split(s, ".")
		if len(p) != 5 || len(p[0]) != 8 || len(p[1]) != 22 || len(p[2]) > 15 || len(p[4]) != 43 {
			return false
		}
		n, err := strconv.ParseUint(p[2], 10, 63)
		if err != nil || n == 0 || p[2][0] == '0' {
			return false
		}
		mac, err := w.kc.MAC("refresh", p[3], []byte(issuerURL+" "+strings.Join(p[:4], ".")))
		return p[3] != "" && err == nil && p[4] == base64.RawURLEncoding.EncodeToString(mac)
	}
	f.Add(w.login().Refresh.Reveal())
	f.Fuzz(func(t *testing.T, token string) {
		w.t = t
		w.st.reset(0, false)
		_, err := w.issuer.Refresh(issuerCtx, token, jwtauth.Grant{})
		asked := len(w.st.called()) > 0
		if asked != good(token) {
			t.Errorf("%q: the store was asked: %v", token, asked)
		}
		if err != nil {
			issuerWant(t, token, err, 400, "invalid_grant", "")
		}
		if err := w.issuer.RevokeToken(issuerCtx, token, ""); err != nil {
			t.Errorf("RevokeToken %q: %v", token, err)
		}
	})
}

// J23, J26: whatever a request to the handlers looks like, they answer one of
// these statuses, cache nothing, and give tokens for the one good token only.
func FuzzTokenRequest(f *testing.F) {
	w := newIssuerWorld(f, func(cfg *jwtauth.IssuerConfig) {
		issuerWithCookies(cfg)
		silent(cfg)
	})
	f.Fuzz(func(t *testing.T, contentType, body, cookie, authorization, site string) {
		if strings.ContainsAny(contentType+cookie+authorization+site, "\r\n\x00") {
			return
		}
		w.t = t
		w.st.reset(0, false)
		w.clock.advance(10 * time.Minute) // so that the logins of before end, and leave the store
		set := w.login()
		fill := strings.NewReplacer("GOOD", set.Refresh.Reveal(), "ACCESS", set.Access.Reveal()).Replace
		for _, h := range []http.Handler{w.issuer.RefreshHandler(), w.issuer.LogoutHandler()} {
			r := issuerPost(contentType, fill(body))
			for name, value := range map[string]string{"Cookie": fill(cookie), "Authorization": fill(authorization), "Sec-Fetch-Site": site} {
				if value != "" {
					r.Header.Set(name, value)
				}
			}
			rec := issuerServe(h, r)
			switch rec.Code {
			case 200:
				if !strings.Contains(body, "GOOD") && !strings.Contains(cookie, "GOOD") {
					t.Errorf("tokens for nothing: %q %q", body, cookie)
				}
			case 204, 400, 403:
			default:
				t.Errorf("%q %q %q %q: %d %s", contentType, body, cookie, authorization, rec.Code, rec.Body)
			}
			if rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("header %v", rec.Header())
			}
			if rec.Code == 403 && site == "" {
				t.Errorf("403 of no other site")
			}
		}
	})
}

// J12: whatever text is in an Identity, encoding/json reads it back from the
// token, and so does the Verifier; else Issue refuses it.
func FuzzClaimWriter(f *testing.F) {
	w := newIssuerWorld(f, silent)
	f.Fuzz(func(t *testing.T, subject, scope, role, client, factor string) {
		w.st.reset(0, false)
		id := w.ada()
		id.Subject, id.Scopes, id.Roles = subject, []string{scope}, []string{role}
		id.Factors = []authn.Factor{{Name: factor, At: w.clock.Now()}, {Name: "pwd", At: w.clock.Now().Add(-3600e9)}}
		set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: id, ClientID: client})
		if err != nil {
			switch e := authn.AsError(err); {
			case e.Status == 400 && e.Code == "invalid_scope", e.Status == 500:
			default:
				t.Errorf("%q %q %q %q: %v", subject, scope, role, client, err)
			}
			return
		}
		c := issuerClaims(t, set)
		roles, _ := c["roles"].([]any)
		amr, _ := c["amr"].([]any)
		gotClient, _ := c["client_id"].(string)
		if c["sub"] != subject || c["scope"] != scope || len(roles) != 1 || roles[0] != role || gotClient != client || len(amr) != 2 || utf8.ValidString(factor) && amr[0] != factor {
			t.Errorf("%q %q %q %q %q: %v", subject, scope, role, client, factor, c)
		}
		got, err := w.issuer.Verifier().Verify(issuerBearer(set.Access.Reveal()))
		if err != nil || got.Subject != subject || !got.HasScope(scope) || !got.HasRole(role) {
			t.Errorf("%q %q %q: %+v, %v", subject, scope, role, got, err)
		}
	})
}
