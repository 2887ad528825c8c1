package storetest_test

import (
	"context"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenWarnings = []brokenStore{
	{"warns short of d", "APIKeys/expiring_within_d", func(s *edited) any { return warnsShort{s} }},
	{"warns of the dead", "APIKeys/expiring_are_live", func(s *edited) any { return &warnsAlways{edited: s, dead: true} }},
	{"warns of the replaced", "APIKeys/expiring_have_no_successor", func(s *edited) any { return &warnsAlways{edited: s, replaced: true} }},
	{"warns without age", "APIKeys/expiring_by_age", func(s *edited) any { return warnsAgeless{s} }},
	{"warns for each d", "APIKeys/expiring_once_for_d", func(s *edited) any { return &warnsForEach{edited: s} }},
	{"warns once for all", "APIKeys/expiring_again_for_a_shorter_d", func(s *edited) any { return &warnsOnce{edited: s} }},
	{"claims more than it answers", "APIKeys/expiring_up_to_limit", func(s *edited) any { return claimsAll{s} }},
	{"looks, then marks", "APIKeys/expiring_to_one_caller", func(s *edited) any { return &warnRace{edited: s} }},
}

type warnsShort struct{ *edited }

func (s warnsShort) ClaimExpiringAPIKeys(ctx context.Context, d time.Duration, l store.APIKeyLimits, limit int, now time.Time) ([]store.APIKey, error) {
	return s.edited.ClaimExpiringAPIKeys(ctx, d-time.Microsecond, l, limit, now)
}

type warnsAgeless struct{ *edited }

func (s warnsAgeless) ClaimExpiringAPIKeys(ctx context.Context, d time.Duration, l store.APIKeyLimits, limit int, now time.Time) ([]store.APIKey, error) {
	return s.edited.ClaimExpiringAPIKeys(ctx, d, store.APIKeyLimits{MaxLive: l.MaxLive}, limit, now)
}

// warnsAlways adds keys that are no matter for a warning.
type warnsAlways struct {
	*edited
	dead, replaced bool
}

func (s *warnsAlways) ClaimExpiringAPIKeys(ctx context.Context, d time.Duration, l store.APIKeyLimits, limit int, now time.Time) ([]store.APIKey, error) {
	keys, err := s.edited.ClaimExpiringAPIKeys(ctx, d, l, limit, now)
	for _, k := range s.all(ctx) {
		end := k.EndsAt(l.MaxAge)
		wrong := s.dead && !k.RevokedAt.IsZero() || s.replaced && k.ReplacedBy != ""
		if wrong && !end.IsZero() && !end.After(now.Add(d)) {
			keys = append(keys, k)
		}
	}
	return keys, err
}

// due answers what ends within d, claimed or not.
func (s *edited) due(ctx context.Context, d time.Duration, l store.APIKeyLimits, now time.Time) (keys []store.APIKey) {
	for _, k := range s.all(ctx) {
		end := k.EndsAt(l.MaxAge)
		if k.Live(l.MaxAge, now) && k.ReplacedBy == "" && !end.IsZero() && !end.After(now.Add(d)) {
			keys = append(keys, k)
		}
	}
	return keys
}

// warnsForEach remembers d itself, not how long it is.
type warnsForEach struct {
	*edited
	done sync.Map
}

func (s *warnsForEach) ClaimExpiringAPIKeys(ctx context.Context, d time.Duration, l store.APIKeyLimits, limit int, now time.Time) (keys []store.APIKey, err error) {
	for _, k := range s.due(ctx, d, l, now) {
		if _, claimed := s.done.LoadOrStore(k.ID+d.String(), true); !claimed && len(keys) < limit {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// warnsOnce remembers that, and not for which d.
type warnsOnce struct {
	*edited
	done sync.Map
}

func (s *warnsOnce) ClaimExpiringAPIKeys(ctx context.Context, d time.Duration, l store.APIKeyLimits, limit int, now time.Time) (keys []store.APIKey, err error) {
	for _, k := range s.due(ctx, d, l, now) {
		if _, claimed := s.done.LoadOrStore(k.ID, true); !claimed && len(keys) < limit {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

type claimsAll struct{ *edited }

func (s claimsAll) ClaimExpiringAPIKeys(ctx context.Context, d time.Duration, l store.APIKeyLimits, limit int, now time.Time) ([]store.APIKey, error) {
	keys, err := s.edited.ClaimExpiringAPIKeys(ctx, d, l, 1000, now)
	return keys[:min(len(keys), limit)], err
}

type warnRace struct {
	*edited
	meeting
	done sync.Map
}

func (s *warnRace) ClaimExpiringAPIKeys(ctx context.Context, d time.Duration, l store.APIKeyLimits, limit int, now time.Time) (keys []store.APIKey, err error) {
	for _, k := range s.due(ctx, d, l, now) {
		if _, claimed := s.done.Load(k.ID); !claimed && len(keys) < limit {
			keys = append(keys, k)
		}
	}
	s.wait()
	for _, k := range keys {
		s.done.Store(k.ID, true)
	}
	return keys, nil
}
