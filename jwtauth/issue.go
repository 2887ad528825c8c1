package jwtauth

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/store"
)

// The typ of our tokens (RFC 9068 §2.1).
const (
	accessType  = "at+jwt"
	pendingType = "pending+jwt"
)

// Issue makes tokens for who has just logged in. Who owes factors gets a token
// for proving these only, for 10 min: on a route with authn.AllowPending prove
// one, and Issue again with the same Grant for id.WithFactor(f). That token
// carries the whole Identity, Attributes included, signed and not encrypted.
//
// Its errors are *[authn.Error]s: 401 when everything of the subject was
// revoked after Identity.VerifiedAt, 400 invalid_scope or invalid_target for
// what is not the Identity's or the issuer's to give, 403 for a key, 500 for a
// mistake of the host's. Those of Owed and Claims are as of [authn.Verifier];
// anything else is an outage.
func (i *Issuer) Issue(ctx context.Context, g Grant) (TokenSet, error) {
	if _, ok := authn.ClientFromContext(ctx); !ok && g.Request != nil {
		ctx = authn.WithClient(ctx, authn.ClientOf(g.Request)) // for the events
	}
	set, err := i.issue(ctx, &g)
	if err != nil {
		var event authn.Event
		if g.Identity != nil {
			event.Subject, event.SubjectKind = g.Identity.Subject, g.Identity.Kind
		}
		i.failed(ctx, event, err)
		return TokenSet{}, err
	}
	return set, nil
}

func (i *Issuer) issue(ctx context.Context, g *Grant) (TokenSet, error) {
	if err := g.check(i); err != nil {
		return TokenSet{}, err
	}
	id := g.Identity.Clone()
	id.Credential, id.CredentialID, id.ExpiresAt = nil, "", time.Time{} // those of the token
	scopes, err := narrowed(g.Scopes, id.Scopes)
	if err != nil {
		return TokenSet{}, err
	}
	now, version := i.cfg.Now(), int64(1)
	if i.st != nil {
		version, err = i.st.TokenVersion(ctx, id.Subject, now.Sub(id.VerifiedAt))
		if err != nil {
			return TokenSet{}, loginError(err)
		}
	}
	if err := i.owed(ctx, g, id); err != nil {
		return TokenSet{}, err
	}
	id.Scopes = scopes // of half a login, too: its second step gets no more
	t := &access{id: id, client: g.ClientID, audience: g.Audience, confirm: g.Confirm, version: version}
	if len(id.Pending) > 0 {
		t.issued(now, pendingTTL)
		return i.signPending(ctx, t)
	}
	t.issued(now, g.ttl(i))
	if t.audience == nil {
		t.audience = i.cfg.Audience
	}
	if t.client == "" && id.Kind == authn.KindClient {
		t.client = id.Subject
	}
	if g.Refresh {
		return i.begin(ctx, t)
	}
	set, err := i.signAccess(ctx, t)
	if err != nil {
		return TokenSet{}, err
	}
	i.log.Send(ctx, authn.Event{Kind: authn.EventCreated, Subject: id.Subject, SubjectKind: id.Kind, CredentialID: t.jti})
	return set, nil
}

// owed adds to id.Pending what Owed says.
func (i *Issuer) owed(ctx context.Context, g *Grant, id *authn.Identity) error {
	var names []string
	var err error
	if i.cfg.Owed != nil {
		if names, err = i.cfg.Owed(ctx, g.Request, id.Clone()); err != nil {
			return err
		}
	}
	for _, name := range names {
		if !slices.Contains(id.Pending, name) {
			id.Pending = append(id.Pending, name)
		}
	}
	if slices.Contains(id.Pending, "") {
		return fault("Owed, or Identity.Pending, has a factor without a name")
	}
	return nil
}

// begin makes the first tokens of a login that lives by refreshing.
func (i *Issuer) begin(ctx context.Context, t *access) (TokenSet, error) {
	now := t.issuedAt
	rt := newRefreshToken(t.id.Subject, i.kc.KeyID())
	f := store.RefreshFamily{
		Ref: rt.ref(), Subject: t.id.Subject, ClientID: t.client, Identity: *t.id,
		Scopes: t.id.Scopes, Audience: t.audience, Confirm: t.confirm, Version: t.version,
		Generation: rt.generation, KeyID: rt.keyID, RotatedAt: micros(now),
		IdleUntil: micros(now.Add(i.cfg.RefreshIdle)), ExpiresAt: micros(now.Add(i.cfg.RefreshAbsolute)),
	}
	t.family = f.Ref.ID
	t.until(f.IdleUntil)
	set, err := i.signAccess(ctx, t)
	if err != nil {
		return TokenSet{}, err
	}
	if err := i.setRefresh(&set, rt, f); err != nil {
		return TokenSet{}, err
	}
	// Last, so that nothing is left of a login that failed.
	if err := i.st.CreateFamily(ctx, f); err != nil {
		return TokenSet{}, loginError(err)
	}
	i.log.Send(ctx, authn.Event{Kind: authn.EventLogin, Subject: f.Subject, SubjectKind: t.id.Kind, CredentialID: f.Ref.ID})
	return set, nil
}

// setRefresh adds a refresh token of f to set.
func (i *Issuer) setRefresh(set *TokenSet, rt refreshToken, f store.RefreshFamily) error {
	text, err := rt.encode(i.kc, i.cfg.Issuer)
	if err != nil {
		return audit.Outage("keychain", err)
	}
	set.Refresh, set.RefreshExpiresAt = authn.NewSecret(text), f.IdleUntil
	return nil
}

// loginError is what a login is answered that the store refuses.
func loginError(err error) error {
	if errors.Is(err, store.ErrConflict) {
		return authn.Refused("revoked during the login", err)
	}
	return storeError(err)
}

// storeError is an outage; ErrFull is one that says so itself.
func storeError(err error) error {
	return audit.Outage("store", err)
}

// access is an access token that is being made.
type access struct {
	id       *authn.Identity // Scopes are the token's
	client   string
	audience []string
	confirm  string
	version  int64
	family   string // sid
	jti      string
	issuedAt time.Time
	iat, exp int64
}

// issued sets the times: whole seconds, of which the last is not longer than
// ttl after now.
func (t *access) issued(now time.Time, ttl time.Duration) {
	t.issuedAt, t.iat = now, now.Unix()
	t.exp = t.iat + int64(ttl/time.Second)
	t.jti = randomID()
}

// until ends t with its login.
func (t *access) until(end time.Time) {
	t.exp = max(min(t.exp, end.Unix()), t.iat+1)
}

// signAccess makes the access token, and the answer without refresh token.
func (i *Issuer) signAccess(ctx context.Context, t *access) (TokenSet, error) {
	var extra any
	if i.cfg.Claims != nil {
		claims, err := i.cfg.Claims(ctx, t.id.Clone())
		if err != nil {
			return TokenSet{}, err
		}
		extra = claims
	}
	w := claimWriters.Get().(*claimWriter)
	defer w.free()
	i.writeCommon(w, t)
	w.texts("aud", t.audience)
	w.text(claimClient, t.client)
	w.scope(t.id.Scopes)
	w.texts(claimRoles, t.id.Roles)
	w.text(claimFamily, t.family)
	w.factors(t.id.Factors)
	if t.id.Kind == authn.KindClient {
		w.text(claimKind, kindClient)
	}
	if extra != nil {
		if err := w.extra(extra); err != nil {
			return TokenSet{}, err
		}
	}
	return i.sign(ctx, w, t, accessType)
}

// signPending makes the token of half a login: the whole Identity, for this
// issuer alone.
func (i *Issuer) signPending(ctx context.Context, t *access) (TokenSet, error) {
	w := claimWriters.Get().(*claimWriter)
	defer w.free()
	i.writeCommon(w, t)
	w.text("aud", i.cfg.Issuer)
	// As a text: its names are the host's, and not for a strict reader of claims.
	text, err := json.Marshal(t.id)
	if err != nil {
		return TokenSet{}, fault("Grant.Identity: %w", err)
	}
	w.text(claimIdentity, string(text))
	set, err := i.sign(ctx, w, t, pendingType)
	set.Scopes, set.Pending = nil, t.id.Pending
	return set, err
}

// writeCommon begins with the claims of every token.
func (i *Issuer) writeCommon(w *claimWriter, t *access) {
	w.begin()
	w.text("iss", i.cfg.Issuer)
	w.text("sub", t.id.Subject)
	w.number("exp", t.exp)
	w.number("iat", t.iat)
	w.number("nbf", t.iat)
	w.text("jti", t.jti)
	w.number(claimVersion, t.version)
	if t.confirm != "" {
		w.name("cnf")
		w.b = append(appendText(append(w.b, `{"x5t#S256":`...), t.confirm), '}')
	}
}

func (i *Issuer) sign(ctx context.Context, w *claimWriter, t *access, typ string) (TokenSet, error) {
	key, err := i.ring.signingKey(ctx)
	if err != nil {
		return TokenSet{}, audit.Outage("keys", err)
	}
	text, err := w.sign(key, typ)
	if err != nil {
		return TokenSet{}, err
	}
	lifetime := time.Duration(t.exp-t.iat) * time.Second
	if i.cfg.Cookies != nil { // now, while nothing is spent
		if err := checkCookieSize(i.accessCookie(text, lifetime)); err != nil {
			return TokenSet{}, err
		}
	}
	return TokenSet{
		Access: authn.NewSecret(text), ExpiresAt: time.Unix(t.exp, 0), Scopes: slices.Clone(t.id.Scopes), lifetime: lifetime,
	}, nil
}

// micros is what stores keep.
func micros(t time.Time) time.Time { return t.Truncate(time.Microsecond) }
