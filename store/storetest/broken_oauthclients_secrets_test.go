package storetest_test

import (
	"context"
	"slices"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenClientSecrets = []brokenStore{
	{"secrets by their times", "OAuthClients/rotate_secret_puts_the_new_one_first", clientsAfter("rotate", func(_ store.OAuthClient, is *store.OAuthClient) {
		slices.SortStableFunc(is.Secrets, func(a, b store.ClientSecret) int { return b.CreatedAt.Compare(a.CreatedAt) })
	})},
	{"the new secret has no end", "OAuthClients/rotate_secret_puts_the_new_one_first", clientsAfter("rotate", func(_ store.OAuthClient, is *store.OAuthClient) { is.Secrets[0].ExpiresAt = time.Time{} })},
	{"rotation extends the one before", "OAuthClients/rotate_secret_ends_the_one_before", rotatesWith(func(_ *plainClients, was []store.ClientSecret, next store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error) {
		secrets, err := rotatedSecrets(was, next, until, now)
		if err == nil && len(secrets) > 1 {
			secrets[1].ExpiresAt = until
		}
		return secrets, err
	})},
	{"the secret before has no end", "OAuthClients/rotate_secret_ends_the_one_before", rotatesWith(func(_ *plainClients, was []store.ClientSecret, next store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error) {
		secrets, err := rotatedSecrets(was, next, until, now)
		if err == nil && len(secrets) > 1 {
			secrets[1].ExpiresAt = was[0].ExpiresAt
		}
		return secrets, err
	})},
	{"rotation keeps what is over", "OAuthClients/rotate_secret_drops_the_others", rotatesWith(func(_ *plainClients, was []store.ClientSecret, next store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error) {
		secrets, err := rotatedSecrets(was, next, until, now)
		if err == nil && len(secrets) == 1 {
			secrets = append(secrets, was...)
		}
		return secrets, err
	})},
	{"the first secret is the newest live one", "OAuthClients/rotate_secret_drops_the_others", rotatesWith(func(_ *plainClients, was []store.ClientSecret, next store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error) {
		return rotatedSecrets(was[:min(len(was), 1)], next, until, now)
	})},
	{"no room for a secret at once", "OAuthClients/rotate_secret_at_once", rotatesWith(func(_ *plainClients, was []store.ClientSecret, next store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error) {
		if _, err := rotatedSecrets(was, next, now.Add(1), now); err != nil {
			return was, err
		}
		return rotatedSecrets(was, next, until, now)
	})},
	{"keeps what ends at once", "OAuthClients/rotate_secret_at_once", rotatesWith(func(_ *plainClients, was []store.ClientSecret, next store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error) {
		secrets, err := rotatedSecrets(was, next, until, now)
		if err == nil && !until.After(now) {
			for _, old := range was[:min(len(was), 1)] {
				old.ExpiresAt = until
				secrets = append(secrets, old)
			}
		}
		return secrets, err
	})},
	{"three secrets", "OAuthClients/rotate_secret_has_a_limit", rotatesWith(func(_ *plainClients, was []store.ClientSecret, next store.ClientSecret, _, _ time.Time) ([]store.ClientSecret, error) {
		return append([]store.ClientSecret{next}, was...), nil
	})},
	{"a third secret drops the oldest", "OAuthClients/rotate_secret_has_a_limit", rotatesWith(func(_ *plainClients, was []store.ClientSecret, next store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error) {
		secrets, err := rotatedSecrets(was, next, until, now)
		if err != nil {
			return rotatedSecrets(was[:1], next, until, now)
		}
		return secrets, nil
	})},
	{"secrets live by the store's clock", "OAuthClients/rotate_secret_has_a_limit", rotatesWith(func(s *plainClients, was []store.ClientSecret, next store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error) {
		if !until.After(now) {
			return rotatedSecrets(was, next, until, now)
		}
		return rotatedSecrets(was, next, until.Add(1000*time.Hour), s.now())
	})},
	{"secrets live at their end", "OAuthClients/rotate_secret_has_a_limit", rotatesWith(func(_ *plainClients, was []store.ClientSecret, next store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error) {
		return rotatedSecrets(was, next, until, now.Add(-time.Microsecond))
	})},
	{"disabled clients get secrets", "OAuthClients/rotate_secret_of_a_disabled_oauth_client", clientsWith(func(s *plainClients) {
		s.then["rotate"] = func(store.OAuthClient, *store.OAuthClient, error) {}
		s.says["rotate"] = func(_, _ store.OAuthClient, err error) error { return nil }
	})},
	{"a refused rotation drops secrets", "OAuthClients/rotate_secret_of_a_disabled_oauth_client", clientsWith(func(s *plainClients) {
		s.then["rotate"] = func(store.OAuthClient, *store.OAuthClient, error) {}
	})},

	{"looks, then creates a client", "OAuthClients/create_oauth_client_has_one_winner", clientsWith(func(s *plainClients) { s.races = "create" })},
	{"looks, then updates a client", "OAuthClients/update_oauth_client_has_one_winner", clientsWith(func(s *plainClients) { s.races = "update" })},
	{"updates in two writes", "OAuthClients/update_oauth_client_is_seen_whole", clientsWith(func(s *plainClients) {
		s.half["update"] = func(was, is store.OAuthClient) store.OAuthClient {
			is.Scopes = was.Scopes
			return is
		}
	})},
	{"creates in two writes", "OAuthClients/update_oauth_client_is_seen_whole", clientsWith(func(s *plainClients) {
		s.half["create"] = func(_, is store.OAuthClient) store.OAuthClient {
			is.Secrets = nil
			return is
		}
	})},
	{"looks, then rotates a secret", "OAuthClients/rotate_secret_limit_holds_in_a_race", clientsWith(func(s *plainClients) { s.races = "rotate" })},
	{"who rotates second is in conflict", "OAuthClients/rotate_secret_at_once_in_a_race", func(e *edited) any { return &rotatesAlone{plainClients: newPlainClients(e.offset)} }},
	{"drops the secret before the next one is there", "OAuthClients/rotate_secret_is_seen_whole", clientsWith(func(s *plainClients) {
		s.half["rotate"] = func(_, is store.OAuthClient) store.OAuthClient {
			is.Secrets = is.Secrets[1:]
			return is
		}
	})},
	{"rotates a secret in two writes", "OAuthClients/rotate_secret_is_seen_whole", clientsWith(func(s *plainClients) {
		s.half["rotate"] = func(was, is store.OAuthClient) store.OAuthClient {
			is.Secrets = slices.Concat(is.Secrets[:1], was.Secrets)
			return is
		}
	})},
	{"updating writes the whole client", "OAuthClients/update_keeps_a_rotation", clientsWith(func(s *plainClients) { s.races = "update" })},
	{"rotating writes the whole client", "OAuthClients/update_keeps_a_rotation", clientsWith(func(s *plainClients) { s.races = "rotate" })},
	{"disabling writes the whole client", "OAuthClients/disable_against_the_rest", clientsWith(func(s *plainClients) { s.races = "disable" })},
	{"rotating enables", "OAuthClients/disable_against_the_rest", clientsWith(func(s *plainClients) { s.races = "rotate" })},
}

// rotatesWith has a mistake in what becomes of the secrets.
func rotatesWith(f func(s *plainClients, was []store.ClientSecret, next store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error)) func(*edited) any {
	return clientsWith(func(s *plainClients) {
		s.rotate = func(was []store.ClientSecret, next store.ClientSecret, until, now time.Time) ([]store.ClientSecret, error) {
			return f(s, was, next, until, now)
		}
	})
}

// rotatesAlone answers ErrConflict to who meets another.
type rotatesAlone struct {
	*plainClients
	meets meeting
}

func (s *rotatesAlone) RotateOAuthSecret(ctx context.Context, id string, next store.ClientSecret, until, now time.Time) error {
	was, _ := s.OAuthClient(ctx, id)
	s.meets.wait()
	if is, _ := s.OAuthClient(ctx, id); len(is.Secrets) != len(was.Secrets) || len(is.Secrets) > 0 && is.Secrets[0].Digest != was.Secrets[0].Digest {
		return store.ErrConflict
	}
	return s.plainClients.RotateOAuthSecret(ctx, id, next, until, now)
}
