package jwtauth

import (
	"context"
	"errors"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// ErrReuse says that a spent refresh token came again, after its grace: it was
// stolen, or a client lost count. The login is revoked. It is 400
// invalid_grant (RFC 9700 §4.14.2).
var ErrReuse error = invalidGrant("reuse", errors.New("authn/jwtauth: a spent refresh token came again"))

// codeInvalidGrant is of RFC 6749 §5.2.
const codeInvalidGrant = "invalid_grant"

// invalidGrant is the answer whatever is wrong with a refresh token.
func invalidGrant(reason string, cause error) *authn.Error {
	return &authn.Error{Status: http.StatusBadRequest, Code: codeInvalidGrant, Reason: reason, Err: cause}
}

// Refresh exchanges a refresh token for the next one and a new access token.
// g has the ClientID of the login, and its Confirm or a ClientCert; it may narrow
// Audience and Scopes of the access token, and set its TTL; who it is for is the
// login's. Factors keep the times at which they were proven.
//
// The token before the current one gets the same answer again within
// RefreshGrace: the same next refresh token, and a new access token. A call
// that fails on our side has spent nothing.
//
// Its errors are or wrap *[authn.Error]s: 400 invalid_grant for a token that is
// not good, [ErrReuse] among them, and for a login that Reload refuses; 400
// invalid_scope and invalid_target; those of Claims; 500 for a mistake of the
// host's, such as a call in a transaction. Anything else is an outage, and the
// client may try again.
func (i *Issuer) Refresh(ctx context.Context, token string, g Grant) (TokenSet, error) {
	rt, err := i.refreshable(ctx, token, &g)
	if err != nil {
		i.failed(ctx, authn.Event{}, err)
		return TokenSet{}, err
	}
	set, f, err := i.refresh(ctx, rt, &g)
	if err != nil {
		i.failed(ctx, familyEvent(authn.EventRefused, f), err)
		return TokenSet{}, err
	}
	i.log.Send(ctx, familyEvent(authn.EventRefreshed, f))
	return set, nil
}

// refreshable is token, if nothing is wrong with the call.
func (i *Issuer) refreshable(ctx context.Context, token string, g *Grant) (refreshToken, error) {
	if i.st == nil {
		return refreshToken{}, fault("Refresh needs a store")
	}
	if store.InTx(ctx) { // with which the end of a stolen login would be rolled back
		return refreshToken{}, fault("Refresh in a transaction, which may be rolled back: call it without")
	}
	if err := g.checkRest(i); err != nil {
		return refreshToken{}, err
	}
	rt, err := parseRefreshToken(token, i.kc, i.cfg.Issuer)
	if err != nil {
		return refreshToken{}, invalidGrant("malformed", err)
	}
	return rt, nil
}

// refresh does everything that may fail before the store moves the family on,
// so that an outage does not spend a token whose successor nobody gets.
func (i *Issuer) refresh(ctx context.Context, rt refreshToken, g *Grant) (set TokenSet, f store.RefreshFamily, err error) {
	ref := rt.ref()
	f, err = i.st.Family(ctx, ref)
	if err != nil {
		return set, f, grantError(err)
	}
	confirm := g.Confirm
	if f.Confirm != "" && confirmed(f.Confirm, g.ClientCert) {
		confirm = f.Confirm
	}
	switch {
	case !f.RevokedAt.IsZero():
		return set, f, invalidGrant("revoked", nil)
	case f.ClientID != g.ClientID:
		return set, f, invalidGrant("another client", nil)
	case f.Confirm != confirm:
		return set, f, invalidGrant("bound to another certificate", nil)
	}
	advance := store.FamilyAdvance{
		Generation: rt.generation, ClientID: g.ClientID, Confirm: confirm, KeyID: i.kc.KeyID(),
		Grace: max(i.cfg.RefreshGrace, 0), Idle: i.cfg.RefreshIdle,
	}
	if rt.generation+1 < f.Generation { // spent, whatever else is asked for
		_, err := i.st.AdvanceFamily(ctx, ref, advance)
		return set, f, grantError(err)
	}
	t, err := i.reissue(ctx, &f, g)
	if err != nil {
		return set, f, err
	}
	if set, err = i.signAccess(ctx, t); err != nil {
		return TokenSet{}, f, err
	}
	moved, err := i.st.AdvanceFamily(ctx, ref, advance)
	if err != nil {
		return TokenSet{}, f, grantError(err)
	}
	err = i.setRefresh(&set, rt.of(moved), moved)
	return set, f, err
}

// reissue is the next access token of f.
func (i *Issuer) reissue(ctx context.Context, f *store.RefreshFamily, g *Grant) (*access, error) {
	id := f.Identity.Clone()
	bound := f.Scopes
	if i.cfg.Reload != nil {
		now, err := i.cfg.Reload(ctx, id.Clone())
		if err != nil {
			return nil, i.reloadError(ctx, f, err)
		}
		if now == nil {
			return nil, fault("Reload answered neither an Identity nor an error")
		}
		if err := checkRoles(now.Roles); err != nil {
			return nil, err
		}
		id.Roles, id.Attributes = now.Roles, now.Attributes
		bound = intersection(f.Scopes, now.Scopes)
	}
	var err error
	if id.Scopes, err = narrowed(g.Scopes, bound); err != nil {
		return nil, err
	}
	t := &access{
		id: id, client: f.ClientID, audience: intersection(f.Audience, i.cfg.Audience), confirm: f.Confirm, version: f.Version, family: f.Ref.ID,
	}
	if g.Audience != nil {
		if !within(g.Audience, f.Audience) {
			return nil, errInvalidTarget
		}
		t.audience = g.Audience
	}
	if len(t.audience) == 0 { // another issuer's login, or one from before the Audience changed
		return nil, errInvalidTarget
	}
	t.issued(i.cfg.Now(), g.ttl(i))
	t.until(f.ExpiresAt)
	return t, nil
}

// reloadError ends the login of a user who is refused. An outage does not, nor
// does a limit.
func (i *Issuer) reloadError(ctx context.Context, f *store.RefreshFamily, err error) error {
	e := authn.AsError(err)
	if e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests {
		return err
	}
	if err := i.st.RevokeFamily(ctx, f.Ref, micros(i.cfg.Now())); err != nil && !errors.Is(err, store.ErrNotFound) {
		return storeError(err)
	}
	i.log.Send(ctx, familyEvent(authn.EventRevoked, *f))
	return invalidGrant("refused by Reload", err)
}

// intersection is the part of a that is in b, never nil.
func intersection(a, b []string) []string {
	both := make([]string, 0, len(a))
	for _, s := range a {
		if within([]string{s}, b) {
			both = append(both, s)
		}
	}
	return both
}

// grantError is what the store says of a family.
func grantError(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return invalidGrant("unknown, expired or revoked", err)
	case errors.Is(err, store.ErrConflict):
		return ErrReuse
	default:
		return storeError(err)
	}
}

// familyEvent is about a login.
func familyEvent(kind authn.EventKind, f store.RefreshFamily) authn.Event {
	return authn.Event{Kind: kind, Subject: f.Subject, SubjectKind: f.Identity.Kind, CredentialID: f.Ref.ID}
}

// failed sends the event of what was refused, or could not be done.
func (i *Issuer) failed(ctx context.Context, event authn.Event, err error) {
	e := authn.AsError(err)
	event.Kind = authn.EventRefused
	switch {
	case errors.Is(err, ErrReuse):
		event.Kind = authn.EventReuse
	case e.Status >= http.StatusInternalServerError:
		if errors.Is(ctx.Err(), context.Canceled) {
			return // the client has gone
		}
		event.Kind = authn.EventOutage
	}
	event.Reason, event.Err = e.Reason, e.Err
	i.log.Send(ctx, event)
}
