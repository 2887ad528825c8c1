package jwtauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

// issuerSays makes the host's claims be *claims.
func issuerSays(claims *any) func(cfg *jwtauth.IssuerConfig) {
	return func(cfg *jwtauth.IssuerConfig) {
		cfg.Claims = func(context.Context, *authn.Identity) (any, error) { return *claims, nil }
	}
}

// J12: names that the package writes or reads are not the host's, in any
// case that a reader may take for them.
func TestReservedNamesCannotBeOverridden(t *testing.T) {
	var claims any
	w := newIssuerWorld(t, issuerSays(&claims))
	reserved := []string{
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "typ", "act", "may_act", "azp", "scp", "scope", "client_id",
		"roles", "sid", "ver", "amr", "auth_time", "amr_times", "kind", "identity",
	}
	names := slices.Clone(reserved)
	for _, name := range reserved {
		names = append(names, strings.ToUpper(name), strings.ToUpper(name[:1])+name[1:],
			strings.ReplaceAll(name, "s", "\u017f"), strings.ReplaceAll(name, "k", "\u212a"))
	}
	for _, name := range names {
		for form, value := range map[string]any{
			"map":      map[string]any{"a": 1, name: "x"},
			"null":     map[string]any{name: nil},
			"raw":      json.RawMessage(fmt.Sprintf(`{"a":1,%q:"x"}`, name)),
			"escaped":  json.RawMessage(fmt.Sprintf(`{"\u00%x%s":"x"}`, name[0], name[1:])),
			"spacious": json.RawMessage(fmt.Sprintf("{ \n %q \t:\r\"x\"}", name)),
		} {
			if form == "escaped" && name[0] >= 0x80 {
				continue
			}
			claims = value
			_, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada()})
			issuerWant(t, form+" "+name, err, 500, "internal", "")
		}
	}
	// Near misses are the host's.
	claims = map[string]any{"is": 1, "isss": 2, "sub ": 3, "role": 4, "version": 5, "scopes": 6, "": 7, "\u00efss": 8, "a.iss": map[string]any{"iss": "x"}}
	if set := w.issue(); w.alive(set) != "" {
		t.Error(w.alive(set))
	}
}

// J12: the host's claims are one JSON object that two readers understand alike.
func TestHostClaimsAreOneObject(t *testing.T) {
	var claims any
	w := newIssuerWorld(t, issuerSays(&claims))
	before := len(issuerClaims(t, w.issue()))
	type typed struct {
		Plan string `json:"plan"`
		Seat int    `json:"seat,omitempty"`
	}
	deep := strings.Repeat("[", 40) + strings.Repeat("]", 40)
	for _, tt := range []struct {
		name   string
		claims any
		want   map[string]any // beside ours; nil: an error
	}{
		{"nil", nil, map[string]any{}},
		{"nil map", map[string]any(nil), map[string]any{}},
		{"nil pointer", (*typed)(nil), map[string]any{}},
		{"empty", typed{}, map[string]any{"plan": ""}},
		{"empty object", struct{}{}, map[string]any{}},
		{"struct", typed{"pro \"x\" <&>\u2028", 3}, map[string]any{"plan": "pro \"x\" <&>\u2028", "seat": 3.0}},
		{"pointer", &typed{Plan: "pro"}, map[string]any{"plan": "pro"}},
		{"spacious raw object", json.RawMessage(" {\n\t\"plan\" : { } } "), map[string]any{"plan": map[string]any{}}},
		{"nested", map[string]any{"a": map[string]any{"iss": "x", "b": []any{1.5, nil, true}}}, map[string]any{"a": map[string]any{"iss": "x", "b": []any{1.5, nil, true}}}},
		{"text", "iss", nil},
		{"number", 7, nil},
		{"list", []string{"a"}, nil},
		{"true", true, nil},
		{"not a number", math.NaN(), nil},
		{"a function", func() {}, nil},
		{"two of a name", json.RawMessage(`{"a":1,"a":2}`), nil},
		{"two cases of a name", json.RawMessage(`{"a":1,"A":2}`), nil},
		{"two of a name, deep", json.RawMessage(`{"a":{"b":1,"b":2}}`), nil},
		{"two objects", json.RawMessage(`{"a":1}{"iss":"x"}`), nil},
		{"an end in between", json.RawMessage(`{"a":1},"iss":"x"`), nil},
		{"too deep", json.RawMessage(`{"a":` + deep + `}`), nil},
		{"lone surrogate", json.RawMessage(`{"a":"\ud800"}`), nil},
		{"huge", map[string]any{"a": strings.Repeat("x", 1<<20)}, nil},
		{"over 8 KiB with ours", map[string]any{"a": strings.Repeat("x", 6000)}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			claims = tt.claims
			for _, refresh := range []bool{false, true} {
				w.st.reset(0, false)
				set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada(), Refresh: refresh})
				if tt.want == nil {
					issuerWant(t, "Issue", err, 500, "internal", "")
					if slices.Contains(w.st.called(), "CreateFamily") {
						t.Error("a login began")
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				if reason := w.alive(set); reason != "" {
					t.Errorf("issued, and refused: %s", reason)
				}
				got := issuerClaims(t, set)
				for name, value := range tt.want {
					if !reflect.DeepEqual(got[name], value) {
						t.Errorf("%s is %v, want %v", name, got[name], value)
					}
				}
				if delete(got, "sid"); len(got) != before+len(tt.want) {
					t.Errorf("claims %v", got)
				}
			}
		})
	}
}

// J12: a token that Issue hands out is one that its Verifier takes, however
// many claims the host has.
func TestManyHostClaims(t *testing.T) {
	var claims any
	w := newIssuerWorld(t, issuerSays(&claims))
	issued := 0
	for n := 100; n <= 140; n++ {
		many := map[string]int{}
		for i := range n {
			many[fmt.Sprint("c", i)] = i
		}
		claims = many
		set, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada()})
		if err != nil {
			issuerWant(t, fmt.Sprint(n, " claims"), err, 500, "internal", "")
			continue
		}
		issued++
		if reason := w.alive(set); reason != "" {
			t.Errorf("%d claims: issued, and refused: %s", n, reason)
		}
	}
	if issued == 0 {
		t.Error("none was issued")
	}
}

// J12: Claims sees who logs in, may change nothing, and is asked for each
// access token; what it answers is read by Claims.
func TestHostClaimsOfEachToken(t *testing.T) {
	type host struct {
		Plan string `json:"plan"`
		N    int    `json:"n"`
	}
	var asked int
	var fails error
	w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) {
		cfg.Claims = func(_ context.Context, id *authn.Identity) (any, error) {
			asked++
			plan := id.Attributes["team"] + " " + id.Subject
			id.Subject, id.Roles[0], id.Scopes = "root", "admin", []string{"admin"}
			return host{plan, asked}, fails
		}
	})
	set := w.login()
	next := w.refresh(set)
	for i, set := range []jwtauth.TokenSet{set, next} {
		id, err := w.issuer.Verifier().Verify(issuerBearer(set.Access.Reveal()))
		if err != nil || id.Subject != "ada" || !slices.Equal(id.Roles, []string{"editor"}) || !slices.Equal(id.Scopes, []string{"orders:read", "orders:write"}) {
			t.Fatalf("token %d: %+v, %v", i, id, err)
		}
		if got, err := jwtauth.Claims[host](authn.NewContext(issuerCtx, id)); err != nil || got != (host{"north ada", i + 1}) {
			t.Errorf("token %d: %+v, %v", i, got, err)
		}
	}
	fails = errIssuerDown
	_, err := w.issuer.Issue(issuerCtx, jwtauth.Grant{Identity: w.ada(), Refresh: true})
	issuerWant(t, "Issue", err, 503, "unavailable", "")
	_, err = w.issuer.Refresh(issuerCtx, next.Refresh.Reveal(), jwtauth.Grant{})
	issuerWant(t, "Refresh", err, 503, "unavailable", "")
	fails = nil
	w.refresh(next) // it was not spent
}

// J12, J13: half a login has none of the host's claims: they are for whom has
// logged in.
func TestHostClaimsAreNotForHalfALogin(t *testing.T) {
	asked := false
	w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) {
		issuerOwesOTP(cfg)
		cfg.Claims = func(context.Context, *authn.Identity) (any, error) { asked = true; return nil, nil }
	})
	if w.issue(); asked {
		t.Error("Claims was asked")
	}
}
