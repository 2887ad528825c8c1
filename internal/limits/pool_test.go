package limits

import "testing"

// probe is an entry that says how often it is looked at.
type probe struct {
	is     float64
	looked *int
}

func (p *probe) size() int64 { return 1 }

func (p *probe) spent(int64) float64 {
	*p.looked++
	return p.is
}

// R5: a full table costs a request few looks: one where that may go, eight to
// choose from, and 64 where none may.
func TestRoomLooksAtFew(t *testing.T) {
	for _, c := range []struct {
		name string
		kind kind
		is   float64
		kept bool // in use by the call
		want int
		room bool
	}{
		{"nothing is spent", ofClient, 0, false, 1, true},
		{"something is", ofClient, 0.9, false, 8, true},
		{"all refuse", ofClient, 1, false, 64, false},
		{"accounts, less than half spent", ofAccount, 0.4, false, 8, true},
		{"accounts, half spent", ofAccount, 0.5, false, 64, false},
		{"all are in use", ofClient, 0.9, true, 64, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p pool[*probe]
			p.init(100)
			s, looked := &p.shards[0], 0
			for i := range uint64(100) {
				s.of[c.kind][key{i, 1}] = &probe{c.is, &looked}
			}
			p.n[c.kind].Store(100)
			room := p.room(s, c.kind, 0, func(*probe) bool { return c.kept })
			if room != c.room || looked != c.want || p.n[c.kind].Load() != 100 {
				t.Errorf("room %t after %d looks, %d counted; want %t, %d and 100", room, looked, p.n[c.kind].Load(), c.room, c.want)
			}
			if left := 100 - len(s.of[c.kind]); (left == 1) != c.room {
				t.Errorf("%d have gone", left)
			}
		})
	}
}
