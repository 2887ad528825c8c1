package oauth

import (
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
)

// method is the Method of Identities and events, and the name of their factor.
const method = "oauth"

// Profile is who the provider says it is. What finds it again is (Issuer, Subject):
// never link by e-mail.
type Profile struct {
	// Provider is the Name of the Provider.
	Provider string
	// Issuer and Subject are the key. Issuer is a URL; Subject is at most 255 bytes
	// of text and means nothing at another Issuer.
	Issuer, Subject string
	// Email is "" if the provider does not tell.
	Email string
	// EmailVerified says that the provider has verified this very Email, in the
	// document that Email is from. It is no proof of who it is.
	EmailVerified bool
	// Name is for display, and Picture an https URL; both may be "".
	Name, Picture string
	// Claims are those of the id_token and, where it was asked, of userinfo; of
	// plain OAuth 2 what the provider says of the user. Numbers are json.Number.
	Claims map[string]any
	// Token is for the provider's API.
	Token *oauth2.Token
	// IDToken is as it came, and zero of plain OAuth 2.
	IDToken authn.Secret
	// ReturnTo is a path of this host; "/" if the flow had none.
	ReturnTo string
	// LinkTo is the Subject of who started the flow by [Login.Link] and is signed
	// in still. "" for a login.
	LinkTo string

	began    time.Time // when the callback came
	provenAt time.Time // when the user proved it to the provider
}

// Identity is the host's user, who has just come by this provider. It has the
// factor "oauth" as of the provider's auth_time, so that authn.Within counts from when
// the user was last asked there; and as of now, whether asked or not, where it tells
// none: set Params' max_age for one. Whatever the
// provider asked for is no factor of this service.
func (p Profile) Identity(subject string) *authn.Identity {
	id := authn.User(subject, method)
	if !p.began.IsZero() {
		id.VerifiedAt = p.began
	}
	at := p.provenAt
	if at.IsZero() {
		at = id.VerifiedAt
	}
	id.Factors = []authn.Factor{{Name: method, At: at}}
	return id
}
