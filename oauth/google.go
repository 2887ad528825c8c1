package oauth

import "github.com/gatehouse-go/authn"

const googleIssuer = "https://accounts.google.com"

// Google is named "google".
// https://developers.google.com/identity/openid-connect/openid-connect
//
// For refresh tokens set Params to {"access_type": {"offline"}, "prompt":
// {"consent"}}. EmailVerified is Google's word of some day: only for addresses of
// gmail.com, and where Claims have "hd", it runs the mailbox itself.
func Google(id string, secret authn.Secret) Provider {
	p := OIDC("google", googleIssuer, id, secret)
	p.spec.issuers = func(iss string) string {
		// Google documents both, and they are one: the key must not change.
		if iss == googleIssuer || iss == "accounts.google.com" {
			return googleIssuer
		}
		return ""
	}
	return p
}
