package integration_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

func init() { raceCases = append(raceCases, tokenRaces...) }

// tokenRaces are of store.Tokens and store.SigningKeys.
var tokenRaces = []raceCase{
	{
		name:    "AdvanceFamily without grace",
		rounds:  200,
		prepare: prepareFamily("no grace"),
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			_, err := tokensOf(s).AdvanceFamily(ctx, raceFamily("no grace", round).Ref, raceAdvance(1, racer, 0))
			return err
		},
		lost: store.ErrConflict,
		check: func(ctx context.Context, s raceStore, round int) error {
			f, err := tokensOf(s).Family(ctx, raceFamily("no grace", round).Ref)
			if err == nil && (f.Generation != 2 || f.RevokedAt.IsZero()) {
				err = fmt.Errorf("generation %d, revoked at %v", f.Generation, f.RevokedAt)
			}
			return err
		},
	},
	{
		// Nothing changes after the first use, so that each reads what both were
		// answered.
		name:    "AdvanceFamily within the grace",
		rounds:  200,
		prepare: prepareFamily("grace"),
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			ref := raceFamily("grace", round).Ref
			got, err := tokensOf(s).AdvanceFamily(ctx, ref, raceAdvance(1, racer, time.Minute))
			if err != nil {
				return err
			}
			there, err := tokensOf(s).Family(ctx, ref)
			if err == nil && !reflect.DeepEqual(got, there) {
				err = fmt.Errorf("answered %+v, and there is %+v", got, there)
			}
			return err
		},
		check: func(ctx context.Context, s raceStore, round int) error {
			f, err := tokensOf(s).Family(ctx, raceFamily("grace", round).Ref)
			if err == nil && (f.Generation != 2 || !f.RevokedAt.IsZero()) {
				err = fmt.Errorf("generation %d, revoked at %v", f.Generation, f.RevokedAt)
			}
			return err
		},
	},
	{
		name:    "RevokeFamily against AdvanceFamily",
		rounds:  200,
		prepare: prepareFamily("revoke family"),
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			ref := raceFamily("revoke family", round).Ref
			if racer == 0 {
				return tokensOf(s).RevokeFamily(ctx, ref, raceNow)
			}
			return raceRefused(tokensOf(s).AdvanceFamily(ctx, ref, raceAdvance(1, racer, 0)))
		},
		check: wantDeadFamily("revoke family"),
	},
	{
		name:    "RevokeTokensOf against AdvanceFamily",
		rounds:  200,
		prepare: prepareFamily("revoke subject"),
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			f := raceFamily("revoke subject", round)
			if racer == 0 {
				return tokensOf(s).RevokeTokensOf(ctx, f.Subject)
			}
			return raceRefused(tokensOf(s).AdvanceFamily(ctx, f.Ref, raceAdvance(1, racer, 0)))
		},
		check: wantDeadFamily("revoke subject"),
	},
	{
		name:   "RevokeTokensOf against CreateFamily",
		rounds: 200,
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			f := raceFamily("login", round)
			if racer == 0 {
				return tokensOf(s).RevokeTokensOf(ctx, f.Subject)
			}
			err := tokensOf(s).CreateFamily(ctx, f)
			if errors.Is(err, store.ErrConflict) {
				err = nil
			}
			return err
		},
		check: wantDeadFamily("login"),
	},
	{
		name:   "CreateFamily of one ID",
		rounds: 200,
		run: func(ctx context.Context, s raceStore, round, _ int) error {
			return tokensOf(s).CreateFamily(ctx, raceFamily("id", round))
		},
		lost: store.ErrExists,
	},
	{
		name:   "RevokeTokensOf twice",
		rounds: 200,
		run: func(ctx context.Context, s raceStore, round, _ int) error {
			return tokensOf(s).RevokeTokensOf(ctx, raceOwner("twice", round))
		},
		check: func(ctx context.Context, s raceStore, round int) error {
			f := raceFamily("twice", round)
			f.Version = 3
			return tokensOf(s).CreateFamily(ctx, f)
		},
	},
	{
		name:   "RevokeToken twice",
		rounds: 200,
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			return tokensOf(s).RevokeToken(ctx, raceToken("two ends", round), time.Now().Add(time.Duration(racer+1)*time.Hour))
		},
		check: func(ctx context.Context, s raceStore, round int) error {
			reason, err := tokensOf(s).TokenRevoked(ctx, raceToken("two ends", round), time.Now().Add(90*time.Minute))
			if err == nil && reason != store.TokenRevokedByID {
				err = fmt.Errorf("before the later end it is %q", reason)
			}
			return err
		},
	},
	{
		name:   "AddSigningKey, the first",
		rounds: 200,
		prepare: func(ctx context.Context, s raceStore, round int) error {
			return expireRing(ctx, s, ringTime("first", round))
		},
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			return keysOf(s).AddSigningKey(ctx, raceSigningKey("first", round, racer), "", time.Time{})
		},
		lost:  store.ErrConflict,
		check: wantRing("first", 1),
	},
	{
		name:   "AddSigningKey, the next",
		rounds: 200,
		prepare: func(ctx context.Context, s raceStore, round int) error {
			if err := expireRing(ctx, s, ringTime("next", round)); err != nil {
				return err
			}
			return keysOf(s).AddSigningKey(ctx, raceSigningKey("next", round, 2), "", time.Time{})
		},
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			at := ringTime("next", round)
			return keysOf(s).AddSigningKey(ctx, raceSigningKey("next", round, racer), raceSigningKey("next", round, 2).ID, at.Add(time.Hour))
		},
		lost:  store.ErrConflict,
		check: wantRing("next", 2),
	},
}

func tokensOf(s raceStore) store.Tokens { return s.(store.Tokens) }

func keysOf(s raceStore) store.SigningKeys { return s.(store.SigningKeys) }

// raceFamily lives by the store's own clock.
func raceFamily(what string, round int) store.RefreshFamily {
	subject := raceOwner(what, round)
	now := time.Now().UTC().Truncate(time.Microsecond)
	return store.RefreshFamily{
		Ref: store.FamilyRef{Tag: store.TagOf(subject), ID: subject}, Subject: subject, ClientID: "app",
		Identity: authn.Identity{Subject: subject, Kind: authn.KindUser, Method: "password"},
		Scopes:   []string{"orders:read"}, Version: 1, Generation: 1, KeyID: "k",
		RotatedAt: now, IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(2 * time.Hour),
	}
}

func prepareFamily(what string) func(ctx context.Context, s raceStore, round int) error {
	return func(ctx context.Context, s raceStore, round int) error {
		return tokensOf(s).CreateFamily(ctx, raceFamily(what, round))
	}
}

func raceAdvance(generation int64, racer int, grace time.Duration) store.FamilyAdvance {
	return store.FamilyAdvance{Generation: generation, ClientID: "app", KeyID: fmt.Sprint("k", racer), Grace: grace, Idle: time.Hour}
}

// raceRefused is no error of a use that came too late.
func raceRefused(_ store.RefreshFamily, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return err
}

// raceToken is an access token of raceFamily.
func raceToken(what string, round int) store.TokenRef {
	f := raceFamily(what, round)
	return store.TokenRef{Issuer: "https://auth.example", ID: f.Ref.ID, Subject: f.Subject, Version: 1, IssuedAt: raceNow}
}

// wantDeadFamily wants that neither the family, if it is there, nor an access
// token of it can be used.
func wantDeadFamily(what string) func(ctx context.Context, s raceStore, round int) error {
	return func(ctx context.Context, s raceStore, round int) error {
		ref, token := raceFamily(what, round).Ref, raceToken(what, round)
		token.Family = ref.ID
		reason, err := tokensOf(s).TokenRevoked(ctx, token, raceNow)
		if err != nil {
			return err
		}
		if reason == "" {
			return errors.New("an access token of it is good")
		}
		for generation := range int64(2) {
			f, err := tokensOf(s).AdvanceFamily(ctx, ref, raceAdvance(generation+1, 2, time.Minute))
			if !errors.Is(err, store.ErrNotFound) {
				return fmt.Errorf("advance: %+v, %w", f, err)
			}
		}
		return nil
	}
}

// ringTime is of a round: there is one ring, so that each has two days of its
// own. They are over, so that a store need not keep the keys of all rounds.
func ringTime(what string, round int) time.Time {
	if what == "next" {
		round += 500
	}
	return raceNow.AddDate(-4, 0, 2*round)
}

func raceSigningKey(what string, round, racer int) store.SigningKey {
	at := ringTime(what, round)
	return store.SigningKey{
		ID: fmt.Sprintf("%s %d %d", what, round, racer), Algorithm: "ES256", Public: []byte("{}"), Sealed: []byte{1},
		CreatedAt: at, SignFrom: at.Add(time.Minute),
	}
}

// expireRing ends all keys that live at at.
func expireRing(ctx context.Context, s raceStore, at time.Time) error {
	keys, err := keysOf(s).ListSigningKeys(ctx, at)
	for _, k := range keys {
		err = errors.Join(err, keysOf(s).ExpireSigningKey(ctx, k.ID, at))
	}
	return err
}

// wantRing wants so many keys, of which only the newest has no end.
func wantRing(what string, n int) func(ctx context.Context, s raceStore, round int) error {
	return func(ctx context.Context, s raceStore, round int) error {
		keys, err := keysOf(s).ListSigningKeys(ctx, ringTime(what, round))
		if err != nil {
			return err
		}
		if len(keys) != n {
			return fmt.Errorf("%d keys, want %d: %+v", len(keys), n, keys)
		}
		for i, k := range keys {
			if (i == 0) != k.SignUntil.IsZero() || (i == 0) != k.ExpiresAt.IsZero() {
				return fmt.Errorf("key %d of %d: %+v", i, n, k)
			}
		}
		return nil
	}
}
