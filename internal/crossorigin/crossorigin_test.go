package crossorigin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gatehouse-go/authn/internal/crossorigin"
)

func TestCheck(t *testing.T) {
	trusting := http.NewCrossOriginProtection()
	if err := trusting.AddTrustedOrigin("https://app.example"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method string
		header       map[string]string
		trusting     bool
		refused      bool
	}{
		{name: "same-origin form", method: "POST", header: map[string]string{"Sec-Fetch-Site": "same-origin"}},
		{name: "typed address", method: "GET", header: map[string]string{"Sec-Fetch-Site": "none"}},
		{name: "link from elsewhere", method: "GET", header: map[string]string{"Sec-Fetch-Site": "cross-site"}},
		{name: "form elsewhere", method: "POST", header: map[string]string{"Sec-Fetch-Site": "cross-site"}, refused: true},
		{name: "form on a sibling host", method: "POST", header: map[string]string{"Sec-Fetch-Site": "same-site"}, refused: true},
		{name: "old browser, same origin", method: "POST", header: map[string]string{"Origin": "https://api.example"}},
		{name: "old browser, elsewhere", method: "DELETE", header: map[string]string{"Origin": "https://evil.example"}, refused: true},
		{name: "opaque origin", method: "POST", header: map[string]string{"Origin": "null"}, refused: true},
		{name: "no browser", method: "POST"},
		{name: "trusted origin", method: "POST", header: map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example"}, trusting: true},
		{name: "not the trusted origin", method: "POST", header: map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example.evil"}, trusting: true, refused: true},
		{name: "websocket of ours", method: "GET", header: map[string]string{"Upgrade": "websocket", "Origin": "https://api.example"}},
		{name: "websocket elsewhere", method: "GET", header: map[string]string{"Upgrade": "h2c, WebSocket", "Origin": "https://evil.example"}, refused: true},
		{name: "another upgrade", method: "GET", header: map[string]string{"Upgrade": "h2c", "Origin": "https://evil.example"}},
		{name: "websocket of a trusted origin", method: "GET", header: map[string]string{"Upgrade": "websocket", "Origin": "https://app.example"}, trusting: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "https://api.example/x", nil)
			for name, value := range c.header {
				r.Header.Set(name, value)
			}
			p := http.NewCrossOriginProtection()
			if c.trusting {
				p = trusting
			}
			for _, p := range []*http.CrossOriginProtection{p, nil} {
				if p == nil && c.trusting {
					continue
				}
				e := crossorigin.Check(p, r)
				if (e != nil) != c.refused {
					t.Fatalf("got %v", e)
				}
				if e != nil && e.Status != http.StatusForbidden {
					t.Errorf("status %d", e.Status)
				}
			}
			if r.Method != c.method {
				t.Error("the request was changed")
			}
		})
	}
}
