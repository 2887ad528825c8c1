package main

import (
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/internal/cputime"
)

const (
	// soakSpan is what the host's clock goes through, however long that takes: the
	// first third holds the day for which memstore keeps what has expired, and
	// the longest lifetime before it.
	soakSpan = 4 * 24 * time.Hour
	// soakSamples are taken of memory, and soakReports printed.
	soakSamples = 60
	soakReports = 10
	// What the median of the last third may be of that of the middle one. What is
	// resident follows the collector, which lets the heap double.
	soakHeap = 1.10
	soakRest = 1.25
)

// soakClock is the host's. Requests move it, so that a machine that is slow or
// busy sees the same run, only later.
type soakClock struct {
	start    time.Time
	step     time.Duration // of a request
	requests atomic.Int64
}

func (c *soakClock) Now() time.Time { return c.start.Add(time.Duration(c.requests.Load()) * c.step) }

// offset is to the true time, for the store.
func (c *soakClock) offset() time.Duration { return time.Until(c.Now()) }

// soaked is what memory is at one time.
type soaked struct{ heap, inUse, rss, goroutines float64 }

// soak is mixed load on a host that has all of it in memory, and says whether
// memory stays flat. It lasts for length where the machine keeps up. It is the
// exit status.
func soak(out io.Writer, length time.Duration) int {
	total := int64(soakRate * length.Seconds())
	clock := &soakClock{start: time.Now(), step: soakSpan / time.Duration(total)}
	h := newSoakHost(clock)
	server := httptest.NewServer(h.handler)
	defer server.Close()
	ctx, cancel := context.WithCancel(context.Background())
	load := newSoakLoad(h, clock, server.URL)
	var all sync.WaitGroup
	all.Go(func() { _ = h.store.Run(ctx) })
	all.Go(func() { _ = h.keys.Run(ctx) })
	load.start(ctx, &all)

	fmt.Fprintf(out, "%s %s/%s %s: %s requests, of which each moves the host's clock by %v\n\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, cpu(), thousands(int(total)), clock.step)
	fmt.Fprint(out, "| after | requests | answers | unexpected | processor | live sessions | API keys | heap after GC, MiB | heap in use | resident | goroutines |\n"+
		"|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	var samples []soaked
	for i := range int64(soakSamples) {
		for clock.requests.Load() < total*(i+1)/soakSamples {
			time.Sleep(10 * time.Millisecond)
		}
		s := soakSample()
		samples = append(samples, s)
		if err := h.ring.Rotate(ctx); err != nil {
			load.note(0, "rotate: "+err.Error())
		}
		if len(samples)%(soakSamples/soakReports) == 0 {
			sessions, keys := h.count()
			took := time.Since(clock.start)
			fmt.Fprintf(out, "| %v | %s | %s | %.0f %% | %d | %d | %.1f | %.1f | %.1f | %.0f |\n", took.Round(time.Second), thousands(int(clock.requests.Load())),
				load.answers(), 100*cputime.Now().Seconds()/took.Seconds(), sessions, keys, s.heap, s.inUse, s.rss, s.goroutines)
		}
	}
	cancel()
	all.Wait()
	fmt.Fprintln(out)
	return load.judge(out) | judgeSoak(out, samples)
}

func soakSample() soaked {
	var m runtime.MemStats
	heap := heapBytes() / (1 << 20)
	runtime.ReadMemStats(&m)
	return soaked{heap, float64(m.HeapInuse) / (1 << 20), residentMiB(), float64(runtime.NumGoroutine())}
}

// residentMiB is what of this process is in memory.
func residentMiB() float64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	pages, _ := strconv.ParseFloat(strings.Fields(string(statm))[1], 64)
	return pages * float64(os.Getpagesize()) / (1 << 20)
}

// judgeSoak compares the last third with the middle one: the first fills what
// is bounded. What is allocated is what is judged, and what of it the system
// sees; the rest is Go's.
func judgeSoak(out io.Writer, samples []soaked) (status int) {
	third := len(samples) / 3
	for _, of := range []struct {
		name string
		most float64
		is   func(s soaked) float64
	}{
		{"heap after GC", soakHeap, func(s soaked) float64 { return s.heap }},
		{"resident", soakRest, func(s soaked) float64 { return s.rss }},
		{"goroutines", soakRest, func(s soaked) float64 { return s.goroutines }},
	} {
		var values []float64
		for _, s := range samples {
			values = append(values, of.is(s))
		}
		middle, last := median(values[third:2*third]), median(values[2*third:])
		verdict := "flat"
		if last > of.most*middle {
			verdict, status = "GROWS", 1
		}
		fmt.Fprintf(out, "- %s: %.1f in the last third, %.1f in the middle one, %.2f×, at most %.2f×: %s\n", of.name, last, middle, last/middle, of.most, verdict)
	}
	return status
}
