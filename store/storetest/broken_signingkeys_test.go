package storetest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenSigningKeys = []brokenStore{
	{"sealed keys are text", "SigningKeys/signing_key_keeps_every_field", added(func(_ *edited, k *store.SigningKey) {
		k.Sealed = []byte(strings.ToValidUTF8(string(k.Sealed), "?"))
	})},
	{"public keys of 4096 bytes", "SigningKeys/signing_key_keeps_every_field", added(func(_ *edited, k *store.SigningKey) { k.Public = k.Public[:min(len(k.Public), 4096)] })},
	{"signing times of seconds", "SigningKeys/signing_key_keeps_every_field", added(func(_ *edited, k *store.SigningKey) { k.SignFrom = k.SignFrom.Truncate(time.Second) })},
	{"keeps the caller's bytes", "SigningKeys/signing_key_keeps_copies", added(func(s *edited, k *store.SigningKey) {
		public := k.Public
		s.ring.add(k.ID, func(k *store.SigningKey) { k.Public = public })
	})},
	{"no signing keys is an error", "SigningKeys/no_signing_keys", func(s *edited) any { return noneIsNotFound{s} }},
	{"signing keys by their times", "SigningKeys/signing_keys_are_newest_first", func(s *edited) any { return ringByTime{s} }},
	{"signing keys live at their end", "SigningKeys/expired_signing_keys_are_left_out", func(s *edited) any {
		return ringAt{s, func(now time.Time) time.Time { return now.Add(-time.Microsecond) }}
	}},
	{"signing keys end by the store's clock", "SigningKeys/expired_signing_keys_are_left_out", func(s *edited) any { return ringAt{s, func(time.Time) time.Time { return s.now() }} }},
	{"cleans signing keys without a margin", "SigningKeys/cleaning_spares_signing_keys", func(s *edited) any { return ringAt{s, func(now time.Time) time.Time { return later(now, s.now()) }} }},
	{"a key after any other", "SigningKeys/add_names_the_newest", func(s *edited) any { return addsAfterAny{s} }},
	{"the newest may have expired", "SigningKeys/add_after_the_expired", func(s *edited) any { return expiredIsNewest{s} }},
	{"a successor extends", "SigningKeys/add_ends_its_predecessor", addedThen(func(s *edited, _ store.SigningKey, newest string, expires time.Time) {
		s.ring.add(newest, func(k *store.SigningKey) { k.ExpiresAt = expires })
	})},
	{"the predecessor signs on", "SigningKeys/add_ends_its_predecessor", addedThen(func(s *edited, _ store.SigningKey, newest string, expires time.Time) {
		s.ring.add(newest, func(k *store.SigningKey) { k.SignUntil = expires })
	})},
	{"a successor ends all", "SigningKeys/add_ends_nothing_else", addedThen(func(s *edited, added store.SigningKey, newest string, expires time.Time) {
		for _, old := range s.allSigningKeys(context.Background()) {
			if newest != "" && old.ID != added.ID {
				s.ring.add(old.ID, func(k *store.SigningKey) { k.ExpiresAt = earlier(k.ExpiresAt, expires) })
			}
		}
	})},
	{"a first key has an end", "SigningKeys/add_ends_nothing_else", addedThen(func(s *edited, added store.SigningKey, newest string, expires time.Time) {
		if newest == "" {
			s.ring.add(added.ID, func(k *store.SigningKey) { k.ExpiresAt = expires })
		}
	})},
	{"the id of an expired key is free", "SigningKeys/add_refuses_a_known_id", func(s *edited) any { return reusesIDs{s} }},
	{"kids without case", "SigningKeys/signing_key_ids_compare_bytewise", func(s *edited) any { return foldsKids{s} }},
	{"looks for a first key, then adds", "SigningKeys/first_signing_key_has_one_winner", func(s *edited) any { return &addRace{edited: s} }},
	{"looks for the newest key, then adds", "SigningKeys/next_signing_key_has_one_winner", func(s *edited) any { return &addRace{edited: s} }},
	{"adds in two writes", "SigningKeys/add_is_seen_whole", func(s *edited) any { return addsInTwo{s} }},
	{"adding writes the whole predecessor", "SigningKeys/add_keeps_an_expiry", func(s *edited) any { return &addUndoes{edited: s} }},
	{"an expired key stops signing", "SigningKeys/expire_signing_key", func(s *edited) any { return expiresMore{s} }},
	{"expiring moves the end", "SigningKeys/expire_signing_key_never_extends", func(s *edited) any { return expiresLater{s} }},
	{"expiring no key is no error", "SigningKeys/expire_of_a_missing_signing_key", func(s *edited) any { return expiresNone{s} }},
	{"signing keys panic without a context", "SigningKeys/signing_key_calls_with_an_ended_context", func(s *edited) any { return panicsOnAdd{s} }},
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// earlier takes a zero a for never.
func earlier(a, b time.Time) time.Time {
	if !a.IsZero() && a.Before(b) {
		return a
	}
	return b
}

// addedOf changes what is inserted.
type addedOf struct {
	*edited
	change func(s *edited, k *store.SigningKey)
}

func added(change func(s *edited, k *store.SigningKey)) func(*edited) any {
	return func(s *edited) any { return addedOf{s, change} }
}

func (s addedOf) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	s.change(s.edited, &k)
	return s.edited.AddSigningKey(ctx, k, newest, expires)
}

// thenOf does more than to insert.
type thenOf struct {
	*edited
	more func(s *edited, added store.SigningKey, newest string, expires time.Time)
}

func addedThen(more func(s *edited, added store.SigningKey, newest string, expires time.Time)) func(*edited) any {
	return func(s *edited) any { return thenOf{s, more} }
}

func (s thenOf) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	err := s.edited.AddSigningKey(ctx, k, newest, expires)
	if err == nil {
		s.more(s.edited, k, newest, expires)
	}
	return err
}

type noneIsNotFound struct{ *edited }

func (s noneIsNotFound) ListSigningKeys(ctx context.Context, now time.Time) ([]store.SigningKey, error) {
	keys, err := s.edited.ListSigningKeys(ctx, now)
	if len(keys) == 0 {
		return nil, store.ErrNotFound
	}
	return keys, err
}

type ringByTime struct{ *edited }

func (s ringByTime) ListSigningKeys(ctx context.Context, now time.Time) ([]store.SigningKey, error) {
	keys, err := s.edited.ListSigningKeys(ctx, now)
	slices.SortStableFunc(keys, func(a, b store.SigningKey) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return keys, err
}

// ringAt lists as of another time.
type ringAt struct {
	*edited
	at func(now time.Time) time.Time
}

func (s ringAt) ListSigningKeys(ctx context.Context, now time.Time) ([]store.SigningKey, error) {
	return s.edited.ListSigningKeys(ctx, s.at(now))
}

// newest is the ID of the newest key that has not expired at now.
func (s *edited) newest(ctx context.Context, now time.Time) string {
	for _, k := range s.allSigningKeys(ctx) {
		if !expired(k, now) {
			return k.ID
		}
	}
	return ""
}

// addsAfterAny is content with any key that is there.
type addsAfterAny struct{ *edited }

func (s addsAfterAny) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	for _, there := range s.allSigningKeys(ctx) {
		if there.ID == newest {
			newest = s.newest(ctx, k.CreatedAt)
			break
		}
	}
	return s.edited.AddSigningKey(ctx, k, newest, expires)
}

type expiredIsNewest struct{ *edited }

func (s expiredIsNewest) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	if all := s.allSigningKeys(ctx); len(all) > 0 && all[0].ID != newest {
		return store.ErrConflict
	}
	return s.edited.AddSigningKey(ctx, k, s.newest(ctx, k.CreatedAt), expires)
}

type reusesIDs struct{ *edited }

func (s reusesIDs) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	for _, there := range s.allSigningKeys(ctx) {
		if there.ID == k.ID && expired(there, k.CreatedAt) {
			return nil
		}
	}
	return s.edited.AddSigningKey(ctx, k, newest, expires)
}

type foldsKids struct{ *edited }

func (s foldsKids) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	for _, there := range s.allSigningKeys(ctx) {
		if strings.EqualFold(there.ID, k.ID) {
			return store.ErrExists
		}
	}
	return s.edited.AddSigningKey(ctx, k, newest, expires)
}

type addRace struct {
	*edited
	meeting
}

func (s *addRace) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	if s.newest(ctx, k.CreatedAt) != newest {
		return store.ErrConflict
	}
	s.wait()
	for {
		err := s.edited.AddSigningKey(ctx, k, s.newest(ctx, k.CreatedAt), expires)
		if !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
}

type addsInTwo struct{ *edited }

func (s addsInTwo) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	s.ring.add(newest, func(k *store.SigningKey) { k.SignUntil, k.ExpiresAt = time.Time{}, time.Time{} })
	err := s.edited.AddSigningKey(ctx, k, newest, expires)
	s.waitForReaders()
	s.ring.remove(newest)
	return err
}

// addUndoes writes back all of what it has read of the predecessor.
type addUndoes struct {
	*edited
	expiries atomic.Int64
}

func (s *addUndoes) ExpireSigningKey(ctx context.Context, id string, now time.Time) error {
	defer s.expiries.Add(1)
	return s.edited.ExpireSigningKey(ctx, id, now)
}

func (s *addUndoes) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	before := s.expiries.Load()
	for _, there := range s.allSigningKeys(ctx) {
		if there.ID == newest {
			end := earlier(there.ExpiresAt, expires)
			s.ring.add(newest, func(k *store.SigningKey) { k.ExpiresAt = end })
		}
	}
	yieldUntil(func() bool { return s.expiries.Load() > before })
	return s.edited.AddSigningKey(ctx, k, newest, expires)
}

type expiresMore struct{ *edited }

func (s expiresMore) ExpireSigningKey(ctx context.Context, id string, now time.Time) error {
	s.ring.add(id, func(k *store.SigningKey) { k.SignUntil = now })
	return s.edited.ExpireSigningKey(ctx, id, now)
}

type expiresLater struct{ *edited }

func (s expiresLater) ExpireSigningKey(ctx context.Context, id string, now time.Time) error {
	s.ring.add(id, func(k *store.SigningKey) { k.ExpiresAt = now })
	return s.edited.ExpireSigningKey(ctx, id, now)
}

type expiresNone struct{ *edited }

func (s expiresNone) ExpireSigningKey(ctx context.Context, id string, now time.Time) error {
	_ = s.edited.ExpireSigningKey(ctx, id, now)
	return nil
}

type panicsOnAdd struct{ *edited }

func (s panicsOnAdd) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	return s.edited.AddSigningKey(ctx, k, newest, expires)
}
