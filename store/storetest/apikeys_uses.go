package storetest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func useCases() []apiKeyCase {
	return []apiKeyCase{
		{
			name: "uses_add_up",
			rule: "RecordAPIKeyUses adds up uses, and nothing else of the key changes",
			test: usesAddUp,
		},
		{
			name: "last_use_never_goes_back",
			rule: "RecordAPIKeyUses moves LastUsedAt and LastAddr forward, never back; At and Addr are of the last use",
			test: lastUseNeverGoesBack,
		},
		{
			name: "first_use_is_answered",
			rule: "RecordAPIKeyUses answers the ids that had no use before",
			test: firstUseIsAnswered,
		},
		{
			name: "unknown_uses_are_skipped",
			rule: "RecordAPIKeyUses skips unknown ids, and there may be no uses",
			test: unknownUsesAreSkipped,
		},
		{
			name: "uses_of_dead_keys_count",
			rule: "RecordAPIKeyUses skips unknown keys only: uses of a key that died meanwhile count",
			test: usesOfDeadKeysCount,
		},
		{
			name: "uses_come_in_large_batches",
			rule: "RecordAPIKeyUses is one write, whatever the number of ids",
			test: usesComeInLargeBatches,
		},
	}
}

var (
	home = netip.MustParseAddr("192.0.2.1")
	away = netip.MustParseAddr("2001:db8::1")
)

// firstUse records one use, from nowhere known.
func firstUse(t *testing.T, s store.APIKeys, id string, at time.Time) error {
	t.Helper()
	_, err := s.RecordAPIKeyUses(t.Context(), []store.APIKeyUse{{ID: id, N: 1, At: at}})
	return err
}

// record records uses and says when it does not answer first, in any order.
func record(t *testing.T, s store.APIKeys, uses []store.APIKeyUse, first ...string) {
	t.Helper()
	got, err := s.RecordAPIKeyUses(t.Context(), uses)
	wantErr(t, err, nil, "RecordAPIKeyUses")
	got = slices.Sorted(slices.Values(got))
	slices.Sort(first)
	if !slices.Equal(got, first) {
		t.Errorf("RecordAPIKeyUses answered %q as first used, want %q", got, first)
	}
}

func usesAddUp(t *testing.T, s store.APIKeys) {
	now := today()
	a, b, unused := newKey("ann", "a", now), newKey("bob", "b", now), newKey("ann", "unused", now)
	b.Uses = 1 << 53 // no float64
	create(t, s, a, b, unused)
	record(t, s, []store.APIKeyUse{{ID: "a", N: 3, At: now, Addr: home}}, "a")
	record(t, s, []store.APIKeyUse{{ID: "b", N: 1, At: now, Addr: home}, {ID: "a", N: 4, At: now.Add(time.Microsecond), Addr: away}})
	record(t, s, []store.APIKeyUse{{ID: "a", N: 1_000_000, At: now.Add(2 * time.Microsecond), Addr: home}})

	a.Uses, a.LastUsedAt, a.LastAddr = 1_000_007, now.Add(2*time.Microsecond), home
	b.Uses, b.LastUsedAt, b.LastAddr = 1<<53+1, now, home
	for _, want := range []store.APIKey{a, b, unused} {
		wantKey(t, read(t, s, want.Owner, want.ID), want)
	}
}

func lastUseNeverGoesBack(t *testing.T, s store.APIKeys) {
	now := today()
	k := newKey("ann", "k", now)
	create(t, s, k)
	for i, u := range []struct {
		at       time.Time
		addr     netip.Addr
		wantAt   time.Time
		wantAddr netip.Addr
	}{
		{now, home, now, home},
		{now.Add(time.Minute), away, now.Add(time.Minute), away},
		{now.Add(time.Minute - time.Microsecond), home, now.Add(time.Minute), away},
		{now.Add(-time.Hour), home, now.Add(time.Minute), away},
		{now.Add(time.Minute + time.Microsecond), home, now.Add(time.Minute + time.Microsecond), home},
		{now.Add(time.Hour), netip.Addr{}, now.Add(time.Hour), netip.Addr{}}, // last used from nowhere known
		{now.Add(2 * time.Minute), away, now.Add(time.Hour), netip.Addr{}},
	} {
		_, err := s.RecordAPIKeyUses(t.Context(), []store.APIKeyUse{{ID: "k", N: 1, At: u.at, Addr: u.addr}})
		must(t, err, "batch %d", i+1)
		k.Uses, k.LastUsedAt, k.LastAddr = int64(i+1), u.wantAt, u.wantAddr
		wantKey(t, read(t, s, "ann", "k"), k)
	}
}

func firstUseIsAnswered(t *testing.T, s store.APIKeys) {
	now := today()
	used := newKey("ann", "used", now)
	used.Uses, used.LastUsedAt = 1, now.Add(-time.Hour)
	create(t, s, newKey("ann", "a", now), newKey("bob", "b", now), newKey("ann", "c", now), used)
	use := func(ids ...string) (uses []store.APIKeyUse) {
		for _, id := range ids {
			uses = append(uses, store.APIKeyUse{ID: id, N: 2, At: now, Addr: home})
		}
		return uses
	}
	record(t, s, use("a"), "a")
	record(t, s, use("a"))
	record(t, s, use("c", "a", "b", "used"), "b", "c")
	record(t, s, use("used", "c", "b", "a"))
}

func unknownUsesAreSkipped(t *testing.T, s store.APIKeys) {
	now := today()
	k := newKey("ann", "k", now)
	create(t, s, k)
	record(t, s, nil)
	record(t, s, []store.APIKeyUse{})
	record(t, s, []store.APIKeyUse{{ID: "unknown", N: 1, At: now, Addr: home}})
	wantKey(t, read(t, s, "ann", "k"), k)
	record(t, s, []store.APIKeyUse{
		{ID: "unknown", N: 1, At: now, Addr: home}, {ID: "k", N: 1, At: now, Addr: home}, {ID: "K", N: 7, At: now, Addr: away},
	}, "k")
	k.Uses, k.LastUsedAt, k.LastAddr = 1, now, home
	wantKey(t, read(t, s, "ann", "k"), k)
	wantIDs(t, list(t, s, "ann"), []string{"k"}, "ListAPIKeys")
	absent(t, s, newKey("ann", "unknown", now))
}

func usesOfDeadKeysCount(t *testing.T, s store.APIKeys) {
	now := today()
	revoked, expired := newKey("ann", "revoked", now), endingKey("ann", "expired", now.Add(-time.Hour), now)
	create(t, s, revoked, expired)
	must(t, s.RevokeAPIKey(t.Context(), "ann", "revoked", now), "RevokeAPIKey")
	revoked.RevokedAt = now
	at := now.Add(time.Second)
	record(t, s, []store.APIKeyUse{{ID: "revoked", N: 2, At: at, Addr: home}, {ID: "expired", N: 3, At: at, Addr: home}}, "revoked", "expired")
	revoked.Uses, revoked.LastUsedAt, revoked.LastAddr = 2, at, home
	expired.Uses, expired.LastUsedAt, expired.LastAddr = 3, at, home
	wantKey(t, read(t, s, "ann", "revoked"), revoked)
	wantKey(t, read(t, s, "ann", "expired"), expired)
}

// usesComeInLargeBatches is for what a statement may carry: package apikey saves
// up to 20 000 while the store is down. Most ids are unknown, so that the keys
// need not be created one by one.
func usesComeInLargeBatches(t *testing.T, s store.APIKeys) {
	now := today()
	var uses []store.APIKeyUse
	for i := range 20_000 {
		uses = append(uses, store.APIKeyUse{ID: fmt.Sprint("k", i), N: int64(i + 1), At: now, Addr: home})
	}
	known := []int{0, 1, 999, 1_000, 19_999}
	var want []string
	for _, i := range known {
		create(t, s, newKey("ann", uses[i].ID, now))
		want = append(want, uses[i].ID)
	}
	record(t, s, uses, want...)
	for _, i := range known {
		if got := read(t, s, "ann", uses[i].ID); got.Uses != uses[i].N {
			t.Errorf("key %q: Uses is %d, want %d", got.ID, got.Uses, uses[i].N)
		}
	}
}
