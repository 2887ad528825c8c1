package integration_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/gatehouse-go/authn/store"
)

func init() { tortureCases = append(tortureCases, tortureCredentials...) }

// tortureCredentials are of keys, passwords, codes and secrets.
var tortureCredentials = []*tortureCase{
	{
		// A key has one successor, and none when it is revoked. No key is accepted
		// after its revocation was acknowledged.
		name:  "RotateAPIKey",
		calls: 14,
		prepare: func(ctx context.Context, s store.Store, key string) error {
			return tortureMade(s.CreateAPIKey(ctx, tortureAPIKey(key, "first"), store.APIKeyLimits{}, tortureNow))
		},
		next: func(int64, string) tortureIn {
			switch rand.N(12) {
			case 0:
				return tortureIn{Do: "revoke"}
			case 1, 2, 3, 4:
				return tortureIn{Do: "rotate"}
			}
			return tortureRead
		},
		do: func(ctx context.Context, s store.Store, key string, in tortureIn) (tortureOut, error) {
			k := tortureAPIKey(key, "first")
			switch in.Do {
			case "revoke":
				return tortureOut{}, s.RevokeAPIKey(ctx, k.Owner, k.ID, tortureNow)
			case "rotate":
				next := tortureAPIKey(key, in.ID)
				return tortureOut{S: next.ID}, s.RotateAPIKey(ctx, k.Owner, k.ID, next, tortureEnd, tortureNow)
			}
			got, err := s.APIKeyByDigest(ctx, k.Digest)
			out := tortureOut{S: got.ReplacedBy}
			if !got.RevokedAt.IsZero() {
				out.N = 1
			}
			return out, err
		},
		contract: func(is tortureState, in tortureIn) (tortureOut, tortureState) {
			switch {
			case in.Do == "revoke":
				is.Revoked = 1
				return tortureOut{Answer: tortureOK}, is
			case in.Do == "read":
				return tortureOut{Answer: tortureOK, N: is.Revoked, S: is.S}, is
			case is.Revoked > 0 || is.S != "":
				return tortureOut{Answer: tortureConflict}, is
			}
			is.S = in.ID
			return tortureOut{Answer: tortureOK, S: is.S}, is
		},
		last: tortureRead,
		count: func(out tortureOut) int {
			if out.S != "" {
				out.N++
			}
			return int(out.N)
		},
		change: func(in tortureIn) (string, bool) {
			if in.Do == "rotate" {
				return "rotated", true
			}
			return tortureRevokes(in)
		},
	},
	{
		name:  "ReplacePasswordHash",
		calls: 24,
		start: tortureState{S: "0"},
		prepare: func(ctx context.Context, s store.Store, key string) error {
			return tortureMade(s.CreatePassword(ctx, store.Password{Subject: key, Name: key, Hash: "0"}, tortureNow))
		},
		next: func(known int64, old string) tortureIn {
			if rand.N(5) == 0 {
				return tortureRead
			}
			if known == 0 {
				old = "0"
			}
			return tortureIn{Do: "replace", N: known, Old: old}
		},
		do: func(ctx context.Context, s store.Store, key string, in tortureIn) (tortureOut, error) {
			if in.Do == "replace" {
				next := tortureHash(in)
				return tortureOut{N: in.N + 1, S: next}, s.ReplacePasswordHash(ctx, key, in.Old, next, tortureNow)
			}
			p, err := s.PasswordBySubject(ctx, key)
			out := tortureOut{S: p.Hash}
			if err == nil {
				_, err = fmt.Sscan(p.Hash, &out.N)
			}
			return out, err
		},
		contract: func(is tortureState, in tortureIn) (tortureOut, tortureState) {
			switch {
			case in.Do == "read":
				return tortureOut{Answer: tortureOK, N: is.N, S: is.S}, is
			case in.Old != is.S:
				return tortureOut{Answer: tortureConflict}, is
			}
			is = tortureState{N: is.N + 1, S: tortureHash(in)}
			return tortureOut{Answer: tortureOK, N: is.N, S: is.S}, is
		},
		last:   tortureRead,
		count:  func(out tortureOut) int { return int(out.N) },
		change: tortureFrom("replace"),
	},
	{
		// A code is accepted once.
		name:  "AcceptTOTP",
		calls: 20,
		start: tortureState{N: 1},
		known: 1,
		prepare: func(ctx context.Context, s store.Store, key string) error {
			if err := tortureMade(s.BeginTOTP(ctx, key, nil, tortureSecret, tortureEnd)); err != nil {
				return err
			}
			return tortureMade(s.ConfirmTOTP(ctx, key, tortureSecret, 1, nil, tortureNow))
		},
		next: func(known int64, _ string) tortureIn {
			switch rand.N(8) {
			case 0, 1:
				return tortureRead
			case 2:
				return tortureIn{Do: "accept", N: known}
			}
			return tortureIn{Do: "accept", N: known + 1}
		},
		do: func(ctx context.Context, s store.Store, key string, in tortureIn) (tortureOut, error) {
			if in.Do == "accept" {
				return tortureOut{N: in.N}, s.AcceptTOTP(ctx, key, tortureSecret, in.N, nil)
			}
			got, err := s.TOTP(ctx, key)
			return tortureOut{N: got.Step}, err
		},
		contract: func(is tortureState, in tortureIn) (tortureOut, tortureState) {
			switch {
			case in.Do == "read":
				return tortureOut{Answer: tortureOK, N: is.N}, is
			case in.N <= is.N:
				return tortureOut{Answer: tortureConflict}, is
			}
			return tortureOut{Answer: tortureOK, N: in.N}, tortureState{N: in.N}
		},
		last:   tortureRead,
		count:  func(out tortureOut) int { return int(out.N) - 1 },
		change: tortureFrom("accept"),
		denied: tortureConflict,
	},
	{
		// Of two live secrets neither is dropped for a third, unless the newest is
		// to end at once.
		name:  "RotateOAuthSecret",
		calls: 12,
		start: tortureState{S: tortureDigest("first")},
		prepare: func(ctx context.Context, s store.Store, key string) error {
			return tortureMade(s.CreateOAuthClient(ctx, store.OAuthClient{
				ID: key, AuthMethod: "client_secret_basic", CreatedAt: tortureNow,
				Secrets: []store.ClientSecret{{Digest: store.DigestOf("first"), CreatedAt: tortureNow}},
			}))
		},
		next: func(int64, string) tortureIn {
			switch rand.N(8) {
			case 0, 1, 2:
				return tortureIn{Do: "rotate"}
			case 3:
				return tortureIn{Do: "replace"}
			}
			return tortureRead
		},
		do: func(ctx context.Context, s store.Store, key string, in tortureIn) (tortureOut, error) {
			secret := store.ClientSecret{Digest: store.DigestOf(in.ID), CreatedAt: tortureNow}
			switch in.Do {
			case "rotate":
				return tortureOut{}, s.RotateOAuthSecret(ctx, key, secret, tortureEnd, tortureNow)
			case "replace":
				return tortureOut{}, s.RotateOAuthSecret(ctx, key, secret, tortureNow, tortureNow)
			}
			c, err := s.OAuthClient(ctx, key)
			var live []string
			for _, s := range c.Secrets {
				live = append(live, s.Digest.String())
			}
			return tortureOut{S: strings.Join(live, " ")}, err
		},
		contract: func(is tortureState, in tortureIn) (tortureOut, tortureState) {
			switch {
			case in.Do == "read":
				return tortureOut{Answer: tortureOK, S: is.S}, is
			case in.Do == "replace":
				is.S = tortureDigest(in.ID)
			case strings.Contains(is.S, " "):
				return tortureOut{Answer: tortureLimit}, is
			default:
				is.S = tortureDigest(in.ID) + " " + is.S
			}
			return tortureOut{Answer: tortureOK}, is
		},
		last: tortureRead,
	},
}

// tortureSecret is sealed, as far as a store knows.
var tortureSecret = []byte("sealed")

// tortureHash says how many came before it.
func tortureHash(in tortureIn) string { return fmt.Sprint(in.N+1, " ", in.ID) }

func tortureDigest(id string) string { return store.DigestOf(id).String() }

// tortureAPIKey is one of an owner of its own.
func tortureAPIKey(key, id string) store.APIKey {
	k := store.APIKey{ID: id, Owner: key, Digest: store.DigestOf(key + " " + id), CreatedAt: tortureNow}
	if id == "first" { // IDs are unique
		k.ID = tortureDigest(key)
	}
	return k
}
