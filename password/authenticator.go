package password

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/store"
)

// method is the Method of Identities and events, factor what a password proves
// (RFC 8176).
const (
	method = "password"
	factor = "pwd"
)

// ErrWrong is 401 invalid_grant: the name or the password is wrong, and nobody
// is told which.
var ErrWrong error = &authn.Error{Status: http.StatusUnauthorized, Code: "invalid_grant", Err: errors.New("authn/password: wrong name or password")}

// Config of New.
type Config struct {
	// Hasher makes and checks hashes. Share one among all Authenticators of a
	// process: its bound on memory is its own. Defaults to one of the zero
	// HasherConfig.
	Hasher *Hasher
	// Policy judges new passwords. Defaults to NIST.
	Policy Policy
	// Breached also refuses new passwords that were breached elsewhere. nil:
	// only the common ones are refused.
	Breached BreachList
	// BreachedFailClosed answers 503 where Breached cannot be asked. Otherwise
	// that is an event, and the password is taken.
	BreachedFailClosed bool
	// OneTime makes the tokens of Forgot and Reset, and its other tokens end with
	// a changed password. nil: no Forgot and Reset.
	OneTime *OneTime
	// Revoke ends what a subject holds, when its password changes: sessions,
	// refresh families, trusted devices. Required unless SkipRevoke.
	Revoke authn.Revoker
	// SkipRevoke lets a thief's session outlive the changed password.
	SkipRevoke bool
	// SkipAttempts makes New take nil attempts: guessing is free.
	SkipAttempts bool
	// Owed says which factors an Identity of Basic still owes. nil: none.
	Owed authn.OwedFunc
	// BasicCache is how long Basic believes a pair that was right, at most 1 min;
	// a changed password ends that at once. Defaults to not at all: each request
	// costs a hash.
	BasicCache time.Duration
	// OnEvent gets refusals, changes, damaged hashes and outages.
	OnEvent authn.EventFunc
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Authenticator proves and changes the passwords of the host's users. It is
// safe for concurrent use.
type Authenticator struct {
	users    store.Passwords
	attempts authn.AttemptLimiter
	cfg      Config
	log      audit.Log
	pad      padding
	basic    *basic
	nameKey  [32]byte // of the names in events
}

// New refuses a Config that is unsafe by omission. attempts is a
// ratelimit.Attempts; nil needs SkipAttempts.
func New(users store.Passwords, attempts authn.AttemptLimiter, cfg Config) (*Authenticator, error) {
	switch {
	case users == nil:
		return nil, errors.New("authn/password: New needs the users' passwords: a store, or the host's own table")
	case attempts == nil && !cfg.SkipAttempts:
		return nil, errors.New("authn/password: New needs attempts (ratelimit.NewAttempts), or Config.SkipAttempts: guessing would be free")
	case attempts != nil && cfg.SkipAttempts:
		return nil, errors.New("authn/password: Config.SkipAttempts with attempts")
	case !endsAnything(cfg.Revoke) && !cfg.SkipRevoke:
		return nil, errors.New("authn/password: New needs Config.Revoke (authn.Revokers of session, jwtauth, …), or SkipRevoke: a thief's session would outlive the changed password")
	case cfg.Revoke != nil && cfg.SkipRevoke:
		return nil, errors.New("authn/password: Config.SkipRevoke with Revoke")
	case cfg.BreachedFailClosed && cfg.Breached == nil:
		return nil, errors.New("authn/password: Config.BreachedFailClosed without Breached")
	case cfg.BasicCache < 0 || cfg.BasicCache > maxBasicCache:
		return nil, fmt.Errorf("authn/password: Config.BasicCache is %s, not 0 to %s", cfg.BasicCache, maxBasicCache)
	}
	if cfg.Hasher == nil {
		h, err := NewHasher(HasherConfig{})
		if err != nil {
			return nil, err
		}
		cfg.Hasher = h
	}
	cfg.Policy.Forbidden = slices.Clone(cfg.Policy.Forbidden)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &Authenticator{
		users: users, attempts: attempts, cfg: cfg,
		log: audit.Log{Method: method, OnEvent: cfg.OnEvent, Now: cfg.Now},
	}
	rand.Read(a.nameKey[:])
	a.basic = newBasic(a)
	return a, nil
}

// endsAnything is false for nothing, and for several that are all nothing.
func endsAnything(r authn.Revoker) bool {
	if rs, ok := r.(authn.Revokers); ok {
		return slices.ContainsFunc(rs, endsAnything)
	}
	return r != nil
}

// Authenticate proves who name is. The Identity has the factor pwd, and is for
// a Login or a Grant, which ask what it owes. Errors: [ErrWrong]; 429
// quota_exceeded while the account or the client is locked; [ErrBusy]; 503.
//
// Whether there is such a user, whether it has a password and whether its hash
// can be read makes no difference to the answer, nor to its time once a hash of
// each kind that the table has was seen. (A hash whose pepper is lost is 503.)
func (a *Authenticator) Authenticate(r *http.Request, name, password string) (*authn.Identity, error) {
	id, _, err := a.authenticate(r, name, password)
	return id, err
}

// authenticate also answers the hash that the password is right for.
func (a *Authenticator) authenticate(r *http.Request, name, password string) (id *authn.Identity, hash string, err error) {
	began := a.cfg.Now()
	var rec store.Password
	name, ok := NormalName(name)
	if ok {
		rec, err = a.users.PasswordByName(r.Context(), name)
		switch {
		case errors.Is(err, store.ErrNotFound):
			rec = store.Password{} // whatever a host's table answers beside it
		case err != nil:
			return nil, "", a.log.Refusal(r, audit.Outage("users", err))
		}
	}
	verdict, err := a.prove(r, rec, name, password)
	if err != nil {
		return nil, "", err
	}
	return a.identity(rec.Subject, began), a.renewed(r.Context(), rec, verdict, password), nil
}

// Confirm asks a user who is signed in again, before something dangerous. The
// factor is for AddFactor. Errors as of Authenticate.
func (a *Authenticator) Confirm(r *http.Request, subject, password string) (authn.Factor, error) {
	rec, err := a.bySubject(r, subject)
	if err != nil {
		return authn.Factor{}, err
	}
	began := a.cfg.Now()
	verdict, err := a.prove(r, rec, rec.Name, password)
	if err != nil {
		return authn.Factor{}, err
	}
	a.renewed(r.Context(), rec, verdict, password)
	return authn.Factor{Name: factor, At: began}, nil
}

// bySubject is the zero Password for an unknown one, which proves nothing.
func (a *Authenticator) bySubject(r *http.Request, subject string) (store.Password, error) {
	if !isText(subject) {
		return store.Password{}, nil
	}
	rec, err := a.users.PasswordBySubject(r.Context(), subject)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return store.Password{}, nil // whatever a host's table answers beside it
	case err != nil:
		return store.Password{}, a.log.Refusal(r, audit.Outage("users", err))
	}
	return rec, nil
}

func (a *Authenticator) identity(subject string, began time.Time) *authn.Identity {
	id := authn.User(subject, method, authn.Factor{Name: factor, At: began})
	id.VerifiedAt = began
	return id
}

// prove takes one attempt, compares, and makes all failures last the same.
func (a *Authenticator) prove(r *http.Request, rec store.Password, name, password string) (Verdict, error) {
	ctx := r.Context()
	attempt, err := a.reserve(r, rec.Subject, name)
	if err != nil {
		return Verdict{}, err // which attempts have reported
	}
	c, wrong, err := a.compare(ctx, rec, password)
	if err != nil { // nobody has looked at the guess
		a.settled(ctx, rec, attempt.Cancelled(context.WithoutCancel(ctx)))
		e := *authn.AsError(err)
		return Verdict{}, a.log.Refusal(r, &e)
	}
	a.pad.saw(c)
	if wrong != "" {
		a.pad.wait(ctx, c)
		return Verdict{}, a.wrong(r, rec, name, wrong)
	}
	a.settled(ctx, rec, attempt.Succeeded(context.WithoutCancel(ctx)))
	return c.Verdict, nil
}

// compare says what is wrong with password, "" if nothing is. A user without a
// hash that can be read costs one, too. err says that nothing was compared.
func (a *Authenticator) compare(ctx context.Context, rec store.Password, password string) (c comparison, wrong string, err error) {
	switch {
	case rec.Subject == "":
		wrong = "unknown name"
	case rec.Hash == "":
		wrong = "no password"
	}
	if wrong == "" {
		c, err = a.cfg.Hasher.compare(ctx, rec.Hash, password)
		switch {
		case err == nil && c.OK:
			return c, "", nil
		case err == nil:
			return c, "wrong password", nil
		case !errors.Is(err, errStored): // ErrBusy, a request that ended, a pepper that is missing
			return c, "", err
		}
		a.log.Send(ctx, authn.Event{Kind: authn.EventWarning, Subject: rec.Subject, SubjectKind: authn.KindUser, Reason: "damaged hash", Err: err})
		wrong = "damaged hash"
	}
	c, err = a.cfg.Hasher.dummy(ctx, password)
	return c, wrong, err
}

// reserve is nil attempts' one, where the host skips them.
func (a *Authenticator) reserve(r *http.Request, subject, name string) (authn.Attempt, error) {
	if a.attempts == nil {
		return free{}, nil
	}
	return a.attempts.Reserve(r, subject, name)
}

type free struct{}

func (free) Succeeded(context.Context) error { return nil }
func (free) Cancelled(context.Context) error { return nil }

// settled reports a reservation that could not be given back: it is the
// client's that was right, and nothing to refuse it for.
func (a *Authenticator) settled(ctx context.Context, rec store.Password, err error) {
	if err != nil {
		a.log.Send(ctx, authn.Event{Kind: authn.EventWarning, Subject: rec.Subject, SubjectKind: authn.KindUser, Reason: "attempt not given back", Err: err})
	}
}

// renewed replaces a hash of older parameters, and answers the one that counts
// now. It never fails a login: what does not work now does at the next one.
func (a *Authenticator) renewed(ctx context.Context, rec store.Password, v Verdict, password string) string {
	if !v.NeedsRehash {
		return rec.Hash
	}
	next, err := a.cfg.Hasher.rehash(ctx, password)
	if err == nil {
		err = a.users.ReplacePasswordHash(ctx, rec.Subject, rec.Hash, next, micros(a.cfg.Now()))
	}
	if err == nil {
		return next
	}
	if !errors.Is(err, store.ErrConflict) && !errors.Is(err, ErrBusy) && ctx.Err() == nil {
		a.log.Send(ctx, authn.Event{Kind: authn.EventWarning, Subject: rec.Subject, SubjectKind: authn.KindUser, Reason: "hash not renewed", Err: err})
	}
	return rec.Hash
}

// wrong is ErrWrong with its event.
func (a *Authenticator) wrong(r *http.Request, rec store.Password, name, reason string) error {
	e := &authn.Error{Status: http.StatusUnauthorized, Code: "invalid_grant", Reason: reason, Err: ErrWrong}
	if rec.Subject != "" {
		e.About = &authn.Identity{Subject: rec.Subject, Kind: authn.KindUser}
		return a.log.Refusal(r, e)
	}
	e.Reported = a.cfg.OnEvent != nil
	a.log.Send(r.Context(), authn.Event{
		Kind: authn.EventRefused, Name: a.hashName(name), Addr: authn.ClientOf(r).Addr, Reason: reason, Err: ErrWrong,
	})
	return e
}

// hashName is what events say of a name that nobody has: people type their
// passwords there.
func (a *Authenticator) hashName(name string) string {
	mac := hmac.New(sha256.New, a.nameKey[:])
	mac.Write([]byte(name))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

const maxText = 255

// NormalName is name as [store.Passwords] knows it: trimmed, in lower case and
// NFC. A host that registers a user stores this, and refuses a name that is not
// ok: nobody could sign in with it.
func NormalName(name string) (normal string, ok bool) {
	if len(name) > maxPassword || !utf8.ValidString(name) {
		return "", false
	}
	name = norm.NFC.String(strings.ToLower(strings.TrimSpace(name)))
	return name, isText(name)
}

// isText reports whether stores take s for a subject or a name.
func isText(s string) bool {
	return s != "" && len(s) <= maxText && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// micros is what stores keep.
func micros(t time.Time) time.Time { return t.Truncate(time.Microsecond) }
