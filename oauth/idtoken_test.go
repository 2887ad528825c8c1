package oauth

import (
	"encoding/base64"
	"strings"
	"testing"
)

// O4: what is no compact JWS of one reading is refused for what it is.
func TestParseIDToken(t *testing.T) {
	m := &metadata{Algorithms: []string{"RS256"}}
	b64 := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	header := b64(`{"alg":"RS256"}`)
	if sig, err := m.parse(header + ".e30.AA"); err != nil || sig.alg != "RS256" || string(sig.payload) != "{}" || sig.signed != header+".e30" {
		t.Errorf("%+v, %v", sig, err)
	}
	for raw, want := range map[string]string{
		strings.Repeat("a", maxIDToken):   "no compact JWS",
		strings.Repeat("a", maxIDToken+1): "too long",
		"":                                "no compact JWS",
		header + ".e30":                   "no compact JWS",
		header + ".e30.AA.AA":             "no compact JWS",
		header + "=.e30.AA":               "no base64url",
		header + ".e30.A?":                "no base64url",
		header + ".e30.AB":                "no base64url", // bits after the end
		header[:8] + "\n" + header[8:] + ".e30.AA": "no base64url",
		header + ".e3\r0.AA":                       "no base64url",
		header + ".e30.AA\r\n":                     "no base64url",
		b64("x") + ".e30.AA":                       "no JSON",
		b64(`[]`) + ".e30.AA":                      "is a JSON array",
		b64(`{"alg":"RS256"}{}`) + ".e30.AA":       "something follows",
		b64(`{"alg":"RS512"}`) + ".e30.AA":         "alg",
	} {
		if sig, err := m.parse(raw); sig != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", raw, err, want)
		}
	}
}
