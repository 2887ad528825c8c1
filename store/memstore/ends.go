package memstore

import (
	"container/heap"
	"time"
)

// sweepStep bounds what one call deletes.
const sweepStep = 64

// ending is part of each record that leaves a day after its end.
type ending struct {
	end   time.Time
	place int // in byEnd
}

func (e *ending) ends() *ending { return e }

// byEnd is a heap.Interface of records, the earliest end first.
type byEnd[R interface{ ends() *ending }] []R

// insert adds r.
func (h *byEnd[R]) insert(r R) { heap.Push(h, r) }

// move sets the end of r, which is there.
func (h *byEnd[R]) move(r R, end time.Time) {
	r.ends().end = end
	heap.Fix(h, r.ends().place)
}

// remove takes r out, which is there.
func (h *byEnd[R]) remove(r R) { heap.Remove(h, r.ends().place) }

// sweep takes out a few that ended before then, and reports whether there may
// be more.
func (h *byEnd[R]) sweep(before time.Time, gone func(r R)) (more bool) {
	for range sweepStep {
		if len(*h) == 0 || !(*h)[0].ends().end.Before(before) {
			return false
		}
		gone(heap.Pop(h).(R))
	}
	return true
}

func (h byEnd[R]) Len() int           { return len(h) }
func (h byEnd[R]) Less(i, j int) bool { return h[i].ends().end.Before(h[j].ends().end) }
func (h byEnd[R]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].ends().place, h[j].ends().place = i, j
}

// Push is of heap.Interface, as is Pop.
func (h *byEnd[R]) Push(x any) {
	r := x.(R)
	r.ends().place = len(*h)
	*h = append(*h, r)
}

func (h *byEnd[R]) Pop() any {
	var none R
	last := len(*h) - 1
	r := (*h)[last]
	(*h)[last] = none
	*h = (*h)[:last]
	return r
}
