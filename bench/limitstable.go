package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"
)

// limitsTable is the name of what is no row: it is about all processors, memory
// and what limits are worth.
const limitsTable = "limits side by side"

const manyKeys = 100_000

// bytesMost is what a key of GCRA may need.
const bytesMost = 80

// sideBySide says of each limiter how long a call takes when all processors ask
// for many keys, what a key needs, and how many it let through in the worst
// window when it should be five.
func sideBySide(rep *report, rounds int) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
	rep.limits.head = []string{
		"limiter", fmt.Sprintf("ns, %d processors, %d keys", runtime.NumCPU(), manyKeys), "x GCRA of ours", "bytes per key", "most in a window of 5",
	}
	bytes := make([]float64, len(limiters))
	for i, l := range limiters {
		bytes[i] = bytesPerKey(l)
	}
	took := inParallel(rounds)
	most := make([]int, len(limiters))
	var all sync.WaitGroup
	for i, l := range limiters {
		all.Go(func() { most[i] = worstWindow(l) })
	}
	all.Wait()
	base := measured{ns: took[0]}
	for i, l := range limiters {
		m := measured{ns: took[i]}
		rep.limits.add(l.name, fmt.Sprintf("%.0f", median(m.ns)), fmt.Sprintf("%.2f", ratio(m, base)), fmt.Sprintf("%.0f", bytes[i]), strconv.Itoa(most[i]))
		switch l.name {
		case oursGCRA:
			rep.keeps("R14 bytes per key", l.name, "-", bytesMost, bytes[i], "bytes")
		case oursWindow:
			rep.keeps("R1 most in a window of 5", l.name, "-", 5, float64(most[i]), "requests")
		default:
			rep.keeps("R14 many keys in parallel", oursGCRA, l.name, 1, ratio(base, m), "x")
		}
	}
}

// inParallel is the time of a call, by limiter and round.
func inParallel(rounds int) [][]float64 {
	keys := make([]string, manyKeys)
	for i := range keys {
		keys[i] = "client " + strconv.Itoa(i)
	}
	askers := make([][]ask, len(limiters))
	for i, l := range limiters {
		asker := l.make(plenty, time.Hour)
		for range runtime.NumCPU() {
			askers[i] = append(askers[i], asker())
		}
		for _, key := range keys {
			askers[i][0](key)
		}
	}
	took := make([][]float64, len(limiters))
	for i := range took {
		took[i] = make([]float64, rounds)
	}
	const each = 20_000
	for round := range rounds {
		for _, i := range rand.Perm(len(limiters)) {
			runtime.GC() // each pays for its own garbage
			var all sync.WaitGroup
			start := time.Now()
			for _, allow := range askers[i] {
				from := rand.IntN(manyKeys)
				all.Go(func() {
					for n := range each {
						allow(keys[(from+n*7919)%manyKeys])
					}
				})
			}
			all.Wait()
			took[i][round] = float64(time.Since(start)) / float64(each*len(askers[i]))
		}
	}
	return took
}

// bytesPerKey counts what is kept of the key, too.
func bytesPerKey(l limiterOf) float64 {
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what pools and finalizers held
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	allow := l.make(5, time.Hour)()
	for i := range manyKeys {
		allow("client " + strconv.Itoa(i))
	}
	bytes := float64(heap()-before) / manyKeys
	runtime.KeepAlive(allow)
	return bytes
}

// worstWindow is the most that l let through in any window when it should be
// five: bursts come at random times. What surely lay in a window is what ended
// less than it after the first began.
func worstWindow(l limiterOf) (most int) {
	const period = 200 * time.Millisecond
	allow := l.make(5, period)()
	var passed []time.Time
	for range 100 {
		time.Sleep(rand.N(period))
		for range 1 + rand.IntN(10) {
			before := time.Now()
			if allow("client") {
				now := time.Now()
				passed = append(passed, before)
				first, _ := slices.BinarySearchFunc(passed, now.Add(-period), time.Time.Compare)
				most = max(most, len(passed)-first)
			}
		}
	}
	return most
}
