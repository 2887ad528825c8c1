package integration_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func init() { tortureCases = append(tortureCases, tortureTokens...) }

// tortureTokens are of store.Tokens.
var tortureTokens = []*tortureCase{
	{
		// The one before the current is answered again and changes nothing; an
		// older one ends the family.
		name:  "AdvanceFamily",
		calls: 24,
		start: tortureState{N: 1},
		known: 1,
		prepare: func(ctx context.Context, s store.Store, key string) error {
			return tortureMade(s.CreateFamily(ctx, tortureFamily(key)))
		},
		next: func(known int64, _ string) tortureIn {
			switch n := rand.N(40); {
			case n < 5:
				return tortureRead
			case n < 10:
				return tortureIn{Do: "advance", N: max(1, known-1)}
			case n == 10:
				return tortureIn{Do: "advance", N: max(1, known-2)}
			}
			return tortureIn{Do: "advance", N: known}
		},
		do: func(ctx context.Context, s store.Store, key string, in tortureIn) (out tortureOut, err error) {
			var f store.RefreshFamily
			if in.Do == "read" {
				f, err = s.Family(ctx, tortureFamily(key).Ref)
			} else {
				f, err = s.AdvanceFamily(ctx, tortureFamily(key).Ref, raceAdvance(in.N, 0, 24*time.Hour))
			}
			if !f.RevokedAt.IsZero() {
				out.S = "revoked"
			}
			out.N = f.Generation
			return out, err
		},
		contract: func(is tortureState, in tortureIn) (tortureOut, tortureState) {
			out := tortureOut{Answer: tortureOK, N: is.N}
			switch {
			case in.Do == "read":
				if is.Revoked > 0 {
					out.S = "revoked"
				}
				return out, is
			case is.Revoked > 0 || in.N > is.N:
				return tortureOut{Answer: tortureNotFound}, is
			case in.N == is.N:
				return tortureOut{Answer: tortureOK, N: is.N + 1}, tortureState{N: is.N + 1}
			case in.N == is.N-1:
				return out, is
			}
			return tortureOut{Answer: tortureConflict}, tortureState{N: is.N, Revoked: 1}
		},
		last:  tortureRead,
		count: func(out tortureOut) int { return int(out.N) - 1 },
		change: func(in tortureIn) (string, bool) {
			id, _ := tortureFrom("advance")(in)
			return id, false
		},
	},
	{
		// A token is good by the current version only, so that one revocation that
		// counts twice shows. There are no more than redisstore remembers.
		name:  "RevokeTokensOf",
		calls: 8,
		start: tortureState{N: 1},
		known: 1,
		next: func(known int64, _ string) tortureIn {
			if rand.N(3) == 0 {
				return tortureIn{Do: "revoke"}
			}
			return tortureIn{Do: "read", N: known + rand.N(int64(2))}
		},
		do: func(ctx context.Context, s store.Store, key string, in tortureIn) (tortureOut, error) {
			switch in.Do {
			case "revoke":
				return tortureOut{}, s.RevokeTokensOf(ctx, key)
			case "version":
				n, err := s.TokenVersion(ctx, key, 0)
				return tortureOut{N: n}, err
			}
			reason, err := s.TokenRevoked(ctx, store.TokenRef{
				Issuer: "https://auth.example", ID: key, Subject: key, Version: in.N, IssuedAt: tortureNow.Truncate(time.Second),
			}, tortureNow)
			out := tortureOut{S: reason}
			if reason == "" {
				out.N = in.N
			}
			return out, err
		},
		contract: func(is tortureState, in tortureIn) (tortureOut, tortureState) {
			switch {
			case in.Do == "revoke":
				return tortureOut{Answer: tortureOK}, tortureState{N: is.N + 1}
			case in.Do == "version" || in.N == is.N:
				return tortureOut{Answer: tortureOK, N: is.N}, is
			}
			return tortureOut{Answer: tortureOK, S: store.TokenRevokedBySubject}, is
		},
		last:  tortureIn{Do: "version"},
		count: func(out tortureOut) int { return int(out.N) - 1 },
		change: func(in tortureIn) (string, bool) {
			if in.Do != "revoke" {
				return "", false
			}
			return in.ID, true
		},
	},
	{
		// No session is accepted after its end was acknowledged.
		name:  "RevokeSessionsOf",
		calls: 12,
		prepare: func(ctx context.Context, s store.Store, key string) error {
			return tortureMade(s.CreateSession(ctx, tortureSession(key), store.SessionRef{}, 0, 0, tortureNow))
		},
		next: func(int64, string) tortureIn {
			if rand.N(6) == 0 {
				return tortureIn{Do: "revoke"}
			}
			return tortureRead
		},
		do: func(ctx context.Context, s store.Store, key string, in tortureIn) (tortureOut, error) {
			if in.Do == "revoke" {
				return tortureOut{}, s.RevokeSessionsOf(ctx, tortureSession(key).Identity.Subject, "")
			}
			_, err := s.SessionByRef(ctx, tortureSession(key).Ref, tortureNow)
			return tortureOut{}, err
		},
		contract: func(is tortureState, in tortureIn) (tortureOut, tortureState) {
			switch {
			case in.Do == "revoke":
				return tortureOut{Answer: tortureOK}, tortureState{Revoked: 1}
			case is.Revoked > 0:
				return tortureOut{Answer: tortureNotFound}, is
			}
			return tortureOut{Answer: tortureOK}, is
		},
		last:   tortureRead,
		count:  tortureCountUnless(tortureOK),
		change: tortureRevokes,
	},
}

// tortureRevokes is a change that may be repeated.
func tortureRevokes(in tortureIn) (string, bool) {
	if in.Do != "revoke" {
		return "", false
	}
	return "revoked", false
}

func tortureFamily(key string) store.RefreshFamily {
	f := raceFamily(key, 0)
	f.Ref.ID = fmt.Sprintf("%.32s", store.DigestOf(key))
	f.RotatedAt, f.IdleUntil, f.ExpiresAt = tortureNow, tortureEnd, tortureEnd
	return f
}
