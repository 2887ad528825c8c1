package sqlstore

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// took is a Cost that passed.
type took struct {
	at   int64
	cost int
}

// within is how much of all was taken in (from, to].
func within(all []took, from, to int64) (n int) {
	for _, x := range all {
		if x.at > from && x.at <= to {
			n += x.cost
		}
	}
	return n
}

// arrivals calls f with times of a busy and of a quiet while, in microseconds.
func arrivals(n int, period int64, f func(now int64)) {
	now := time.Now().UnixMicro()
	for range n {
		switch rand.N(4) {
		case 0: // at once
		case 1:
			now += rand.N(period / 50)
		case 2:
			now += rand.N(period / 5)
		case 3:
			if rand.N(20) == 0 {
				now += rand.N(3 * period)
			}
		}
		f(now)
	}
}

// R1: a window lets pass just what a list of all that ever passed lets, however
// the two are kept.
func TestWindowIsExact(t *testing.T) {
	for _, limit := range []int{1, 2, 5, store.MaxWindow} {
		l := store.LimitTake{Limit: limit, Period: 1234567 * time.Microsecond}
		var all []took
		var state []byte
		us := period(l.Period)
		arrivals(20_000, us, func(now int64) {
			l.Cost = 1 + rand.N(3)
			s := passed(t, state)
			at := s.settle(&l, now)
			retry := s.refusal(&l, 0, at)
			fits := within(all, now-us, now)+l.Cost <= limit
			if fits != (retry == 0) {
				t.Fatalf("limit %d: %d were taken in a Period, and %d more wait %v", limit, within(all, now-us, now), l.Cost, retry)
			}
			if retry > 0 && l.Cost <= limit {
				then := now + retry.Microseconds()
				if within(all, then-us, then)+l.Cost > limit || within(all, then-1-us, then-1)+l.Cost <= limit {
					t.Fatalf("limit %d: RetryIn %v is not when %d pass", limit, retry, l.Cost)
				}
			}
			if fits {
				s.take(&l, at)
				all = append(all, took{now, l.Cost})
				all = all[max(0, len(all)-4*store.MaxWindow):]
				state = s.encode(&l)
			}
			if left, _ := s.standing(&l, at); left != limit-within(all, now-us, now) {
				t.Fatalf("limit %d: %d are left of %d taken", limit, left, within(all, now-us, now))
			}
		})
	}
}

// R1: by GCRA no more pass in any time t than Burst and what is added in t, and
// nobody is refused who would fit.
func TestGCRAIsABucket(t *testing.T) {
	for _, c := range []struct{ limit, burst int }{{1, 1}, {7, 3}, {1000, 50}, {3, 100}} {
		l := store.LimitTake{GCRA: true, Limit: c.limit, Burst: c.burst, Period: 2 * time.Second}
		each := every(&l)
		var state []byte
		bucket, filled := int64(c.burst)*each, int64(0) // in microseconds
		arrivals(20_000, period(l.Period), func(now int64) {
			bucket, filled = min(int64(c.burst)*each, bucket+now-filled), now
			l.Cost = 1 + rand.N(3)
			s := passed(t, state)
			at := s.settle(&l, now)
			retry := s.refusal(&l, 0, at)
			need := int64(l.Cost) * each
			if fits := need <= bucket; fits != (retry == 0) || !fits && l.Cost <= c.burst && retry.Microseconds() != need-bucket {
				t.Fatalf("%+v: %d of %d µs wait %v", c, need, bucket, retry)
			}
			if retry == 0 {
				s.take(&l, at)
				bucket -= need
				state = s.encode(&l)
			}
			if left, _ := s.standing(&l, at); int64(left) != bucket/each {
				t.Fatalf("%+v: %d are left of %d µs", c, left, bucket)
			}
		})
	}
}

// passed is a state that went through a row.
func passed(t *testing.T, state []byte) limitState {
	t.Helper()
	s, err := decodeLimit(state)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// R7: a clock that lies a little behind is one that waited, and nothing is
// forgotten; one that was set back makes nobody wait longer than a full limit.
func TestClockThatWentBack(t *testing.T) {
	const hour = int64(time.Hour / time.Microsecond)
	window, rate := store.LimitTake{Limit: 2, Period: time.Minute, Cost: 1}, store.LimitTake{GCRA: true, Limit: 2, Burst: 2, Period: time.Minute, Cost: 1}
	for _, l := range []store.LimitTake{window, rate} {
		for _, back := range []int64{1, 1000, waited, hour, 1000 * hour} {
			now := 2000 * hour
			var s limitState
			for range 2 {
				s.take(&l, s.settle(&l, now))
			}
			_, full := s.standing(&l, now)
			at := s.settle(&l, now-back)
			retry := s.refusal(&l, 0, at)
			_, reset := s.standing(&l, at)
			if retry <= 0 || retry > time.Minute || reset != full {
				t.Errorf("GCRA %v, %d µs back: RetryIn %v, ResetIn %v, want %v", l.GCRA, back, retry, reset, full)
			}
			if want := now - back; back > waited && at != want || back <= waited && at != now {
				t.Errorf("GCRA %v, %d µs back: counts at %d", l.GCRA, back, at-now)
			}
		}
	}
	a := store.AttemptTake{Tiers: []store.AttemptTier{{N: 1, Period: time.Minute, Locks: []time.Duration{time.Minute}}}}
	var s attemptState
	s.take(&a, s.settle(&a, 2000*hour))
	if retry, _ := s.refusal(&a, s.settle(&a, 1000*hour)); retry != time.Minute {
		t.Errorf("locked for %v by a clock that was set back, want a minute", retry)
	}
}

// D4: the state of a row is read as it was written, at one length, or is
// damaged; whatever it is, nothing panics.
func TestStatesAreReadAsWritten(t *testing.T) {
	tiers := []store.AttemptTier{{N: 3, Period: time.Minute, Locks: []time.Duration{1, time.Hour}}, {N: store.MaxWindow, Period: time.Hour, Locks: []time.Duration{time.Hour}}}
	a := store.AttemptTake{Tiers: tiers, DisableAfter: 100}
	l := store.LimitTake{Limit: 5, Period: time.Minute, Cost: 1}
	var s attemptState
	var w limitState
	now := time.Now().UnixMicro()
	length := len(w.encode(&l))
	for n := range 200 {
		now += int64(time.Second / time.Microsecond)
		s.take(&a, s.settle(&a, now))
		w.take(&l, w.settle(&l, now))
		state := s.encode(&a)
		got, err := decodeAttempt(state)
		if err != nil || !slices.Equal(got.encode(&a), state) || got.row != int64(n+1) || len(got.tiers[0].times) > 3 {
			t.Fatalf("%+v was read as %+v, %v", s, got, err)
		}
		if n > 0 && n < 5 && len(w.encode(&l)) != length {
			t.Errorf("a state has %d bytes, and then %d", length, len(w.encode(&l)))
		}
	}
	for range 100_000 {
		b := make([]byte, rand.N(40)*8+rand.N(2)*rand.N(8))
		for i := range b {
			if i%8 >= 5 || rand.N(8) == 0 && i%8 > 0 { // mostly small numbers
				b[i] = byte(rand.N(4) * rand.N(64))
			}
		}
		if s, err := decodeLimit(b); err == nil {
			at := s.settle(&l, now)
			_ = s.refusal(&l, 1, at)
			s.take(&l, at)
			_ = s.end(&l)
		} else if !errors.Is(err, store.ErrDamaged) {
			t.Fatal(err)
		}
		if s, err := decodeAttempt(b); err == nil {
			at := s.settle(&a, now)
			_, _ = s.refusal(&a, at)
			s.take(&a, at)
			s.giveBack(at)
			_ = s.end(&a)
		} else if !errors.Is(err, store.ErrDamaged) {
			t.Fatal(err)
		}
	}
}
