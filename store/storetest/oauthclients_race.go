package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func clientRaceCases() []clientCase {
	return []clientCase{
		{
			name: "create_oauth_client_has_one_winner",
			rule: "of concurrent CreateOAuthClient of one ID one wins, the others get ErrExists and leave nothing",
			test: createOAuthClientHasOneWinner,
		},
		{
			name: "update_oauth_client_has_one_winner",
			rule: "of concurrent UpdateOAuthClient of one Revision one wins, the others get ErrConflict",
			test: updateOAuthClientHasOneWinner,
		},
		{
			name: "update_oauth_client_is_seen_whole",
			rule: "a reader sees all of CreateOAuthClient and of UpdateOAuthClient, or nothing",
			test: updateOAuthClientIsSeenWhole,
		},
		{
			name: "rotate_secret_limit_holds_in_a_race",
			rule: "of concurrent RotateOAuthSecret no more win than two live secrets have room for, the others get ErrLimit",
			test: rotateSecretLimitHoldsInARace,
		},
		{
			name: "rotate_secret_at_once_in_a_race",
			rule: "of concurrent RotateOAuthSecret until now all win, and the secret of one of them is left",
			test: rotateSecretAtOnceInARace,
		},
		{
			name: "rotate_secret_is_seen_whole",
			rule: "a reader sees all of RotateOAuthSecret or nothing: there is always a live secret",
			test: rotateSecretIsSeenWhole,
		},
		{
			name: "update_keeps_a_rotation",
			rule: "of UpdateOAuthClient and a concurrent RotateOAuthSecret neither undoes the other",
			test: updateKeepsARotation,
		},
		{
			name: "disable_against_the_rest",
			rule: "of DisableOAuthClient and a concurrent RotateOAuthSecret, UpdateOAuthClient and DisableOAuthClient none undoes another, and DisabledAt is of the first",
			test: disableAgainstTheRest,
		},
	}
}

func createOAuthClientHasOneWinner(t *testing.T, s store.OAuthClients) {
	now := today()
	for round := range 4 {
		const n = 50
		client := func(i int) store.OAuthClient {
			c := clientOf(fmt.Sprint("client ", round), now, newSecret(fmt.Sprint(round, " ", i), now))
			c.Name, c.Scopes = fmt.Sprint("name ", i), []string{fmt.Sprint("scope ", i)}
			return c
		}
		won := winners(t, n, store.ErrExists, func(i int) error { return s.CreateOAuthClient(t.Context(), client(i)) })
		if len(won) != 1 {
			t.Fatalf("%d of %d clients of one ID at once were answered nil, want 1", len(won), n)
		}
		wantClient(t, s, client(won[0]), "created in a race")
		if got := listClients(t, s); len(got) != round+1 {
			t.Errorf("%d clients are in the list, want %d", len(got), round+1)
		}
	}
}

func updateOAuthClientHasOneWinner(t *testing.T, s store.OAuthClients) {
	now := today()
	want := newClient("ann", now)
	createClients(t, s, want)
	for round := range 4 {
		const n = 50
		next := func(i int) store.OAuthClient {
			c := want
			c.Name, c.Scopes = fmt.Sprint(round, " ", i), []string{fmt.Sprint("scope ", i)}
			return c
		}
		won := winners(t, n, store.ErrConflict, func(i int) error { return s.UpdateOAuthClient(t.Context(), next(i)) })
		if len(won) != 1 {
			t.Fatalf("%d of %d updates of one Revision at once were answered nil, want 1", len(won), n)
		}
		want = next(won[0])
		want.Revision++
		wantClient(t, s, want, "updated in a race")
	}
}

func updateOAuthClientIsSeenWhole(t *testing.T, s store.OAuthClients) {
	now := today()
	version := func(id string, revision int64) store.OAuthClient {
		c, text := newClient(id, now), fmt.Sprint("of revision ", revision)
		c.Name, c.CertSubject, c.JWKS, c.Revision = text, text, []byte(text), revision
		c.Scopes, c.Audience, c.Serves = []string{text}, []string{text, text}, []string{text, text, text}
		return c
	}
	for round := range 15 {
		id := fmt.Sprint("client ", round)
		read := func() {
			got, err := s.OAuthClient(t.Context(), id)
			if errors.Is(err, store.ErrNotFound) {
				return
			}
			wantErr(t, err, nil, "OAuthClient beside an update")
			wantSameClient(t, got, version(id, got.Revision), "read beside an update")
		}
		listed := func() {
			for _, got := range listClients(t, s) {
				wantSameClient(t, got, version(got.ID, got.Revision), "listed beside an update")
			}
		}
		during(t,
			func() {
				wantErr(t, s.CreateOAuthClient(t.Context(), version(id, 1)), nil, "CreateOAuthClient")
				for revision := range int64(3) {
					c := version(id, revision+2)
					c.Revision--
					wantErr(t, s.UpdateOAuthClient(t.Context(), c), nil, "UpdateOAuthClient")
				}
			},
			read, listed,
		)
		wantClient(t, s, version(id, 4), "after three updates")
	}
}

func rotateSecretLimitHoldsInARace(t *testing.T, s store.OAuthClients) {
	now := today()
	for round := range 6 {
		const n = 30
		want := newClient(fmt.Sprint("client ", round), now)
		if round%2 == 1 {
			want.Secrets = nil
		}
		createClients(t, s, want)
		until := func(i int) time.Time { return now.Add(time.Duration(i+1) * time.Minute) }
		next := func(i int) store.ClientSecret { return newSecret(fmt.Sprint(round, " ", i), now) }
		won := winners(t, n, store.ErrLimit, func(i int) error {
			return s.RotateOAuthSecret(t.Context(), want.ID, next(i), until(i), now)
		})
		room := store.MaxClientSecrets - len(want.Secrets)
		if len(won) != room {
			t.Fatalf("%d of %d rotations at once of a client with %d secrets were answered nil, want %d", len(won), n, len(want.Secrets), room)
		}
		if got := readClient(t, s, want.ID).Secrets; room == 2 && len(got) == 2 && got[0].Digest == next(won[0]).Digest {
			slices.Reverse(won) // the first of the two is the last in the list
		}
		for _, i := range won {
			for k := range want.Secrets {
				want.Secrets[k].ExpiresAt = until(i)
			}
			want.Secrets = append([]store.ClientSecret{next(i)}, want.Secrets...)
		}
		wantClient(t, s, want, "rotated in a race")
	}
}

func rotateSecretAtOnceInARace(t *testing.T, s store.OAuthClients) {
	now := today()
	createClients(t, s, newClient("ann", now))
	for round := range 4 {
		const n = 30
		next := func(i int) store.ClientSecret { return newSecret(fmt.Sprint(round, " ", i), now) }
		race(t, n, func(i int) {
			wantErr(t, s.RotateOAuthSecret(t.Context(), "ann", next(i), now, now), nil, "RotateOAuthSecret until now")
		})
		got := readClient(t, s, "ann")
		is := func(i int) bool { return len(got.Secrets) == 1 && sameSecret(got.Secrets[0], next(i)) }
		if !slices.ContainsFunc(indices(n), is) {
			t.Errorf("after %d rotations at once the secrets are %s, want one of theirs", n, secretsText(got.Secrets))
		}
	}
}

// indices are 0 to n-1.
func indices(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func rotateSecretIsSeenWhole(t *testing.T, s store.OAuthClients) {
	now := today()
	until := now.Add(time.Hour)
	for round := range 15 {
		before := newClient(fmt.Sprint("client ", round), now)
		createClients(t, s, before)
		next, old := newSecret(fmt.Sprint("next ", round), now), before.Secrets[0]
		old.ExpiresAt = until
		after := before
		after.Secrets = []store.ClientSecret{next, old}
		read := func() {
			got := readClient(t, s, before.ID)
			want := before
			if len(got.Secrets) > 0 && got.Secrets[0].Digest == next.Digest {
				want = after
			}
			wantSameClient(t, got, want, "read beside a rotation")
		}
		during(t,
			func() {
				wantErr(t, s.RotateOAuthSecret(t.Context(), before.ID, next, until, now), nil, "RotateOAuthSecret")
			},
			read, read,
		)
		wantClient(t, s, after, "after a rotation")
	}
}

func updateKeepsARotation(t *testing.T, s store.OAuthClients) {
	now := today()
	for round := range 40 {
		want := newClient(fmt.Sprint("client ", round), now)
		createClients(t, s, want)
		next, update := newSecret(fmt.Sprint("next ", round), now), want
		update.Name, update.Scopes = "new", []string{"new"}
		var rotated, updated error
		race(t, 2, func(i int) {
			if i == round%2 {
				rotated = s.RotateOAuthSecret(t.Context(), want.ID, next, now, now)
			} else {
				updated = s.UpdateOAuthClient(t.Context(), update)
			}
		})
		wantErr(t, errors.Join(rotated, updated), nil, "RotateOAuthSecret and UpdateOAuthClient")
		update.Secrets, update.Revision = []store.ClientSecret{next}, 2
		wantClient(t, s, update, "rotated and updated at once")
	}
}

func disableAgainstTheRest(t *testing.T, s store.OAuthClients) {
	now := today()
	for round := range 40 {
		want := newClient(fmt.Sprint("client ", round), now)
		createClients(t, s, want)
		next, update := newSecret(fmt.Sprint("next ", round), now), want
		update.Name = "new"
		times := []time.Time{now.Add(time.Minute), now.Add(2 * time.Minute)}
		calls := []func() error{
			func() error { return s.DisableOAuthClient(t.Context(), want.ID, times[0]) },
			func() error { return s.DisableOAuthClient(t.Context(), want.ID, times[1]) },
			func() error { return s.UpdateOAuthClient(t.Context(), update) },
			func() error { return s.RotateOAuthSecret(t.Context(), want.ID, next, now, now) },
		}
		errs := make([]error, len(calls))
		race(t, len(calls), func(i int) {
			i = (i + round) % len(calls)
			errs[i] = calls[i]()
		})
		wantErr(t, errors.Join(errs[:3]...), nil, "DisableOAuthClient, twice, and UpdateOAuthClient")
		want.Name, want.Revision = "new", 2
		if rotated := errs[3]; rotated == nil {
			want.Secrets = []store.ClientSecret{next}
		} else {
			wantErr(t, rotated, store.ErrConflict, "RotateOAuthSecret beside DisableOAuthClient")
		}
		if want.DisabledAt = times[0]; readClient(t, s, want.ID).DisabledAt.Equal(times[1]) {
			want.DisabledAt = times[1]
		}
		wantClient(t, s, want, "disabled, updated and rotated at once")
		wantErr(t, s.RotateOAuthSecret(t.Context(), want.ID, newSecret("late", now), now, now), store.ErrConflict, "RotateOAuthSecret after DisableOAuthClient")
	}
}
