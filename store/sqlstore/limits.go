package sqlstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// limits is store.Limits, over two tables of counters.
type limits struct {
	db       *database
	takes    counters
	attempts counters
}

func (l *limits) init(d *database) {
	l.db = d
	l.takes.init(d, "limits")
	l.attempts.init(d, "attempts")
}

// digestOf names (a, b), and no other two.
func digestOf(a, b string) [sha256.Size]byte {
	var stack [256]byte
	key := binary.BigEndian.AppendUint64(stack[:0], uint64(len(a)))
	return sha256.Sum256(append(append(key, a...), b...))
}

// TakeLimits is of [store.Limits], as are the other methods that count. What is
// refused is one statement, and one more for its First. What passes is two; of
// several counters, on MySQL and SQLite, and while others take from the same
// ones, it is a transaction besides.
func (l *limits) TakeLimits(ctx context.Context, takes []store.LimitTake, states []store.LimitState) error {
	const op = "take limits"
	if len(states) != len(takes) {
		return l.db.explain(op, fmt.Errorf("%d states of %d takes", len(states), len(takes)))
	}
	ids := make([][]byte, len(takes))
	for i := range takes {
		if err := checkTake(&takes[i]); err != nil {
			return l.db.explain(op, fmt.Errorf("LimitTake of %q: %w", takes[i].Policy, err))
		}
		id := digestOf(takes[i].Policy, takes[i].Key)
		ids[i] = id[:]
	}
	cs, of := countersOf(ids)
	if len(cs) == 0 {
		return nil
	}
	return l.takes.update(ctx, op, cs, func(now time.Time, cs []counter) error {
		return decideTakes(now.UnixMicro(), cs, of, takes, states)
	})
}

// countersOf sorts ids, each once, and says where each of them is then.
func countersOf(ids [][]byte) (cs []counter, of []int) {
	sorted := slices.SortedFunc(slices.Values(ids), bytes.Compare)
	for _, id := range slices.CompactFunc(sorted, bytes.Equal) {
		cs = append(cs, counter{id: id})
	}
	for _, id := range ids {
		i, _ := slices.BinarySearchFunc(cs, id, func(c counter, id []byte) int { return bytes.Compare(c.id, id) })
		of = append(of, i)
	}
	return cs, of
}

// decideTakes fills states, and sets what changes: what is spent, where all
// pass, or that some refused. The counter of takes[i] is cs[of[i]].
func decideTakes(now int64, cs []counter, of []int, takes []store.LimitTake, states []store.LimitState) error {
	found := make([]limitState, len(cs))
	for i := range cs {
		s, err := decodeLimit(cs[i].state)
		if err != nil {
			return err
		}
		found[i] = s
	}
	refused := false
	at := make([]int64, len(takes))
	for i := range takes {
		s, also := &found[of[i]], 0
		for j := range i {
			if of[j] == of[i] {
				also += takes[j].Cost
			}
		}
		at[i] = s.settle(&takes[i], now)
		states[i] = store.LimitState{RetryIn: s.refusal(&takes[i], also, at[i])}
		refused = refused || states[i].RetryIn > 0
	}
	for i := range takes {
		l, s := &takes[i], &found[of[i]]
		switch {
		case states[i].RetryIn > 0:
			states[i].First = s.refuse(l, at[i])
		case refused || l.Cost == 0:
			continue
		default:
			s.take(l, at[i])
		}
		cs[of[i]].become(s.encode(l), s.end(l))
	}
	for i := range takes {
		states[i].Remaining, states[i].ResetIn = found[of[i]].standing(&takes[i], at[i])
	}
	return nil
}

// become sets what changes, if it does.
func (c *counter) become(state []byte, end time.Time) {
	if !bytes.Equal(c.state, state) {
		c.next, c.endsAt = state, end
	}
}

func checkTake(l *store.LimitTake) error {
	const fastest = 100 * time.Microsecond
	switch {
	case l.Limit < 0 || l.Cost < 0 || l.Burst < 0:
		return fmt.Errorf("one of Limit %d, Burst %d and Cost %d is negative", l.Limit, l.Burst, l.Cost)
	case l.Period < time.Millisecond:
		return fmt.Errorf("a Period of %v is under a millisecond", l.Period)
	case l.GCRA && l.Burst == 0:
		return errors.New("with GCRA there is no Burst of 0")
	case l.GCRA && int64(l.Limit) > int64(l.Period/fastest):
		return fmt.Errorf("%d in %v is more than one in %v", l.Limit, l.Period, fastest)
	case !l.GCRA && l.Burst > 0:
		return fmt.Errorf("without GCRA there is no Burst of %d", l.Burst)
	case !l.GCRA && l.Limit > store.MaxWindow:
		return fmt.Errorf("a Limit of %d is over %d, without GCRA", l.Limit, store.MaxWindow)
	}
	return nil
}
