package jwtauth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-go/authn"
)

// fixedPublish is the max-age of a fixed ring's JWKS.
const fixedPublish = time.Hour

// jwks is an answer of JWKS, made once for each generation.
type jwks struct {
	generation uint64
	body       []byte
	etag       string
}

// JWKS publishes the public keys as a JWK Set (RFC 7517 §5), newest first:
// those that are staged and retiring, too, and never an HMAC key. It answers
// GET and HEAD, with an ETag and a max-age of RingConfig.Publish, 1 h for a
// ring of NewKeyRing; and 503 while nothing can be read. Mount it where it needs
// no credential:
//
//	mux.Handle("/.well-known/jwks.json", ring.JWKS())
func (r *KeyRing) JWKS() http.Handler { return http.HandlerFunc(r.serveJWKS) }

func (r *KeyRing) serveJWKS(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		authn.WriteError(w, req, &authn.Error{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"})
		return
	}
	doc, maxAge, err := r.document(req.Context())
	if err != nil {
		authn.WriteError(w, req, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", "public, max-age="+strconv.FormatInt(int64(maxAge/time.Second), 10))
	h.Set("ETag", doc.etag)
	h.Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(doc.body)) // ETag, HEAD
}

// document is what to answer, and for how long that may be kept: less what has
// passed since it was read, so that nobody misses a key that was staged
// meanwhile when that begins to sign.
func (r *KeyRing) document(ctx context.Context) (*jwks, time.Duration, error) {
	set, now, err := r.current(ctx)
	if err != nil {
		return nil, 0, err
	}
	maxAge := fixedPublish
	if r.shared != nil {
		maxAge = max(0, r.shared.cfg.Publish-set.age(now))
	}
	generation := set.generationAt(now)
	if doc := r.published.Load(); doc != nil && doc.generation == generation {
		return doc, maxAge, nil
	}
	doc, err := set.publish(now)
	if err != nil {
		return nil, 0, keysOutage(err)
	}
	doc.generation = generation
	r.published.Store(doc)
	return doc, maxAge, nil
}

// publish is the JWK Set of s.
func (s *keySet) publish(now time.Time) (*jwks, error) {
	keys := []json.RawMessage{} // not null
	for i := range s.keys {
		if s.keys[i].gone(now) {
			continue
		}
		if jwk, ok := s.keys[i].key.publicJWK(); ok {
			keys = append(keys, jwk)
		}
	}
	body, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	return &jwks{body: body, etag: `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`}, nil
}
