package cache_test

import (
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/cache"
)

var start = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestValuesLastUntilTheirTime(t *testing.T) {
	c := cache.New[string, int](100)
	c.Put("a", 1, start.Add(time.Minute), start)
	if v, ok := c.Get("a", start.Add(time.Minute-1)); !ok || v != 1 {
		t.Errorf("just before: %d, %v", v, ok)
	}
	if v, ok := c.Get("a", start.Add(time.Minute)); ok || v != 0 {
		t.Errorf("at its time: %d, %v", v, ok)
	}
	if n := c.Len(); n != 0 {
		t.Errorf("%d entries: the expired one stayed", n)
	}
	if _, ok := c.Get("b", start); ok {
		t.Error("a value that nobody put")
	}
	c.Put("a", 2, start.Add(time.Minute), start)
	c.Put("a", 3, start.Add(time.Hour), start)
	if v, _ := c.Get("a", start.Add(time.Minute)); v != 3 {
		t.Errorf("replaced: %d", v)
	}
}

func TestCacheIsBounded(t *testing.T) {
	const most = 160
	c := cache.New[int, int](most)
	for i := range 100_000 {
		c.Put(i, i, start.Add(time.Hour), start)
	}
	if n := c.Len(); n > most || n < most/2 {
		t.Errorf("%d entries, want about %d and never more", n, most)
	}
}

func TestTheExpiredMakesRoomFirst(t *testing.T) {
	c := cache.New[int, int](16) // one a shard
	for i := range 1000 {
		c.Put(i, i, start.Add(time.Second), start)
	}
	later := start.Add(time.Minute)
	kept := 0
	for i := 1000; i < 2000; i++ {
		c.Put(i, i, later.Add(time.Hour), later)
	}
	for i := range 2000 {
		if _, ok := c.Get(i, later); ok {
			kept++
		}
	}
	if kept != 16 {
		t.Errorf("%d live entries, want 16", kept)
	}
}

// One of a few that has expired goes, and none that lives. Eight to a shard: it
// is always found.
func TestTheLivingStayWhileOneHasExpired(t *testing.T) {
	later := start.Add(time.Minute)
	for range 100 { // in whatever order a map is read
		c := cache.New[int, int](128)
		for i := range 1000 {
			c.Put(i, i, start.Add(time.Second), start)
		}
		for i := 1000; i < 1008; i++ {
			c.Put(i, i, later.Add(time.Hour), later)
		}
		for i := 1000; i < 1008; i++ {
			if _, ok := c.Get(i, later); !ok {
				t.Fatal("a live entry has made room")
			}
		}
	}
}

func TestCacheIsSafeForConcurrentUse(t *testing.T) {
	c := cache.New[int, int](64)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				c.Put(i, i, start.Add(time.Hour), start)
				if v, ok := c.Get(i, start); ok && v != i {
					t.Errorf("goroutine %d: %d is %d", g, i, v)
				}
			}
		})
	}
	wg.Wait()
}
