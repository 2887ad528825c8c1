package main

import (
	"strings"
	"testing"
)

// E3: a request counts by when it was sent and when it was answered, and each thing
// that must not be is an error.
func TestCount(t *testing.T) {
	// The rotation lasts from 100 to 110, and the revocation from 200 to 210.
	good := []shot{
		{"worker", "", 1, 2, 200},
		{"worker", "old", 3, 4, 200},
		{"courier", "old", 90, 105, 200},
		{"courier", "old", 111, 112, 200},
		{"worker", "new", 113, 114, 200},
		{"courier", "new", 115, 116, 200},
		{"courier", "old", 195, 204, 401},
		{"courier", "new", 203, 220, 200}, // sent before the answer
		{"courier", "old", 211, 212, 401},
		{"courier", "", 213, 214, 401},
		{"worker", "new", 215, 216, 200},
	}
	want := counts{requests: 11, oldKey: 1, newKey: 3, before: 3, between: 2, after: 2, noToken: 1, others: 1}
	if got := tally(good); got != want || got.check() != nil {
		t.Errorf("%+v, want %+v; error %v", got, want, got.check())
	}
	for _, tt := range []struct {
		name string
		add  shot
		want string
	}{
		{"let in", shot{"courier", "old", 211, 212, 200}, "wrongly let in"},
		{"let in with the new key's token", shot{"courier", "new", 211, 212, 200}, "wrongly let in"},
		{"a token for the disabled", shot{"courier", "", 211, 212, 200}, "wrongly let in"},
		{"refused before anything", shot{"worker", "old", 5, 6, 401}, "wrongly refused"},
		{"refused during the rotation", shot{"worker", "old", 99, 111, 401}, "wrongly refused"},
		{"refused for the new key", shot{"worker", "new", 113, 114, 401}, "wrongly refused"},
		{"refused for the old key", shot{"courier", "old", 113, 114, 401}, "wrongly refused"},
		{"refused just before the revocation", shot{"courier", "old", 198, 199, 401}, "wrongly refused"},
		{"another refused during the revocation", shot{"worker", "old", 203, 204, 401}, "wrongly refused"},
		{"another refused since", shot{"worker", "old", 211, 212, 401}, "wrongly refused"},
		{"an outage", shot{"worker", "old", 113, 114, 503}, "not answered"},
		{"an outage for the disabled", shot{"courier", "old", 211, 212, 503}, "not answered"},
		{"no answer", shot{"worker", "old", 113, 114, 0}, "not answered"},
		{"forbidden", shot{"worker", "old", 113, 114, 403}, "not answered"},
	} {
		if err := tally(append(good[:len(good):len(good)], tt.add)).check(); err == nil || !strings.HasSuffix(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
		}
	}
}

// E3: traffic that shows nothing is an error, too.
func TestEmptyCount(t *testing.T) {
	full := counts{oldKey: 1, newKey: 1, before: 1, after: 2, noToken: 1, others: 1}
	if err := full.check(); err != nil {
		t.Error(err)
	}
	for name, less := range map[string]func(c *counts){
		"old key": func(c *counts) { c.oldKey = 0 }, "new key": func(c *counts) { c.newKey = 0 },
		"served before": func(c *counts) { c.before = 0 }, "no token": func(c *counts) { c.noToken = 0 },
		"client refused since": func(c *counts) { c.after = 1 }, "other client": func(c *counts) { c.others = 0 },
	} {
		c := full
		less(&c)
		if err := c.check(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("no %s: error %v", name, err)
		}
	}
}

func tally(shots []shot) counts { return count(shots, span{100, 110}, span{200, 210}, "courier") }
