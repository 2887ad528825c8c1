package storetest_test

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenOneTimes = []brokenStore{
	{"bound to 255 bytes", "OneTime/one_time_token_keeps_every_field", linksWith(func(l *links) {
		l.keep = func(k *store.OneTimeToken) { k.Bound = k.Bound[:min(len(k.Bound), 255)] }
	})},
	{"one-time tokens of whole seconds", "OneTime/one_time_token_keeps_every_field", linksWith(func(l *links) {
		l.keep = func(k *store.OneTimeToken) { k.CreatedAt = k.CreatedAt.Truncate(time.Second) }
	})},
	{"reading uses a token up", "OneTime/one_time_token_keeps_every_field", func(*edited) any { return &readsOnce{} }},
	{"one-time digests of 16 bytes", "OneTime/missing_one_time_tokens", linksWith(func(l *links) {
		l.key = func(d store.Digest) store.Digest { clear(d[16:]); return d }
	})},
	{"inserts or replaces one-time tokens", "OneTime/create_one_time_refuses_a_known_digest", func(*edited) any { return &linksUpsert{} }},
	{"looks for a token, then inserts", "OneTime/create_one_time_refuses_a_known_digest", func(*edited) any { return &linkRace{} }},
	{"revokes tokens of one purpose", "OneTime/revoke_one_time_of", linksWith(func(l *links) {
		l.revokes = func(k store.OneTimeToken, subject string) bool { return k.Subject == subject && k.Purpose == "reset" }
	})},
	{"revokes tokens to come", "OneTime/revoke_one_time_of", func(*edited) any { return &revokesAhead{} }},
	{"revokes tokens of who is alike", "OneTime/revoke_one_time_of_nobody_else", linksWith(func(l *links) {
		l.revokes = func(k store.OneTimeToken, subject string) bool { return strings.EqualFold(k.Subject, subject) }
	})},
	{"cleans one-time tokens without a margin", "OneTime/cleaning_spares_one_time_tokens", func(s *edited) any {
		return &links{live: func(k store.OneTimeToken, now time.Time) bool { return later(now, s.now()).Before(k.ExpiresAt) }}
	}},
	{"one-time calls panic without a context", "OneTime/one_time_calls_with_an_ended_context", func(s *edited) any { return panicsOnOneTime{s} }},

	{"a claim uses nothing up", "OneTime/claimed_one_time_token_is_used_up", func(*edited) any { return &claimsAgain{} }},
	{"a claim uses up the subject's others", "OneTime/claimed_one_time_token_is_used_up", func(*edited) any { return &usesUpAll{} }},
	{"looks for a token, then claims", "OneTime/claim_one_time_has_one_winner", func(*edited) any { return &claimRace{} }},
	{"one-time tokens live at their end", "OneTime/one_time_token_ends", linksWith(func(l *links) {
		l.live = func(k store.OneTimeToken, now time.Time) bool { return !now.After(k.ExpiresAt) }
	})},
	{"one-time tokens end by the store's clock", "OneTime/one_time_token_ends", linksWith(func(l *links) {
		l.live = func(k store.OneTimeToken, _ time.Time) bool { return time.Now().Before(k.ExpiresAt) }
	})},
	{"a late claim uses a token up", "OneTime/claim_of_what_has_ended_changes_nothing", func(*edited) any { return &claimsLate{} }},

	{"one-time cap off by one", "OneTime/one_time_cap_refuses_one_more", linksWith(func(l *links) {
		l.most = func(most int) int { return most + min(most, 1) }
	})},
	{"one-time cap of zero is none", "OneTime/one_time_cap_refuses_one_more", linksWith(func(l *links) {
		l.most = func(most int) int {
			if most == 0 {
				return 1
			}
			return most
		}
	})},
	{"one-time cap of all subjects", "OneTime/one_time_cap_is_of_a_subject_and_a_purpose", linksWith(func(l *links) {
		l.counts = func(there, k store.OneTimeToken) bool { return there.Purpose == k.Purpose }
	})},
	{"one-time cap of all purposes", "OneTime/one_time_cap_is_of_a_subject_and_a_purpose", linksWith(func(l *links) {
		l.counts = func(there, k store.OneTimeToken) bool { return there.Subject == k.Subject }
	})},
	{"one-time cap of names that are joined", "OneTime/one_time_cap_is_of_a_subject_and_a_purpose", linksWith(func(l *links) {
		l.counts = func(there, k store.OneTimeToken) bool {
			return there.Purpose+":"+there.Subject == k.Purpose+":"+k.Subject
		}
	})},
	{"one-time cap counts the dead", "OneTime/one_time_cap_counts_live_tokens", func(*edited) any { return &countsDead{} }},
	{"counts tokens, then inserts", "OneTime/one_time_cap_holds_in_a_race", func(*edited) any { return &linkCapRace{} }},
}

// links is store.OneTime alone. It is right, but for what is set.
type links struct {
	mu      sync.Mutex
	tokens  map[store.Digest]store.OneTimeToken
	keep    func(k *store.OneTimeToken) // changes what is kept
	key     func(d store.Digest) store.Digest
	live    func(k store.OneTimeToken, now time.Time) bool
	revokes func(k store.OneTimeToken, subject string) bool
	counts  func(there, k store.OneTimeToken) bool // against one cap
	most    func(most int) int
}

func linksWith(set func(l *links)) func(*edited) any {
	return func(*edited) any {
		l := new(links)
		set(l)
		return l
	}
}

func (l *links) at(d store.Digest) store.Digest {
	if l.key != nil {
		return l.key(d)
	}
	return d
}

func (l *links) isLive(k store.OneTimeToken, now time.Time) bool {
	if l.live != nil {
		return l.live(k, now)
	}
	return now.Before(k.ExpiresAt)
}

func (l *links) put(k store.OneTimeToken) {
	if l.keep != nil {
		l.keep(&k)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tokens == nil {
		l.tokens = make(map[store.Digest]store.OneTimeToken)
	}
	l.tokens[l.at(k.Digest)] = k
}

// drop deletes what gone says, and answers how many there were.
func (l *links) drop(gone func(k store.OneTimeToken) bool) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for d, k := range l.tokens {
		if gone(k) {
			delete(l.tokens, d)
			n++
		}
	}
	return n
}

func (l *links) has(d store.Digest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, ok := l.tokens[l.at(d)]
	return ok
}

// room reports whether one more than what is there fits under most.
func (l *links) room(k store.OneTimeToken, most int, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.most != nil {
		most = l.most(most)
	}
	n := 0
	for _, there := range l.tokens {
		same := there.Subject == k.Subject && there.Purpose == k.Purpose
		if l.counts != nil {
			same = l.counts(there, k)
		}
		if same && l.isLive(there, now) {
			n++
		}
	}
	return most == 0 || n < most
}

// CreateOneTime is right for one caller at a time.
func (l *links) CreateOneTime(_ context.Context, k store.OneTimeToken, most int, now time.Time) error {
	switch {
	case l.has(k.Digest):
		return store.ErrExists
	case !l.room(k, most, now):
		return store.ErrLimit
	}
	l.put(k)
	return nil
}

func (l *links) OneTimeByDigest(_ context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k, ok := l.tokens[l.at(d)]
	if !ok || !l.isLive(k, now) {
		return store.OneTimeToken{}, store.ErrNotFound
	}
	return k, nil
}

// ClaimOneTime is right for one caller at a time.
func (l *links) ClaimOneTime(ctx context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	k, err := l.OneTimeByDigest(ctx, d, now)
	if err == nil {
		l.drop(func(there store.OneTimeToken) bool { return there.Digest == k.Digest })
	}
	return k, err
}

func (l *links) RevokeOneTimeOf(_ context.Context, subject string) error {
	l.drop(func(k store.OneTimeToken) bool {
		if l.revokes != nil {
			return l.revokes(k, subject)
		}
		return k.Subject == subject
	})
	return nil
}

type readsOnce struct{ links }

func (l *readsOnce) OneTimeByDigest(ctx context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	return l.ClaimOneTime(ctx, d, now)
}

type linksUpsert struct{ links }

func (l *linksUpsert) CreateOneTime(_ context.Context, k store.OneTimeToken, _ int, _ time.Time) error {
	defer l.put(k)
	if l.has(k.Digest) {
		return store.ErrExists
	}
	return nil
}

type linkRace struct {
	links
	meeting
}

func (l *linkRace) CreateOneTime(_ context.Context, k store.OneTimeToken, most int, now time.Time) error {
	if l.has(k.Digest) {
		return store.ErrExists
	}
	l.wait()
	if !l.room(k, most, now) {
		return store.ErrLimit
	}
	l.put(k)
	return nil
}

type linkCapRace struct {
	links
	meeting
}

func (l *linkCapRace) CreateOneTime(_ context.Context, k store.OneTimeToken, most int, now time.Time) error {
	if !l.room(k, most, now) {
		return store.ErrLimit
	}
	l.wait()
	l.put(k)
	return nil
}

// revokesAhead remembers who was revoked, and not when.
type revokesAhead struct {
	links
	revoked sync.Map
}

func (l *revokesAhead) RevokeOneTimeOf(_ context.Context, subject string) error {
	l.revoked.Store(subject, true)
	return nil
}

func (l *revokesAhead) OneTimeByDigest(ctx context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	k, err := l.links.OneTimeByDigest(ctx, d, now)
	if _, ok := l.revoked.Load(k.Subject); ok {
		return store.OneTimeToken{}, store.ErrNotFound
	}
	return k, err
}

func (l *revokesAhead) ClaimOneTime(ctx context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	return l.OneTimeByDigest(ctx, d, now)
}

type claimsAgain struct{ links }

func (l *claimsAgain) ClaimOneTime(ctx context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	return l.OneTimeByDigest(ctx, d, now)
}

type usesUpAll struct{ links }

func (l *usesUpAll) ClaimOneTime(ctx context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	k, err := l.OneTimeByDigest(ctx, d, now)
	l.drop(func(there store.OneTimeToken) bool { return err == nil && there.Subject == k.Subject })
	return k, err
}

type claimRace struct {
	links
	meeting
}

func (l *claimRace) ClaimOneTime(ctx context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	k, err := l.OneTimeByDigest(ctx, d, now)
	if err == nil {
		l.wait()
		l.drop(func(there store.OneTimeToken) bool { return there.Digest == d })
	}
	return k, err
}

// claimsLate deletes, and then looks at the time.
type claimsLate struct{ links }

func (l *claimsLate) ClaimOneTime(ctx context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	k, err := l.OneTimeByDigest(ctx, d, now)
	l.drop(func(there store.OneTimeToken) bool { return there.Digest == d })
	return k, err
}

type countsDead struct{ links }

func (l *countsDead) CreateOneTime(ctx context.Context, k store.OneTimeToken, most int, now time.Time) error {
	return l.links.CreateOneTime(ctx, k, most, now.Add(-1000*time.Hour))
}

type panicsOnOneTime struct{ *edited }

func (s panicsOnOneTime) OneTimeByDigest(ctx context.Context, d store.Digest, now time.Time) (store.OneTimeToken, error) {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	return s.edited.OneTimeByDigest(ctx, d, now)
}
