package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/internal/crossorigin"
	"github.com/gatehouse-go/authn/store"
)

// ErrToken is 400 invalid_grant: a one-time token that is malformed, unknown,
// used, expired, for another purpose, or no longer fitting.
var ErrToken error = &authn.Error{Status: http.StatusBadRequest, Code: "invalid_grant", Err: errors.New("authn/password: a one-time token that is not good")}

// Link is what a one-time token is for.
type Link struct {
	// Purpose is the host's, up to 64 bytes: "verify-email", "magic". A token is
	// good for its own only. PurposeReset is Forgot's.
	Purpose string
	Subject string
	// Bound is what else it is good for, up to 512 bytes: the e-mail address that
	// it was sent to, to be compared with the user's when it comes back.
	Bound string
}

// OneTimeConfig of NewOneTime. The zero OneTimeConfig is good.
type OneTimeConfig struct {
	// TTL is how long a token is good. Defaults to 1 h, at most 24 h (OWASP Forgot
	// Password: short-lived).
	TTL time.Duration
	// CrossOrigin says which other origins may post tokens. Defaults to none.
	CrossOrigin *http.CrossOriginProtection
	// OnEvent gets refusals and outages.
	OnEvent authn.EventFunc
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

const (
	defaultTTL = time.Hour
	maxTTL     = 24 * time.Hour
	// maxTokens is how many live ones a subject has of a purpose: whoever knows
	// a name can ask for mails to it.
	maxTokens  = 5
	tokenBytes = 32
	maxPurpose = 64
	maxBound   = 512
)

// OneTime makes tokens for the links in mails: to reset a password, to verify an
// address, to log in. It is an [authn.Revoker], also among Config.Revoke, and safe
// for concurrent use.
//
// A link's GET shows a page (Peek) and uses nothing up, since mail scanners open
// links; the page's form posts the token (Consume).
type OneTime struct {
	st  store.OneTime
	cfg OneTimeConfig
	log audit.Log
}

var _ authn.Revoker = (*OneTime)(nil)

// NewOneTime refuses a TTL of over a day.
func NewOneTime(st store.OneTime, cfg OneTimeConfig) (*OneTime, error) {
	if st == nil {
		return nil, errors.New("authn/password: NewOneTime needs a store, such as memstore.New")
	}
	if cfg.TTL == 0 {
		cfg.TTL = defaultTTL
	}
	if cfg.TTL < time.Minute || cfg.TTL > maxTTL {
		return nil, fmt.Errorf("authn/password: OneTimeConfig.TTL is %s, not 1 min to 24 h", cfg.TTL)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &OneTime{st: st, cfg: cfg, log: audit.Log{Method: method, OnEvent: cfg.OnEvent, Now: cfg.Now}}, nil
}

// Issue makes a token for l. Errors: store.ErrLimit when the subject has five
// live ones of the purpose, which are good still; 503.
func (t *OneTime) Issue(ctx context.Context, l Link) (authn.Secret, error) {
	if l.Purpose == PurposeReset {
		return authn.Secret{}, fault("tokens of that Purpose are Forgot's")
	}
	return t.issue(ctx, l)
}

func (t *OneTime) issue(ctx context.Context, l Link) (authn.Secret, error) {
	if e := l.check(); e != nil {
		return authn.Secret{}, e
	}
	var raw [tokenBytes]byte
	rand.Read(raw[:])
	secret := base64.RawURLEncoding.EncodeToString(raw[:])
	now := micros(t.cfg.Now())
	err := t.st.CreateOneTime(ctx, store.OneTimeToken{
		Digest: store.DigestOf(secret), Purpose: l.Purpose, Subject: l.Subject, Bound: l.Bound,
		CreatedAt: now, ExpiresAt: now.Add(t.cfg.TTL),
	}, maxTokens, now)
	switch {
	case errors.Is(err, store.ErrLimit):
		return authn.Secret{}, err
	case err != nil:
		return authn.Secret{}, audit.Outage("store", err)
	}
	return authn.NewSecret(secret), nil
}

// check names a mistake of the host's.
func (l Link) check() *authn.Error {
	switch {
	case l.Purpose == "" || len(l.Purpose) > maxPurpose || !utf8.ValidString(l.Purpose):
		return fault("a Link's Purpose is 1 to %d bytes of UTF-8", maxPurpose)
	case !isText(l.Subject):
		return fault("a Link's Subject is 1 to %d bytes of UTF-8 without NUL", maxText)
	case len(l.Bound) > maxBound || !utf8.ValidString(l.Bound) || strings.IndexByte(l.Bound, 0) >= 0:
		return fault("a Link's Bound is at most %d bytes of UTF-8 without NUL", maxBound)
	}
	return nil
}

// Peek says what token is for and uses nothing up: for the page behind a link.
// Errors: [ErrToken]; 503.
func (t *OneTime) Peek(ctx context.Context, purpose, token string) (Link, error) {
	rec, e := t.find(ctx, purpose, token)
	if e != nil {
		return Link{}, e
	}
	return link(rec), nil
}

// Consume uses token up: one caller gets it. Errors: [ErrToken]; 403 for a
// request that another site made, and 405 for a GET; 503.
func (t *OneTime) Consume(r *http.Request, purpose, token string) (Link, error) {
	if purpose == PurposeReset {
		return Link{}, fault("tokens of Forgot are for Reset")
	}
	if e := t.checkOrigin(r); e != nil {
		return Link{}, t.log.Refusal(r, e)
	}
	rec, e := t.find(r.Context(), purpose, token)
	if e == nil {
		rec, e = t.claim(r.Context(), rec)
	}
	if e != nil {
		return Link{}, t.log.Refusal(r, e)
	}
	return link(rec), nil
}

// checkOrigin wants a request of the site's own pages, by a method that no
// link has: what opens links would use tokens up, and no cross-origin check
// looks at a GET.
func (t *OneTime) checkOrigin(r *http.Request) *authn.Error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == "" {
		return &authn.Error{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Reason: "one-time token by GET"}
	}
	return crossorigin.Check(t.cfg.CrossOrigin, r)
}

// find reads a live token of purpose.
func (t *OneTime) find(ctx context.Context, purpose, token string) (store.OneTimeToken, *authn.Error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(clip(token))
	if err != nil || len(raw) != tokenBytes {
		return store.OneTimeToken{}, badToken("malformed token")
	}
	digest, now := store.DigestOf(token), t.cfg.Now()
	rec, err := t.st.OneTimeByDigest(ctx, digest, now)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return rec, badToken("unknown, used or expired token")
	case err != nil:
		return rec, audit.Outage("store", err)
	case rec.Purpose != purpose || !now.Before(rec.ExpiresAt) || subtle.ConstantTimeCompare(rec.Digest[:], digest[:]) != 1:
		return store.OneTimeToken{}, badToken("token of another purpose, or expired")
	}
	return rec, nil
}

// claim uses rec up.
func (t *OneTime) claim(ctx context.Context, rec store.OneTimeToken) (store.OneTimeToken, *authn.Error) {
	rec, err := t.st.ClaimOneTime(ctx, rec.Digest, t.cfg.Now())
	switch {
	case errors.Is(err, store.ErrNotFound):
		return rec, badToken("used token")
	case err != nil:
		return rec, audit.Outage("store", err)
	}
	return rec, nil
}

// keeping is in the context of what a change or a reset ends before it burns
// its own token, which must not be among that. Afterwards all end.
type keeping struct{}

// RevokeSubject is of [authn.Revoker]: it ends all tokens of subject.
func (t *OneTime) RevokeSubject(ctx context.Context, subject string) error {
	if !isText(subject) || ctx.Value(keeping{}) != nil {
		return nil // nobody has any, or not yet
	}
	if err := t.st.RevokeOneTimeOf(ctx, subject); err != nil {
		return audit.Outage("store", err)
	}
	return nil
}

func link(rec store.OneTimeToken) Link {
	return Link{Purpose: rec.Purpose, Subject: rec.Subject, Bound: rec.Bound}
}

// clip makes what is too long to be a token too short to be one, before it is
// decoded.
func clip(token string) string {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return ""
	}
	return token
}

func badToken(reason string) *authn.Error {
	return &authn.Error{Status: http.StatusBadRequest, Code: "invalid_grant", Reason: reason, Err: ErrToken}
}

// fault is a mistake of the host's, which no client can mend.
func fault(format string, args ...any) *authn.Error {
	return &authn.Error{Status: http.StatusInternalServerError, Code: "internal", Err: fmt.Errorf("authn/password: "+format, args...)}
}
