package apikey

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

const (
	maxBody = 64 << 10
	// freshFactor is how recent the login of a person must be.
	freshFactor = 15 * time.Minute
)

// Handler is a JSON API by which owners manage their keys. Mount it behind
// authn.Require and http.StripPrefix; the owner is the Subject of the Identity:
//
//	GET    /?cursor=…&limit=…  {"keys": [Key…], "next": "…"}
//	POST   /                   {"name", "scopes", "expires_at"} → 201 Key and "secret"
//	POST   /{id}/rotate        {"grace_seconds"} → 201 Key and "secret"
//	DELETE /{id}               204
//
// Key is the JSON of [Key]. A KindUser needs a factor that was proven within
// 15 min (else 401, RFC 9470); Config.Managers names kinds that need none, and
// whose routes should want a scope, since revoking is not capped by scopes;
// others get 403. Scopes are capped as in Create; metadata is the host's, and
// has no way in here. A POST is application/json, also without a body, so that
// no form of another site is one; bodies are up to 64 KiB and have no unknown
// members. Errors are as of authn.WriteError, but that 404 and 405 of a wrong
// path or method are http.ServeMux's. Answers are not to be cached.
func (k *Keys) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", k.serveList)
	mux.HandleFunc("POST /{$}", k.serveCreate)
	mux.HandleFunc("POST /{id}/rotate", k.serveRotate)
	mux.HandleFunc("DELETE /{id}", k.serveRevoke)
	return authn.Allow(authn.RuleFunc(k.mayManage))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		mux.ServeHTTP(w, r)
	}))
}

var fresh = authn.Within(freshFactor)

func (k *Keys) mayManage(r *http.Request, id *authn.Identity) error {
	switch {
	case slices.Contains(k.cfg.Managers, id.Kind):
		return nil
	case id.Kind == authn.KindUser:
		return fresh.Allow(r, id)
	default:
		return authn.Forbidden("wrong kind", nil)
	}
}

// owner is the Subject in the context; Allow has made sure of it.
func owner(r *http.Request) string {
	id, _ := authn.FromContext(r.Context())
	return id.Subject
}

func (k *Keys) serveList(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	page := store.Page{Cursor: query.Get("cursor")}
	if limit := query.Get("limit"); limit != "" {
		n, err := strconv.Atoi(limit)
		if err != nil || n < 1 {
			k.fail(w, r, invalid("limit is a number over 0"))
			return
		}
		page.Limit = n
	}
	keys, next, err := k.List(r.Context(), owner(r), page)
	if err != nil {
		k.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Keys []Key  `json:"keys"`
		Next string `json:"next,omitempty"`
	}{keys, next})
}

func (k *Keys) serveCreate(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Name      string    `json:"name"`
		Scopes    []string  `json:"scopes"`
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := readJSON(w, r, &body); err != nil {
		k.fail(w, r, err)
		return
	}
	key, err := k.Create(r.Context(), owner(r), Spec{Name: body.Name, Scopes: body.Scopes, ExpiresAt: body.ExpiresAt})
	k.answerIssued(w, r, key, err)
}

func (k *Keys) serveRotate(w http.ResponseWriter, r *http.Request) {
	var body struct {
		GraceSeconds int64 `json:"grace_seconds"`
	}
	if err := readJSON(w, r, &body); err != nil {
		k.fail(w, r, err)
		return
	}
	if body.GraceSeconds < 0 || body.GraceSeconds > int64(maxGrace/time.Second) {
		k.fail(w, r, invalid("grace_seconds is 0 to %d", maxGrace/time.Second))
		return
	}
	key, err := k.Rotate(r.Context(), owner(r), r.PathValue("id"), time.Duration(body.GraceSeconds)*time.Second)
	k.answerIssued(w, r, key, err)
}

func (k *Keys) serveRevoke(w http.ResponseWriter, r *http.Request) {
	if err := k.Revoke(r.Context(), owner(r), r.PathValue("id")); err != nil {
		k.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// answerIssued is the one answer that shows a key.
func (k *Keys) answerIssued(w http.ResponseWriter, r *http.Request, key Issued, err error) {
	if err != nil {
		k.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusCreated, struct {
		Secret string `json:"secret"`
		Key
	}{key.Secret.Reveal(), key.Key})
}

// fail answers err; an outage is also an event.
func (k *Keys) fail(w http.ResponseWriter, r *http.Request, err error) {
	gone := errors.Is(r.Context().Err(), context.Canceled) // the client has
	if e := authn.AsError(err); e.Status >= http.StatusInternalServerError && !gone {
		k.send(r.Context(), authn.Event{Kind: authn.EventOutage, Reason: "key management", Err: err})
	}
	authn.WriteError(w, r, err)
}

// readJSON reads one JSON value with known members and nothing after it. No
// body at all is an empty object.
func readJSON(w http.ResponseWriter, r *http.Request, into any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return invalid("Content-Type is not application/json")
	}
	if r.Body == nil {
		return nil
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return invalid("body: %w", err)
	}
	if len(body) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return invalid("body: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return invalid("something follows the JSON value")
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that is gone is nobody's error
}
