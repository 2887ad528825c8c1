package jwtauth

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/cookies"
	"github.com/gatehouse-go/authn/internal/crossorigin"
)

// maxBody bounds the bodies of token requests, in bytes.
const maxBody = 16 << 10

// tokenRequest is what a client sends to refresh or to log out.
type tokenRequest struct {
	refresh  string
	cookie   bool   // the refresh token came in one
	access   string // of Authorization
	clientID string
	scopes   []string // nil: not narrowed
}

// readTokenRequest reads the body and Authorization.
func readTokenRequest(w http.ResponseWriter, r *http.Request) (req tokenRequest, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return req, authn.Malformed("body", err)
	}
	param, err := parameters(r.Header.Get("Content-Type"), string(body))
	if err != nil {
		return req, authn.Malformed("body", err)
	}
	if grant := param["grant_type"]; grant != "" && grant != "refresh_token" {
		return req, &authn.Error{Status: http.StatusBadRequest, Code: "unsupported_grant_type"}
	}
	req.refresh, req.clientID = param["refresh_token"], param["client_id"]
	if req.clientID != "" && !isText(req.clientID) {
		return req, authn.Malformed("client_id", nil)
	}
	if scope := param["scope"]; scope != "" {
		req.scopes = append([]string{}, splitScope(scope)...) // " " is none, and not all
	}
	fields := r.Header["Authorization"]
	if len(fields) > 1 {
		return req, authn.Malformed("two tokens", errTwoTokens)
	}
	if len(fields) == 1 {
		req.access = bearerToken(fields[0])
	}
	return req, nil
}

// readRefreshCookie completes req, if the body has no token. The cookie counts
// only in a request that no other site made a browser send. Two of the name are
// nobody's: another host of the domain may have set one.
func (i *Issuer) readRefreshCookie(r *http.Request, req *tokenRequest) *authn.Error {
	if i.cfg.Cookies == nil || req.refresh != "" {
		return nil
	}
	value, n := cookies.Find(r.Header, i.cfg.Cookies.Refresh)
	if n != 1 {
		return nil
	}
	req.refresh, req.cookie = value, true
	return crossorigin.Check(i.cfg.CrossOrigin, r)
}

// parameterNames are what a tokenRequest is read from.
var parameterNames = [...]string{"grant_type", "refresh_token", "client_id", "scope"}

// parameters are those of a form or of a JSON object; none may be there twice
// (RFC 6749 §3.2). An empty body has none.
func parameters(contentType, body string) (map[string]string, error) {
	param := make(map[string]string)
	if body == "" {
		return param, nil
	}
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return nil, err
	}
	switch media {
	case "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(body)
		if err != nil {
			return nil, err
		}
		for name, list := range values {
			if len(list) > 1 {
				return nil, fmt.Errorf("%.64q is there twice", name)
			}
			param[name] = list[0]
		}
	case "application/json":
		err := members(body, func(name, value string) error {
			if value[0] != '"' && !slices.Contains(parameterNames[:], name) {
				return nil
			}
			s, err := textOf(value)
			param[name] = s
			return err
		})
		if err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("neither a form nor JSON")
	}
	for name, value := range param {
		if !utf8.ValidString(value) || strings.IndexByte(value, 0) >= 0 {
			return nil, fmt.Errorf("%.64q is not text", name)
		}
	}
	return param, nil
}
