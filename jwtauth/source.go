package jwtauth

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/cookies"
)

var errTwoTokens = errors.New("authn/jwtauth: more than one Authorization")

// credential is the token of a request, "" if there is none, and whether a
// cookie brought it. The query and the form are not looked at (RFC 9700 §4.3.2).
func (v *Verifier) credential(r *http.Request) (raw string, cookie bool, e *authn.Error) {
	fields := r.Header["Authorization"]
	if len(fields) > 1 {
		return "", false, authn.Malformed("two tokens", errTwoTokens)
	}
	if len(fields) == 1 {
		if token := bearerToken(fields[0]); token != "" {
			return token, false, nil
		}
	}
	if v.cfg.Cookie == "" {
		return "", false, nil
	}
	switch value, n := cookies.Find(r.Header, v.cfg.Cookie); {
	case n == 0:
		return "", false, nil
	case n > 1:
		// Another host of the domain may have set one of them.
		return "", true, authn.NoCredential("two cookies")
	case !jwtShaped(value):
		return "", true, authn.NoCredential("malformed cookie")
	default:
		return value, true, nil
	}
}

// bearerToken is a value of the scheme Bearer (RFC 6750 §2.1) that has the
// shape of a token of this package, "" of anything else.
func bearerToken(authorization string) string {
	scheme, token, _ := strings.Cut(authorization, " ")
	if token = strings.TrimLeft(token, " "); !strings.EqualFold(scheme, "Bearer") || !jwtShaped(token) {
		return ""
	}
	return token
}
