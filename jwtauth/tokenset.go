package jwtauth

import (
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
)

// TokenSet is what a login or a refresh gets (RFC 6749 §5.1).
type TokenSet struct {
	Access authn.Secret
	// Refresh is zero unless the Grant asked for it.
	Refresh authn.Secret
	// ExpiresAt is of Access, RefreshExpiresAt of Refresh if it is not used.
	ExpiresAt, RefreshExpiresAt time.Time
	// Scopes are those of Access.
	Scopes []string
	// Pending names factors that are still owed. Access then is good for
	// proving them only, on routes with authn.AllowPending, and there is no
	// Refresh.
	Pending []string

	lifetime time.Duration // of Access, from when it was issued
}

// tokenResponse is RFC 6749 §5.1, with what is owed. What is empty is left out.
type tokenResponse struct {
	AccessToken  string
	ExpiresIn    int64
	RefreshToken string
	Scope        string
	Pending      []string
}

// WriteTokens answers t as JSON, with Cache-Control: no-store: access_token,
// token_type "Bearer", expires_in in seconds, refresh_token, scope, and pending
// where factors are owed. The error is of writing to w.
func WriteTokens(w http.ResponseWriter, t TokenSet) error {
	r := t.response()
	r.AccessToken, r.RefreshToken = t.Access.Reveal(), t.Refresh.Reveal()
	return r.write(w)
}

// accessLifetime is from when Access was issued; of a TokenSet that a host
// made, from now.
func (t TokenSet) accessLifetime() time.Duration {
	if t.lifetime > 0 {
		return t.lifetime
	}
	return time.Until(t.ExpiresAt)
}

func (t TokenSet) response() tokenResponse {
	return tokenResponse{
		ExpiresIn: int64(t.accessLifetime() / time.Second), Scope: strings.Join(t.Scopes, " "), Pending: t.Pending,
	}
}

// write does not take encoding/json, for the reason of claimWriter.
func (r tokenResponse) write(w http.ResponseWriter) error {
	j := claimWriters.Get().(*claimWriter)
	defer j.free()
	j.begin()
	j.text("access_token", r.AccessToken)
	j.text("token_type", "Bearer")
	j.number("expires_in", r.ExpiresIn)
	j.text("refresh_token", r.RefreshToken)
	j.text("scope", r.Scope)
	j.texts("pending", r.Pending)
	j.b = append(j.b, "}\n"...)
	noStore(w)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_, err := w.Write(j.b)
	return err
}

// noStore is RFC 6749 §5.1.
func noStore(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
}
