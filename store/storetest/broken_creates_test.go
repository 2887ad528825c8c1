package storetest_test

import (
	"context"
	"errors"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenCreates = []brokenStore{
	{"ids of each owner", "APIKeys/create_refuses_a_known_id", func(s *edited) any { return idsOfOwner{s} }},
	{"inserts or ignores", "APIKeys/create_refuses_a_known_id", func(s *edited) any { return insertsOrIgnores{s} }},
	{"digests without an index", "APIKeys/create_refuses_a_known_digest", func(s *edited) any { return digestsTwice{s} }},
	{"create without a transaction", "APIKeys/failed_create_leaves_nothing", func(s *edited) any { return createHalf{s} }},
	{"looks for the id, then inserts", "APIKeys/ids_are_unique_in_a_race", func(s *edited) any { return &idRace{edited: s} }},
	{"looks for the digest, then inserts", "APIKeys/digests_are_unique_in_a_race", func(s *edited) any { return &digestRace{edited: s} }},
	{"scopes in a second write", "APIKeys/create_is_seen_whole", func(s *edited) any { return scopesLater{s} }},
}

var brokenCaps = []brokenStore{
	{"cap off by one", "APIKeys/cap_refuses_one_more", func(s *edited) any { return capOffByOne{s} }},
	{"cap of zero is none", "APIKeys/cap_refuses_one_more", func(s *edited) any { return capOfZero{s} }},
	{"cap of all owners", "APIKeys/cap_is_of_one_owner", func(s *edited) any { return capOfAll{s} }},
	{"cap counts dead keys", "APIKeys/cap_counts_live_keys", func(s *edited) any { return capCountsDead{s} }},
	{"cap counts at the deadline", "APIKeys/cap_counts_to_the_deadline", func(s *edited) any { return capInclusive{s} }},
	{"cap without replaced keys", "APIKeys/cap_counts_replaced_keys", func(s *edited) any { return capSkipsReplaced{s} }},
	{"counts, then inserts", "APIKeys/cap_holds_in_a_race", func(s *edited) any { return &capRace{edited: s} }},
}

// unlike is k with a digest that no key has.
func unlike(k store.APIKey) store.APIKey {
	k.Digest = store.DigestOf("unlike " + k.Owner + "\n" + k.ID)
	return k
}

type idsOfOwner struct{ *edited }

func (s idsOfOwner) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	err := s.edited.CreateAPIKey(ctx, k, l, now)
	if other := s.ownerOf(k.ID); errors.Is(err, store.ErrExists) && other != "" && other != k.Owner {
		return nil
	}
	return err
}

type insertsOrIgnores struct{ *edited }

func (s insertsOrIgnores) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	err := s.edited.CreateAPIKey(ctx, k, l, now)
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

type digestsTwice struct{ *edited }

func (s digestsTwice) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	err := s.edited.CreateAPIKey(ctx, k, l, now)
	if errors.Is(err, store.ErrExists) && s.ownerOf(k.ID) == "" {
		return s.edited.CreateAPIKey(ctx, unlike(k), l, now)
	}
	return err
}

// createHalf leaves the row when the index of digests refuses it.
type createHalf struct{ *edited }

func (s createHalf) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	err := s.edited.CreateAPIKey(ctx, k, l, now)
	if errors.Is(err, store.ErrExists) && s.ownerOf(k.ID) == "" {
		_ = s.edited.CreateAPIKey(ctx, unlike(k), l, now)
	}
	return err
}

type idRace struct {
	*edited
	meeting
}

func (s *idRace) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	if s.ownerOf(k.ID) != "" {
		return store.ErrExists
	}
	s.wait()
	if err := s.edited.CreateAPIKey(ctx, k, l, now); !errors.Is(err, store.ErrExists) {
		return err
	}
	return nil // it has replaced the other's row
}

type digestRace struct {
	*edited
	meeting
}

func (s *digestRace) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	if _, err := s.APIKeyByDigest(ctx, k.Digest); err == nil {
		return store.ErrExists
	}
	s.wait()
	if err := s.edited.CreateAPIKey(ctx, k, l, now); !errors.Is(err, store.ErrExists) {
		return err
	}
	return s.edited.CreateAPIKey(ctx, unlike(k), l, now)
}

type scopesLater struct{ *edited }

func (s scopesLater) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	s.edit(k.ID, func(row *store.APIKey) { row.Scopes = nil })
	err := s.edited.CreateAPIKey(ctx, k, l, now)
	s.waitForReaders()
	s.unedit(k.ID)
	return err
}

type capOffByOne struct{ *edited }

func (s capOffByOne) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	if l.MaxLive > 0 {
		l.MaxLive++
	}
	return s.edited.CreateAPIKey(ctx, k, l, now)
}

type capOfZero struct{ *edited }

func (s capOfZero) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	if l.MaxLive == 0 && l.MaxAge > 0 {
		return store.ErrLimit
	}
	return s.edited.CreateAPIKey(ctx, k, l, now)
}

type capOfAll struct{ *edited }

func (s capOfAll) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	if l.MaxLive > 0 && len(s.all(ctx)) >= l.MaxLive {
		return store.ErrLimit
	}
	return s.edited.CreateAPIKey(ctx, k, l, now)
}

type capCountsDead struct{ *edited }

func (s capCountsDead) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	if l.MaxLive > 0 && len(s.keysOf(ctx, k.Owner)) >= l.MaxLive {
		return store.ErrLimit
	}
	return s.edited.CreateAPIKey(ctx, k, l, now)
}

// capInclusive counts a key at its end.
type capInclusive struct{ *edited }

func (s capInclusive) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	return s.edited.CreateAPIKey(ctx, k, l, now.Add(-time.Microsecond))
}

type capSkipsReplaced struct{ *edited }

func (s capSkipsReplaced) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	for _, there := range s.keysOf(ctx, k.Owner) {
		if l.MaxLive > 0 && there.ReplacedBy != "" && there.Live(l.MaxAge, now) {
			l.MaxLive++
		}
	}
	return s.edited.CreateAPIKey(ctx, k, l, now)
}

type capRace struct {
	*edited
	meeting
}

func (s *capRace) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	live := 0
	for _, there := range s.keysOf(ctx, k.Owner) {
		if there.Live(l.MaxAge, now) {
			live++
		}
	}
	if l.MaxLive > 0 && live >= l.MaxLive {
		return store.ErrLimit
	}
	s.wait()
	return s.edited.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now)
}
