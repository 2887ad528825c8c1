package memstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/store/storetest"
)

// D1, D2, D6: one value implements every concern, as the contract says.
func TestContract(t *testing.T) {
	storetest.Run(t, func(_ *testing.T, offset func() time.Duration) any {
		return memstore.New(memstore.Config{ClockOffset: offset})
	}, storetest.Config{})
}

func key(i int, now time.Time) store.APIKey {
	id := fmt.Sprint("k", i)
	return store.APIKey{ID: id, Owner: fmt.Sprint("owner ", i%7), Digest: store.DigestOf(id), CreatedAt: now}
}

func create(t *testing.T, s *memstore.Store, i int, now time.Time) error {
	t.Helper()
	return s.CreateAPIKey(t.Context(), key(i, now), store.APIKeyLimits{}, now)
}

func claim(t *testing.T, s *memstore.Store, i int, until, now time.Time) error {
	t.Helper()
	return s.ClaimOnce(t.Context(), "test", numbered(i), until, now)
}

// numbered is a digest, without the work of hashing.
func numbered(i int) (d store.Digest) {
	binary.BigEndian.PutUint64(d[:], uint64(i))
	return d
}

func want(t *testing.T, got, want error, what string, args ...any) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", fmt.Sprintf(what, args...), got, want)
	}
}

// D3: full means refuse. No key is evicted to make room, dead ones included.
func TestFullOfKeysRefusesAndEvictsNothing(t *testing.T) {
	now := time.Now()
	const most = 100
	s := memstore.New(memstore.Config{MaxRecords: most})
	for i := range most {
		want(t, create(t, s, i, now), nil, "key %d of %d", i+1, most)
	}
	for round := range 2 {
		if round == 1 { // dead keys take room, too
			for i := range 7 {
				want(t, s.RevokeAPIKeysOf(t.Context(), fmt.Sprint("owner ", i), now), nil, "RevokeAPIKeysOf")
			}
		}
		want(t, create(t, s, most, now), store.ErrFull, "one key more")
		_, err := s.APIKey(t.Context(), key(most, now).Owner, key(most, now).ID)
		want(t, err, store.ErrNotFound, "the key that was refused")
		for i := range most {
			k, err := s.APIKeyByDigest(t.Context(), key(i, now).Digest)
			want(t, err, nil, "key %d of the full store", i+1)
			if k.RevokedAt.IsZero() != (round == 0) {
				t.Errorf("key %d of the full store: RevokedAt is %v", i+1, k.RevokedAt)
			}
		}
	}
	want(t, claim(t, s, 1, now.Add(time.Hour), now), nil, "claim: another concern has its own room")
}

// D3: a rotation that finds no room leaves the key as it was.
func TestFullOfKeysRefusesRotation(t *testing.T) {
	now := time.Now()
	s := memstore.New(memstore.Config{MaxRecords: 1})
	want(t, create(t, s, 0, now), nil, "the only key")
	old, next := key(0, now), key(7, now)
	err := s.RotateAPIKey(t.Context(), old.Owner, old.ID, next, now.Add(time.Hour), now)
	want(t, err, store.ErrFull, "RotateAPIKey")
	k, err := s.APIKey(t.Context(), old.Owner, old.ID)
	want(t, err, nil, "APIKey")
	if k.ReplacedBy != "" || !k.ExpiresAt.IsZero() {
		t.Errorf("after a rotation that was refused the key has ReplacedBy %q and ExpiresAt %v", k.ReplacedBy, k.ExpiresAt)
	}
}

// D3: what is refused for another reason takes no room.
func TestRefusedKeysTakeNoRoom(t *testing.T) {
	now := time.Now()
	s := memstore.New(memstore.Config{MaxRecords: 2})
	want(t, create(t, s, 0, now), nil, "first key")
	for i := range 10 {
		want(t, create(t, s, 0, now), store.ErrExists, "the same again")
		k := key(i+1, now)
		k.Digest = key(0, now).Digest
		want(t, s.CreateAPIKey(t.Context(), k, store.APIKeyLimits{}, now), store.ErrExists, "its digest again")
	}
	want(t, create(t, s, 1, now), nil, "second key")
	want(t, create(t, s, 2, now), store.ErrFull, "third key")
}

// D3: full means refuse. A claim stays for a day after its end by the store's
// own clock, whatever callers say is now, and then it makes room.
func TestFullOfClaimsRefusesForADay(t *testing.T) {
	var ahead atomic.Int64
	s := memstore.New(memstore.Config{
		MaxRecords:  100,
		ClockOffset: func() time.Duration { return time.Duration(ahead.Load()) },
	})
	now := time.Now()
	end := now.Add(time.Hour)
	for i := range 100 {
		want(t, claim(t, s, i, end, now), nil, "claim %d of 100", i+1)
	}
	for _, at := range []time.Duration{0, time.Hour, 24 * time.Hour} {
		ahead.Store(int64(at))
		for _, caller := range []time.Time{now, end, end.Add(1000 * time.Hour)} {
			want(t, claim(t, s, 1000, caller.Add(time.Hour), caller), store.ErrFull, "one claim more, %v later", at)
		}
		for i := range 100 {
			want(t, claim(t, s, i, end, now), store.ErrExists, "claim %d of the full store, %v later", i+1, at)
		}
	}
	// Making a claim again that is over takes no more room.
	want(t, claim(t, s, 0, end.Add(time.Hour), end), nil, "the first claim, at its end")

	ahead.Store(int64(25*time.Hour + time.Minute))
	for i := range 99 {
		want(t, claim(t, s, 1000+i, now.Add(100*time.Hour), now), nil, "claim %d of the next 99, a day after the end of the first", i+1)
	}
	want(t, claim(t, s, 2000, now.Add(100*time.Hour), now), store.ErrFull, "one claim more")
	want(t, claim(t, s, 0, end.Add(time.Hour), now), store.ErrExists, "the first claim, that was made again")
}

// D3: Since is when the store began to remember, in the store's own time.
// Whole seconds are enough.
func TestSinceIsWhenTheStoreWasMade(t *testing.T) {
	for _, offset := range []time.Duration{0, -time.Hour, 48 * time.Hour} {
		before := time.Now().Add(offset).Truncate(time.Second)
		s := memstore.New(memstore.Config{ClockOffset: func() time.Duration { return offset }})
		after := time.Now().Add(offset)
		since := s.Since()
		if since.Before(before) || since.After(after) {
			t.Errorf("Since is %v, want it between %v and %v", since, before, after)
		}
		want(t, create(t, s, 0, time.Now()), nil, "CreateAPIKey")
		if again := s.Since(); !again.Equal(since) {
			t.Errorf("Since is %v, and was %v", again, since)
		}
	}
}

// D1: Run deletes all that expired over a day ago. What it has deleted may be
// claimed again even by a caller whose clock is a day slow.
func TestRunDeletesWhatIsLongOver(t *testing.T) {
	var ahead atomic.Int64
	s := memstore.New(memstore.Config{ClockOffset: func() time.Duration { return time.Duration(ahead.Load()) }})
	now := time.Now()
	const n = 10_000
	for i := range n {
		want(t, claim(t, s, i, now.Add(time.Hour), now), nil, "claim")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		at   time.Duration
		want error
	}{{24 * time.Hour, store.ErrExists}, {26 * time.Hour, nil}} {
		ahead.Store(int64(c.at))
		want(t, s.Run(ended), nil, "Run")
		for i := range n {
			want(t, claim(t, s, i, now.Add(time.Hour), now), c.want, "claim after Run, %v later", c.at)
		}
	}
}

// D1: Run deletes until its context ends, beside what else is called.
func TestRunStopsWithItsContext(t *testing.T) {
	s := memstore.New(memstore.Config{})
	now := time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	var runs sync.WaitGroup
	for range 3 {
		runs.Go(func() { want(t, s.Run(ctx), nil, "Run") })
	}
	for i := range 1000 {
		want(t, claim(t, s, i, now.Add(-48*time.Hour), now), nil, "claim")
	}
	cancel()
	runs.Wait()
}

// D3: a million claims fit, in memory that is bounded for each of them.
func TestManyClaimsTakeBoundedMemory(t *testing.T) {
	const n, most = manyClaims, 400 // bytes
	now := time.Now()
	before := heap()
	s := memstore.New(memstore.Config{MaxRecords: n})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := g; i < n; i += 4 {
				// Ends come in no order.
				if err := claim(t, s, i, now.Add(time.Hour+time.Duration(i*7919%n)), now); err != nil {
					t.Errorf("claim %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	per := float64(heap()-before) / n
	t.Logf("%.0f bytes a claim", per)
	if per > most {
		t.Errorf("a claim takes %.0f bytes, want up to %d", per, most)
	}
	want(t, claim(t, s, 0, now.Add(time.Hour), now), store.ErrExists, "the first claim")
	want(t, claim(t, s, n, now.Add(time.Hour), now), store.ErrFull, "claim %d", n+1)
}

// heap is how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// D3: a purpose is 1 to 64 bytes.
func TestPurposeHasItsLength(t *testing.T) {
	s, now := memstore.New(memstore.Config{}), time.Now()
	for n, good := range map[int]bool{0: false, 1: true, 64: true, 65: false} {
		err := s.ClaimOnce(t.Context(), strings.Repeat("p", n), store.DigestOf("x"), now.Add(time.Hour), now)
		if (err == nil) != good || !good && (!strings.Contains(err.Error(), "purpose") || errors.Is(err, store.ErrExists)) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// D3: what is a day over makes room for whatever comes, wherever it lies.
func TestTheExpiredMakesRoomForAnyOther(t *testing.T) {
	now := time.Now()
	end, later := now.Add(time.Hour), now.Add(26*time.Hour)
	for name, insert := range map[string]func(s *memstore.Store, i int) error{
		"claims":   func(s *memstore.Store, i int) error { return claim(t, s, i, end, now) },
		"tokens":   func(s *memstore.Store, i int) error { return s.RevokeToken(t.Context(), token(i), end) },
		"families": func(s *memstore.Store, i int) error { return s.CreateFamily(t.Context(), family(i, now)) },
		"one-time": func(s *memstore.Store, i int) error { return issue(t, s, i, now) },
		"sessions": func(s *memstore.Store, i int) error { return begin(t, s, userSession(i, now), store.SessionRef{}) },
	} {
		ahead := time.Duration(0)
		s := memstore.New(memstore.Config{MaxRecords: 1, ClockOffset: func() time.Duration { return ahead }})
		want(t, insert(s, 0), nil, "%s: the first", name)
		want(t, insert(s, 1), store.ErrFull, "%s: the second", name)
		ahead = later.Sub(now)
		for i := range 20 {
			want(t, insert(s, i+1), nil, "%s: %d, a day after the end of the one before", name, i+1)
		}
	}
}

// D1: Run frees the counters of limits that count nothing any more.
func TestRunFreesCounters(t *testing.T) {
	var ahead atomic.Int64
	s := memstore.New(memstore.Config{ClockOffset: func() time.Duration { return time.Duration(ahead.Load()) }})
	before := heap()
	states := make([]store.LimitState, 1)
	for i := range 50_000 {
		take := store.LimitTake{Policy: "ip", Key: fmt.Sprint(i), Limit: 1, Period: time.Hour, Cost: 1}
		want(t, s.TakeLimits(t.Context(), []store.LimitTake{take}, states), nil, "TakeLimits")
	}
	full := heap() - before
	ahead.Store(int64(2 * time.Hour))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	want(t, s.Run(ended), nil, "Run")
	if left := int64(heap() - before); left > int64(full/2) {
		t.Errorf("%d of %d bytes are left", left, full)
	}
	runtime.KeepAlive(s)
}
