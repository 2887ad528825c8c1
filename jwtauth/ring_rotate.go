package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

const (
	// changeTries bounds how often others may be first in a row.
	changeTries = 5
	// runRetry is after an error of Run's.
	runRetry = time.Minute
	// runLook is how often Run looks at the newest key's age: others may have
	// rotated, and clocks be set.
	runLook = time.Hour
	// publishMargin is beyond Publish: a verifier that was given the old answer
	// just before a cache let it go, for a kid that somebody made up, may not
	// ask again so soon (RemoteKeys: within 30 s).
	publishMargin = time.Minute
)

var errInTx = errors.New("authn/jwtauth: keys are not rotated or retired in a transaction, which may be rolled back: call it without")

// Rotate adds a key that signs once it has been published for
// RingConfig.Publish and a minute; the one that signs until then verifies for as long as its
// tokens may live. One call on one instance does the whole step, and the others
// follow. While a key is staged already Rotate does nothing, so that a cron job
// may run on all instances.
//
// Where the private key that should sign does not open here, the new one signs
// at once: verifiers elsewhere learn of it when they meet its kid.
//
// A ring of NewKeyRing has no Rotate, Retire or Run: they answer an error.
func (r *KeyRing) Rotate(ctx context.Context) error {
	s := r.shared
	if s == nil {
		return errFixedRing
	}
	err := s.change(ctx, func(set *keySet, now time.Time) error {
		if set.signer(now) > 0 && set.signs(now) {
			return nil // another is staged
		}
		return s.stage(ctx, set, now)
	})
	if err != nil {
		return fmt.Errorf("authn/jwtauth: rotate: %w", err)
	}
	return nil
}

// Retire ends a key that leaked, and all tokens that it signed. They are
// refused here when Retire returns, and on other instances within 10 s.
// Verifiers elsewhere keep it as long as they may keep the answer of JWKS:
// RingConfig.Publish. It may be repeated; store.ErrNotFound: no such key.
//
// A staged key steps in for one that signed, else a new one is made and signs
// at once. A new key takes the place of a staged one, at the same time.
func (r *KeyRing) Retire(ctx context.Context, kid string) error {
	if r.shared == nil {
		return errFixedRing
	}
	if err := r.shared.retire(ctx, kid); err != nil {
		return fmt.Errorf("authn/jwtauth: retire: %w", err)
	}
	return nil
}

// Run rotates whenever the newest key is as old as RingConfig.RotateEvery,
// until ctx ends; then it answers nil. All instances may run it: one of them
// rotates. Errors are events, and it tries again after a minute.
func (r *KeyRing) Run(ctx context.Context) error {
	switch {
	case r.shared == nil:
		return errFixedRing
	case r.shared.cfg.RotateEvery == 0:
		return errors.New("authn/jwtauth: Run needs RingConfig.RotateEvery")
	}
	for {
		wait := r.shared.rotateIfDue(ctx)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// rotateIfDue answers when to look again.
func (s *sharedRing) rotateIfDue(ctx context.Context) (wait time.Duration) {
	err := s.change(ctx, func(set *keySet, now time.Time) error {
		wait = set.keys[0].CreatedAt.Add(s.cfg.RotateEvery).Sub(now)
		switch {
		case wait > 0:
			return nil
		case !set.signs(now): // what this instance seals, the others might not open
			return set.sealedError(now)
		}
		wait = s.cfg.RotateEvery
		return s.stage(ctx, set, now)
	})
	if err != nil {
		if ctx.Err() == nil {
			s.send(ctx, authn.Event{Kind: authn.EventOutage, Reason: "key rotation", Err: err})
		}
		return runRetry
	}
	return min(wait, runLook)
}

// change does f to what the store has, again if another instance was first.
func (s *sharedRing) change(ctx context.Context, f func(set *keySet, now time.Time) error) error {
	if store.InTx(ctx) {
		return errInTx
	}
	for range changeTries {
		set, err := s.again(ctx)
		if err != nil {
			return err
		}
		if err = f(set, s.now()); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return store.ErrConflict
}

// stage adds a key that signs when it has been published for long enough, or at
// once if none does here.
func (s *sharedRing) stage(ctx context.Context, set *keySet, now time.Time) error {
	signFrom := now
	if set.signs(now) {
		signFrom = now.Add(s.cfg.Publish + publishMargin)
	}
	// An instance that cannot reach the store signs with the last key that much
	// longer.
	expires := signFrom.Add(s.cfg.MaxTokenAge + staleFor)
	last := set.keys[0].ID
	next, err := s.add(ctx, now, signFrom, last, expires)
	if err != nil {
		return err
	}
	s.send(ctx, authn.Event{Kind: authn.EventRotated, CredentialID: last, Reason: "signing key, next is " + next})
	_, _ = s.again(context.WithoutCancel(ctx)) // of no consequence: it is in the store
	return nil
}

// retire ends kid. The newest key ends with the arrival of its successor, so
// that there always is one.
func (s *sharedRing) retire(ctx context.Context, kid string) error {
	var reason string
	err := s.change(ctx, func(set *keySet, now time.Time) error {
		reason = "signing key"
		newest := &set.keys[0]
		if newest.ID != kid {
			return s.st.ExpireSigningKey(ctx, kid, now)
		}
		signFrom := now
		if set.signer(now) > 0 { // kid is staged: another signs until then
			signFrom = newest.SignFrom
		}
		next, err := s.add(ctx, now, signFrom, kid, now)
		reason += ", next is " + next
		return err
	})
	if err != nil {
		return err
	}
	// This is not cut short with ctx: what leaked must be refused here.
	if _, err := s.again(context.WithoutCancel(ctx)); err != nil {
		s.drop(kid)
	}
	s.send(ctx, authn.Event{Kind: authn.EventRevoked, CredentialID: kid, Reason: reason})
	return nil
}

// add makes a key and answers its id.
func (s *sharedRing) add(ctx context.Context, now, signFrom time.Time, newest string, expires time.Time) (kid string, err error) {
	rec, err := s.newKey(now, signFrom)
	if err != nil {
		return "", err
	}
	return rec.ID, s.st.AddSigningKey(ctx, rec, newest, expires)
}

// drop makes kid unknown here when the store cannot be read.
func (s *sharedRing) drop(kid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set := *s.set.Load()
	set.keys = slices.DeleteFunc(slices.Clone(set.keys), func(k ringKey) bool { return k.ID == kid })
	s.number(&set)
	s.set.Store(&set)
}
