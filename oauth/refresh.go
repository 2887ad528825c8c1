package oauth

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

const (
	refreshPurpose = "authn/oauth refresh"
	// refreshFor is how long one instance may take; then another may try.
	refreshFor = 30 * time.Second
	// writeTimeout is for keeping what the provider has given already.
	writeTimeout = 5 * time.Second
	// Who waits for another's refresh looks this often.
	firstPoll = 50 * time.Millisecond
	maxPoll   = time.Second
)

// TokenSource answers subject's token at provider, for an API client:
//
//	client := oauth2.NewClient(ctx, login.TokenSource(ctx, subject, "google"))
//
// Each Token is one read of the store. One that has expired is refreshed, once
// across all instances: who is not the one waits for it, within ctx and at most
// 30 s. Errors: [store.ErrNotFound] when none is kept; 401 invalid_grant when the
// provider gives no more, so that the user must log in there again; 503.
func (l *Login) TokenSource(ctx context.Context, subject, provider string) oauth2.TokenSource {
	return &tokenSource{l: l, ctx: ctx, subject: subject, provider: provider}
}

type tokenSource struct {
	l                 *Login
	ctx               context.Context
	subject, provider string
}

// errNoMore is what only the user can mend.
var errNoMore error = &authn.Error{
	Status: http.StatusUnauthorized, Code: "invalid_grant", Reason: "a login at the provider is needed",
	Err: errors.New("authn/oauth: the token has expired and cannot be refreshed"),
}

// Token is of oauth2.TokenSource.
func (s *tokenSource) Token() (*oauth2.Token, error) {
	l := s.l
	if err := l.keeps(s.subject, s.provider); err != nil {
		return nil, err
	}
	for waited := false; ; waited = true {
		k, sealed, err := l.load(s.ctx, s.subject, s.provider)
		switch {
		case err != nil:
			return nil, err
		case k.valid(l.cfg.Now()):
			if k.stale {
				s.reseal(s.ctx, *k, sealed)
			}
			return k.token(), nil
		case k.Refresh == "":
			return nil, errNoMore
		}
		now := l.cfg.Now()
		err = l.cfg.Once.ClaimOnce(s.ctx, refreshPurpose, store.DigestOf(string(sealed)), micros(now.Add(refreshFor)), micros(now))
		switch {
		case err == nil:
			return s.refresh(sealed)
		case !errors.Is(err, store.ErrExists):
			return nil, l.down(s.ctx, s.subject, "store", err)
		case waited:
			return nil, l.down(s.ctx, s.subject, "refresh", errors.New("authn/oauth: another instance does not get the token refreshed"))
		}
		if err := s.wait(sealed); err != nil {
			return nil, err
		}
	}
}

// wait returns when sealed was replaced, or after refreshFor: who had claimed it is
// gone.
func (s *tokenSource) wait(sealed []byte) error {
	end := time.NewTimer(refreshFor)
	defer end.Stop()
	for pause := firstPoll; ; pause = min(2*pause, maxPoll) {
		poll := time.NewTimer(pause)
		select {
		case <-s.ctx.Done():
			poll.Stop()
			return outage("refresh", context.Cause(s.ctx))
		case <-end.C:
			poll.Stop()
			return nil
		case <-poll.C:
		}
		now, err := s.l.cfg.Tokens.ProviderToken(s.ctx, s.subject, s.provider)
		if err != nil || !bytes.Equal(now, sealed) {
			return nil // Token reads it again, and says what is wrong
		}
	}
}

// refresh is of who has claimed sealed. It goes on when the caller has gone: the
// provider may have ended the old refresh token by then.
func (s *tokenSource) refresh(sealed []byte) (*oauth2.Token, error) {
	l := s.l
	k, current, err := l.load(s.ctx, s.subject, s.provider)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(current, sealed) { // somebody was done before the claim
		if k.valid(l.cfg.Now()) {
			return k.token(), nil
		}
		return nil, l.down(s.ctx, s.subject, "refresh", store.ErrConflict)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 2*requestTimeout+writeTimeout) // discovery, token, store
	defer cancel()
	next, err := l.providers[s.provider].refresh(ctx, *k)
	switch {
	case err != nil && authn.AsError(err).Status >= http.StatusInternalServerError:
		s.reseal(ctx, *k, sealed)
		return nil, l.down(s.ctx, s.subject, "refresh", err)
	case err != nil: // asking again would not help
		next = *k
		next.Refresh = ""
	}
	value, sealErr := l.seal(s.subject, s.provider, next)
	if sealErr != nil {
		return nil, sealErr
	}
	putErr := s.put(ctx, sealed, value)
	switch {
	case errors.Is(putErr, store.ErrConflict) && err == nil: // unlinked, or logged in again: that counts
		return s.again(ctx, k.Refresh, next)
	case putErr != nil && !errors.Is(putErr, store.ErrConflict):
		return nil, l.down(s.ctx, s.subject, "store", putErr)
	case err != nil:
		l.log.Send(s.ctx, authn.Event{Kind: authn.EventRefused, Subject: s.subject, SubjectKind: authn.KindUser, Reason: "refresh", Err: err})
		return nil, errNoMore
	}
	l.log.Send(s.ctx, authn.Event{Kind: authn.EventRefreshed, Subject: s.subject, SubjectKind: authn.KindUser, Reason: s.provider})
	return next.token(), nil
}

// put keeps value in place of sealed. It tries again: the provider may have ended what
// is kept. One that took effect without an answer is ErrConflict then.
func (s *tokenSource) put(ctx context.Context, sealed, value []byte) error {
	for pause := firstPoll; ; pause *= 2 {
		err := s.l.cfg.Tokens.ReplaceProviderToken(ctx, s.subject, s.provider, sealed, value)
		if err == nil || errors.Is(err, store.ErrConflict) || pause > maxPoll {
			return err
		}
		wait := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			wait.Stop()
			return err
		case <-wait.C:
		}
	}
}

// reseal keeps the same in other bytes, by the newest key, which nobody has claimed:
// who waits, and who comes next, may try at once.
func (s *tokenSource) reseal(ctx context.Context, k kept, sealed []byte) {
	value, err := s.l.seal(s.subject, s.provider, k)
	if err == nil {
		_ = s.l.cfg.Tokens.ReplaceProviderToken(ctx, s.subject, s.provider, sealed, value) // if not, they wait for refreshFor
	}
}

// again is what is kept now, if it is good. Where a login has carried over the
// refresh token that is used up now, it gets the new one.
func (s *tokenSource) again(ctx context.Context, used string, next kept) (*oauth2.Token, error) {
	l := s.l
	for range saveTries {
		k, sealed, err := l.load(ctx, s.subject, s.provider)
		if err != nil {
			return nil, err
		}
		if k.Refresh == used && next.Refresh != used && k.Issuer == next.Issuer && k.Of == next.Of {
			k.Refresh = next.Refresh
			if !k.valid(l.cfg.Now()) {
				k.Access, k.Expiry = next.Access, next.Expiry
			}
			value, err := l.seal(s.subject, s.provider, *k)
			if err != nil {
				return nil, err
			}
			err = l.cfg.Tokens.ReplaceProviderToken(ctx, s.subject, s.provider, sealed, value)
			if errors.Is(err, store.ErrConflict) {
				continue
			}
			if err != nil {
				return nil, l.down(ctx, s.subject, "store", err)
			}
		}
		if !k.valid(l.cfg.Now()) {
			break
		}
		return k.token(), nil
	}
	return nil, l.down(ctx, s.subject, "refresh", store.ErrConflict)
}

// refresh is RFC 6749 §6, and OpenID Connect Core §12.2 where an id_token comes, too.
func (p *provider) refresh(ctx context.Context, k kept) (kept, error) {
	m, err := p.metadata(ctx)
	if err != nil {
		return kept{}, err
	}
	c, err := p.config(m)
	if err != nil {
		return kept{}, err
	}
	token, err := c.TokenSource(p.use(ctx), &oauth2.Token{RefreshToken: k.Refresh}).Token()
	if err != nil {
		return kept{}, tokenError(err)
	}
	if token, err = p.received(token); err != nil {
		return kept{}, err
	}
	k.Access, k.Refresh, k.Expiry = token.AccessToken, token.RefreshToken, token.Expiry.UTC()
	raw, _ := token.Extra("id_token").(string)
	if raw == "" || m.keys == nil {
		return k, nil
	}
	t, err := p.verify(ctx, m, raw, anyNonce, token.AccessToken)
	switch {
	case err != nil && authn.AsError(err).Status >= http.StatusInternalServerError:
		return k, nil // it cannot be looked at, and the new refresh token must not be lost
	case err != nil:
		return kept{}, err
	case t.issuer != k.Issuer || t.subject != k.Of:
		return kept{}, failed("a refresh for another user", nil)
	}
	k.IDToken = raw
	return k, nil
}
