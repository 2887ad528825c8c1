package storetest_test

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenOnces = []brokenStore{
	{"nothing is remembered", "Once/first_claim_wins", func(*edited) any { return brokenOnce(func(*onceOnly, claimed) error { return nil }) }},
	{"looks, then claims", "Once/claim_race_has_one_winner", func(*edited) any { return brokenOnce(new(onceRace).claim) }},
	{"claims without a purpose", "Once/claims_are_by_purpose_and_digest", onceOf(func(c *claimed) { c.purpose = "" })},
	{"claims of a purpose alone", "Once/claims_are_by_purpose_and_digest", onceOf(func(c *claimed) { c.d = store.Digest{} })},
	{"purposes without case", "Once/purposes_compare_bytewise", onceOf(func(c *claimed) { c.purpose = strings.ToLower(c.purpose) })},
	{"purposes of 63 bytes", "Once/purposes_compare_bytewise", onceOf(func(c *claimed) { c.purpose = c.purpose[:min(len(c.purpose), 63)] })},
	{"digests as text", "Once/claimed_digests_compare_bytewise", onceOf(func(c *claimed) {
		text := strings.TrimRight(strings.ToValidUTF8(string(c.d[:]), "?"), "\x00 ")
		c.d = store.Digest{}
		copy(c.d[:], text)
	})},
	{"digests of 16 bytes", "Once/claimed_digests_compare_bytewise", onceOf(func(c *claimed) { clear(c.d[16:]) })},
	{"claims hold at their end", "Once/claim_ends_at_until", onceOf(func(c *claimed) { c.now = c.now.Add(-time.Microsecond) })},
	{"claims end by the store's clock", "Once/claim_ends_at_until", onceOf(func(c *claimed) { c.now = time.Now() })},
	{"claims end to the second", "Once/claim_ends_at_until", onceOf(func(c *claimed) { c.until = c.until.Truncate(time.Second) })},
	{"a refused claim extends", "Once/refused_claim_changes_nothing", func(*edited) any { return brokenOnce(upsert) }},
	{"no time left is no end", "Once/claim_that_is_over_blocks_nobody", onceOf(func(c *claimed) {
		if !c.until.After(c.now) {
			c.until = c.now.Add(1000 * time.Hour)
		}
	})},
	{"claims end in nanoseconds since 1970", "Once/claim_may_last_for_ages", onceOf(func(c *claimed) { c.until = time.Unix(0, c.until.UnixNano()) })},
	{"renews what is over without a look", "Once/renewed_claim_has_one_winner", func(*edited) any { return brokenOnce(new(renewRace).claim) }},
	{"cleans without a margin", "Once/cleaning_spares_live_claims", func(s *edited) any { return &noMargin{edited: s} }},
	{"claims panic without a context", "Once/claim_with_an_ended_context", func(*edited) any { return brokenOnce(panicking) }},
}

// claimed is what ClaimOnce is called with.
type claimed struct {
	ctx        context.Context
	purpose    string
	d          store.Digest
	until, now time.Time
}

// onceOnly is store.Once alone, and right.
type onceOnly struct {
	mu  sync.Mutex
	end sync.Map // of claimKey
}

type claimKey struct {
	purpose string
	d       store.Digest
}

func (o *onceOnly) ClaimOnce(ctx context.Context, purpose string, d store.Digest, until, now time.Time) error {
	return o.claim(claimed{ctx, purpose, d, until, now})
}

func (o *onceOnly) claim(c claimed) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.live(c) {
		return store.ErrExists
	}
	o.set(c)
	return nil
}

// live reports whether c is claimed and not over.
func (o *onceOnly) live(c claimed) bool {
	end, ok := o.get(c)
	return ok && c.now.Before(end)
}

func (o *onceOnly) get(c claimed) (end time.Time, ok bool) {
	v, ok := o.end.Load(claimKey{c.purpose, c.d})
	if ok {
		end = v.(time.Time)
	}
	return end, ok
}

func (o *onceOnly) set(c claimed) { o.end.Store(claimKey{c.purpose, c.d}, c.until) }

// wrongOnce is a store.Once with a mistake.
type wrongOnce struct {
	right onceOnly
	wrong func(right *onceOnly, c claimed) error
}

func (o *wrongOnce) ClaimOnce(ctx context.Context, purpose string, d store.Digest, until, now time.Time) error {
	return o.wrong(&o.right, claimed{ctx, purpose, d, until, now})
}

func brokenOnce(f func(right *onceOnly, c claimed) error) any { return &wrongOnce{wrong: f} }

// onceOf mistakes one claim for another.
func onceOf(change func(c *claimed)) func(*edited) any {
	return func(*edited) any {
		return brokenOnce(func(right *onceOnly, c claimed) error {
			change(&c)
			return right.claim(c)
		})
	}
}

type onceRace struct{ meeting }

func (m *onceRace) claim(right *onceOnly, c claimed) error {
	if right.live(c) {
		return store.ErrExists
	}
	m.wait()
	right.set(c)
	return nil
}

// renewRace inserts rightly, and renews in a second way.
type renewRace struct{ meeting }

func (m *renewRace) claim(right *onceOnly, c claimed) error {
	if end, ok := right.get(c); ok && !c.now.Before(end) {
		m.wait()
		right.set(c)
		return nil
	}
	return right.claim(c)
}

func upsert(right *onceOnly, c claimed) error {
	err := right.claim(c)
	right.set(c)
	return err
}

func panicking(right *onceOnly, c claimed) error {
	if err := c.ctx.Err(); err != nil {
		panic(err)
	}
	return right.claim(c)
}

// noMargin deletes what is over by its own clock alone.
type noMargin struct {
	*edited
	right onceOnly
}

func (s *noMargin) ClaimOnce(ctx context.Context, purpose string, d store.Digest, until, now time.Time) error {
	s.right.end.Range(func(key, end any) bool {
		if end.(time.Time).Before(time.Now().Add(s.offset())) {
			s.right.end.Delete(key)
		}
		return true
	})
	return s.right.ClaimOnce(ctx, purpose, d, until, now)
}
