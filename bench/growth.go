package main

import (
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

const (
	growthFrom   = 1000
	growthRounds = 60
	growthEach   = 2 * time.Millisecond
	// growthSample is how many records are asked for, of each size, so that
	// nothing but the store differs: enough that the processor's caches do not
	// hold what they lie in.
	growthSample = 1 << 16
)

// backend is a kind of store, each with nothing in it.
type backend struct {
	name string
	open func(size int) grown
}

// grown is one store that is filled.
type grown struct {
	store store.Store
	// fill writes the records from 1 on; the record 0 is there.
	fill func(k growthKind, size int)
	// bytes is what the store takes.
	bytes func() float64
	// close throws it away.
	close func()
}

// growth says how the call that requests wait for grows with what is stored:
// for each backend and kind there is a store of each size, all at once, and
// their calls take turns as rows do. A store has one kind of records, of as many
// subjects as records, written by itself or, in SQL, copied from one that it
// wrote.
// wanted says which, by backend and kind.
func growth(out io.Writer, most int, wanted func(name string) bool) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
	var sizes []int
	for size := growthFrom; size <= most; size *= 10 {
		sizes = append(sizes, size)
	}
	backends := growthBackends()
	for i, k := range growthKinds {
		if i > 0 {
			fmt.Fprintln(out)
		}
		fmt.Fprintf(out, "| %s |", k.name)
		for _, size := range sizes {
			fmt.Fprintf(out, " %s |", thousands(size))
		}
		fmt.Fprintf(out, " bytes each |\n|---|%s---:|\n", strings.Repeat("---:|", len(sizes)))
		for _, b := range backends {
			if !wanted(b.name + ", " + k.name) {
				continue
			}
			m, bytes := grow(b, k, sizes)
			fmt.Fprintf(out, "| %s |", b.name)
			for i := range sizes {
				fmt.Fprintf(out, " %s, %.2f× |", micros(median(m[i].ns)), ratio(m[i], m[0]))
			}
			fmt.Fprintf(out, " %.0f |\n", bytes)
		}
	}
}

// grow measures k in b at each size, and what a record takes at the last.
func grow(b backend, k growthKind, sizes []int) (m []measured, bytes float64) {
	r := row{wall: true}
	for _, size := range sizes {
		began := time.Now()
		g := b.open(size)
		before := g.bytes()
		if err := k.write(g.store, recordOf(0)); err != nil {
			log.Panicf("bench: %s, %s: %v", b.name, k.name, err)
		}
		g.fill(k, size)
		bytes = (g.bytes() - before) / float64(size)
		filled := time.Since(began)
		sample := sampleOf(size)
		for _, rec := range sample[:1000] {
			if err := k.there(g.store, rec); err != nil {
				log.Panicf("bench: %s, %s, of %d: %v", b.name, k.name, size, err)
			}
		}
		log.Printf("bench: %s has %d of %s after %v", b.name, size, k.name, filled.Round(time.Millisecond))
		next := 0
		r.contenders = append(r.contenders, good(thousands(size), func() error {
			next = (next + 1) % len(sample)
			return k.hot(g.store, sample[next])
		}))
		defer g.close()
	}
	return r.measure(growthRounds, growthEach), bytes
}

// sampleOf are some of size records, in no order, also the same ones again.
func sampleOf(size int) []record {
	sample, generations := make([]record, growthSample), make(map[int]*int64)
	for i := range sample {
		n := rand.IntN(size)
		sample[i] = recordOf(n)
		if generations[n] == nil {
			generations[n] = sample[i].generation
		}
		sample[i].generation = generations[n]
	}
	return sample
}

// micros is of three digits.
func micros(ns float64) string {
	digits := 2
	for us := ns / 1000; us >= 10 && digits > 0; us /= 10 {
		digits--
	}
	return strconv.FormatFloat(ns/1000, 'f', digits, 64) + " µs"
}

// thousands is 1 000 000 for people.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "\u00a0" + s[i:]
	}
	return s
}
