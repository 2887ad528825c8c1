package jwtauth

import (
	"fmt"
	"strings"
	"testing"
)

// J29: what is noted of tokens with an HMAC is bounded, and a note that is lost
// costs verifying once more.
func TestSightings(t *testing.T) {
	s := newSightings()
	token := func(i int) string { return fmt.Sprintf("header.payload.%043d", i) }
	for _, raw := range []string{"", "short", token(0), strings.Repeat("x", 4096)} {
		if s.has(raw) {
			t.Errorf("%q is there before it came", raw)
		}
		if s.add(raw) || !s.add(raw) || !s.has(raw) {
			t.Errorf("%q is not noted", raw)
		}
	}
	const slots = len(s.buckets) * len(bucket{})
	if slots != 16_384 {
		t.Errorf("there is room for %d", slots)
	}
	for _, c := range []struct{ tokens, least int }{
		{100, 99},
		{slots / 2, slots / 2 * 95 / 100},
		{10 * slots, slots * 99 / 100},
	} {
		s := newSightings()
		strangers, kept := 0, 0
		for i := range c.tokens {
			if s.add(token(i)) {
				strangers++
			}
			if !s.has(token(i)) {
				t.Fatalf("the newest of %d tokens is not noted", i+1)
			}
		}
		for i := range c.tokens {
			if s.has(token(i)) {
				kept++
			}
			if s.has(token(c.tokens + i)) {
				strangers++
			}
		}
		const alike = 2 // whose hashes are the same: less than one in a thousand runs has one
		if kept < c.least || kept > slots+alike || strangers > alike {
			t.Errorf("of %d tokens %d are noted, want %d to %d; %d others were", c.tokens, kept, c.least, slots, strangers)
		}
	}
}
