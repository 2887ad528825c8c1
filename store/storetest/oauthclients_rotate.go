package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func clientRotateCases() []clientCase {
	return []clientCase{
		{
			name: "rotate_secret_puts_the_new_one_first",
			rule: "RotateOAuthSecret puts s before the newest live secret, whatever their times say, and changes nothing else of the client",
			test: rotateSecretPutsTheNewOneFirst,
		},
		{
			name: "rotate_secret_ends_the_one_before",
			rule: "the newest live secret ends at until, or at its own ExpiresAt if that is earlier",
			test: rotateSecretEndsTheOneBefore,
		},
		{
			name: "rotate_secret_drops_the_others",
			rule: "RotateOAuthSecret keeps s and the newest secret that is live at now, the caller's, and drops all others",
			test: rotateSecretDropsTheOthers,
		},
		{
			name: "rotate_secret_at_once",
			rule: "when until is not after now, s is the only secret that is left, also when two were live",
			test: rotateSecretAtOnce,
		},
		{
			name: "rotate_secret_has_a_limit",
			rule: "RotateOAuthSecret answers ErrLimit when two secrets are live at now, the caller's, and until is after now, and changes nothing",
			test: rotateSecretHasALimit,
		},
		{
			name: "rotate_secret_of_a_disabled_oauth_client",
			rule: "RotateOAuthSecret answers ErrConflict when the client is disabled, and changes nothing",
			test: rotateSecretOfADisabledOAuthClient,
		},
	}
}

func rotateSecretPutsTheNewOneFirst(t *testing.T, s store.OAuthClients) {
	now := today()
	bob := newClient("bob", now)
	createClients(t, s, bob)
	until := now.Add(time.Hour)
	for i, next := range []store.ClientSecret{
		newSecret("later", now.Add(time.Second)),
		newSecret("of the same microsecond", now),
		newSecret("of a slow clock", now.Add(-time.Hour)),
		endingSecret("that ends", now, now.Add(123_456*time.Microsecond)),
		endingSecret("that ends with the one before", now, until),
		endingSecret("that ends first", now, now.Add(-time.Hour)),
		endingSecret("for ages", now, time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)),
		{Digest: nearDigests()[7], CreatedAt: now},
	} {
		want := newClient(fmt.Sprint("client ", i), now)
		createClients(t, s, want)
		wantErr(t, s.RotateOAuthSecret(t.Context(), want.ID, next, until, now), nil, "RotateOAuthSecret to secret %d", i)
		old := want.Secrets[0]
		old.ExpiresAt = until
		want.Secrets = []store.ClientSecret{next, old}
		wantClient(t, s, want, "with a new secret, %d", i)
	}
	wantClient(t, s, bob, "who is another")
}

func rotateSecretEndsTheOneBefore(t *testing.T, s store.OAuthClients) {
	now := today()
	for i, c := range []struct {
		end, until, want time.Duration // an end of 0 is none
	}{
		{0, time.Hour, time.Hour},
		{0, time.Microsecond, time.Microsecond},
		{time.Hour, 2 * time.Hour, time.Hour},
		{2 * time.Hour, time.Hour, time.Hour},
		{time.Hour, time.Hour, time.Hour},
		{time.Hour, time.Hour + time.Microsecond, time.Hour},
		{time.Hour, time.Hour - time.Microsecond, time.Hour - time.Microsecond},
		{time.Microsecond, 1000 * time.Hour, time.Microsecond},
	} {
		old, next := newSecret("old", now.Add(-time.Hour)), newSecret("next", now)
		if c.end != 0 {
			old.ExpiresAt = now.Add(c.end)
		}
		want := clientOf(fmt.Sprint("client ", i), now, old)
		createClients(t, s, want)
		rotateSecret(t, s, want.ID, next, now.Add(c.until), now)
		old.ExpiresAt = now.Add(c.want)
		want.Secrets = []store.ClientSecret{next, old}
		wantClient(t, s, want, "whose secret would end after %v (0: never), until %v", c.end, c.until)
	}
}

func rotateSecretDropsTheOthers(t *testing.T, s store.OAuthClients) {
	now := today()
	until := now.Add(time.Hour)
	live, next := newSecret("live", now.Add(-2*time.Hour)), newSecret("next", now)
	over := func(secret string, ago time.Duration) store.ClientSecret {
		return endingSecret(secret, now.Add(-3*time.Hour), now.Add(-ago))
	}
	kept := live
	kept.ExpiresAt = until
	for what, c := range map[string]struct{ was, want []store.ClientSecret }{
		"no secret":                         {nil, []store.ClientSecret{next}},
		"one that is over":                  {[]store.ClientSecret{over("a", time.Minute)}, []store.ClientSecret{next}},
		"one that ends now":                 {[]store.ClientSecret{over("a", 0)}, []store.ClientSecret{next}},
		"two that are over":                 {[]store.ClientSecret{over("a", time.Minute), over("b", time.Hour)}, []store.ClientSecret{next}},
		"a live one, and one that is over":  {[]store.ClientSecret{live, over("b", time.Minute)}, []store.ClientSecret{next, kept}},
		"a live one, and one that ends now": {[]store.ClientSecret{live, over("b", 0)}, []store.ClientSecret{next, kept}},
		"one that is over, and a live one":  {[]store.ClientSecret{over("a", time.Microsecond), live}, []store.ClientSecret{next, kept}},
	} {
		want := clientOf(what, now, c.was...)
		createClients(t, s, want)
		wantErr(t, s.RotateOAuthSecret(t.Context(), want.ID, next, until, now), nil, "RotateOAuthSecret of a client with %s", what)
		want.Secrets = c.want
		wantClient(t, s, want, "which had %s", what)
	}
	// What is dropped does not come back.
	want := clientOf("again", now, newSecret("secret 0", now))
	createClients(t, s, want)
	for i := range 5 {
		at := now.Add(time.Duration(i) * time.Hour)
		next, old := newSecret(fmt.Sprint("secret ", i+1), at), want.Secrets[0]
		rotateSecret(t, s, "again", next, at.Add(time.Hour), at)
		old.ExpiresAt = at.Add(time.Hour)
		want.Secrets = []store.ClientSecret{next, old}
		wantClient(t, s, want, "rotated for the %d. time, the one before the last being over", i+1)
	}
}

func rotateSecretAtOnce(t *testing.T, s store.OAuthClients) {
	now := today()
	for i, until := range []time.Time{now, now.Add(-time.Microsecond), now.Add(-time.Hour), {}} {
		for what, secrets := range map[string][]store.ClientSecret{
			"no":      nil,
			"one":     {newSecret("a", now)},
			"two":     {newSecret("a", now), newSecret("b", now)},
			"an over": {endingSecret("a", now, now)},
		} {
			want := clientOf(fmt.Sprint(what, i), now, secrets...)
			createClients(t, s, want)
			next := newSecret("next", now)
			wantErr(t, s.RotateOAuthSecret(t.Context(), want.ID, next, until, now), nil, "RotateOAuthSecret of %s secret until %v", what, until)
			want.Secrets = []store.ClientSecret{next}
			wantClient(t, s, want, "rotated until %v", until)
		}
	}
}

func rotateSecretHasALimit(t *testing.T, s store.OAuthClients) {
	// Hours from the store's clock: it is the caller's that counts.
	for _, off := range []time.Duration{0, 5 * time.Hour, -5 * time.Hour} {
		now := today().Add(off)
		want := newClient(fmt.Sprint("client ", off), now)
		createClients(t, s, want)
		next, old := newSecret("second", now), want.Secrets[0]
		rotateSecret(t, s, want.ID, next, now.Add(time.Hour), now)
		old.ExpiresAt = now.Add(time.Hour)
		want.Secrets = []store.ClientSecret{next, old}
		for _, at := range []time.Time{now, now.Add(time.Minute), old.ExpiresAt.Add(-time.Microsecond)} {
			for _, until := range []time.Duration{time.Microsecond, time.Hour, 1000 * time.Hour} {
				err := s.RotateOAuthSecret(t.Context(), want.ID, newSecret("third", at), at.Add(until), at)
				wantErr(t, err, store.ErrLimit, "RotateOAuthSecret of two that are live, %v after the first, until %v later", at.Sub(now), until)
				wantClient(t, s, want, "after a refused rotation")
			}
		}
		third := newSecret("third", now)
		rotateSecret(t, s, want.ID, third, old.ExpiresAt.Add(time.Hour), old.ExpiresAt)
		next.ExpiresAt = old.ExpiresAt.Add(time.Hour)
		want.Secrets = []store.ClientSecret{third, next}
		wantClient(t, s, want, "rotated when the oldest secret ended")
	}
}

func rotateSecretOfADisabledOAuthClient(t *testing.T, s store.OAuthClients) {
	now := today()
	for what, secrets := range map[string][]store.ClientSecret{
		"no": nil, "one": {newSecret("a", now)}, "an over": {endingSecret("a", now, now)},
	} {
		want := clientOf(what, now, secrets...)
		createClients(t, s, want)
		disableClient(t, s, what, now.Add(time.Hour))
		want.DisabledAt = now.Add(time.Hour)
		// At once, too, and before DisabledAt by the caller's clock.
		for _, until := range []time.Time{now.Add(time.Hour), now, {}} {
			err := s.RotateOAuthSecret(t.Context(), what, newSecret("next", now), until, now)
			wantErr(t, err, store.ErrConflict, "RotateOAuthSecret of a disabled client with %s secret", what)
			wantClient(t, s, want, "disabled, after a refused rotation")
		}
	}
}
