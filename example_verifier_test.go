package authn_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store/memstore"
)

// Partner verifies the signature that a partner puts on its calls: a method of
// the host's own. It has four outcomes: absent, malformed, bad, good.
type Partner struct {
	Name   string
	Secret authn.Secret
}

func (p Partner) Verify(r *http.Request) (*authn.Identity, error) {
	field := r.Header.Get("X-Partner-Signature")
	if field == "" {
		return nil, authn.ErrNoCredential
	}
	mac, err := hex.DecodeString(field)
	if err != nil {
		return nil, authn.Malformed("signature", err)
	}
	if !hmac.Equal(mac, p.sign(r)) {
		return nil, authn.Refused("signature", nil)
	}
	return &authn.Identity{Subject: p.Name, Kind: authn.KindClient, Method: "partner"}, nil
}

// Describe is optional: what a 401 asks for, and which fields carry it.
func (p Partner) Describe() authn.Description {
	return authn.Description{
		Challenges:  []authn.Challenge{{Scheme: "Partner"}},
		Credentials: []string{"X-Partner-Signature"},
	}
}

// sign is simplified: a real one covers a timestamp and the body's digest, too.
func (p Partner) sign(r *http.Request) []byte {
	h := hmac.New(sha256.New, []byte(p.Secret.Reveal()))
	h.Write([]byte(r.Method + " " + r.URL.RequestURI()))
	return h.Sum(nil)
}

// A method of the host's own stands beside those of the library. The first
// credential that is present decides, good or bad.
func ExampleVerifier() {
	keys := authn.Must(apikey.New(memstore.New(memstore.Config{}), apikey.Config{Prefix: "acme_live"}))
	key, err := keys.Create(context.Background(), "ada", apikey.Spec{Name: "ci"})
	if err != nil {
		fmt.Println(err)
		return
	}
	partner := Partner{Name: "globex", Secret: authn.NewSecret("shared with globex")}
	h := authn.Require(authn.FirstOf(partner, keys))(http.HandlerFunc(orders))

	signature := hex.EncodeToString(partner.sign(authn.Must(http.NewRequest("GET", "/orders", nil))))
	try(h, "GET", "/orders", "X-Partner-Signature", signature)
	try(h, "GET", "/orders", "X-API-Key", key.Secret.Reveal())
	try(h, "GET", "/other", "X-Partner-Signature", signature, "X-API-Key", key.Secret.Reveal())
	try(h, "GET", "/orders")
	// Output:
	// 200 orders of globex, by partner
	// 200 orders of ada, by apikey
	// 401 {"type":"about:blank","title":"Unauthorized","status":401,"detail":"The credential is malformed, expired, revoked or unknown.","error":"invalid_token"}
	//    Partner realm="api", error="invalid_token", error_description="The credential is malformed, expired, revoked or unknown."
	//    ApiKey realm="api", error="invalid_token", error_description="The credential is malformed, expired, revoked or unknown."
	// 401 {"type":"about:blank","title":"Unauthorized","status":401,"detail":"Authentication is required."}
	//    Partner realm="api"
	//    ApiKey realm="api"
}
