// Bench compares this library with the floor and with what a user would pick
// instead, in one process: every contender of a row runs in each of many
// rounds, in random order, and what is printed is the median of its ratios to
// the floor within a round. Rows are serial and run at GOMAXPROCS=1, so that
// garbage is paid for by who makes it, and time is the process's CPU time, so
// that what else the machine does spoils little. What is promised of ours
// stands below, each with the number that docs/promises.md has it under. Rows
// that ask a server start one, where it is installed, and are of wall time.
//
//	make bench
//	GOWORK=off go -C bench run . -only HS256                    # rows whose name this matches
//	GOWORK=off go -C bench run . -only HS256$ -profile cpu.prof # what ours spend, for go tool pprof
//	GOWORK=off go -C bench run . -md ../docs/benchmarks.md      # all tables, into that page, too
//	GOWORK=off go -C bench run . -growth                        # from a thousand to a million records in each store
//	GOWORK=off go -C bench run . -soak 30m                      # mixed load, and whether memory stays flat
//	GOWORK=off go -C bench run . -chart                         # docs/benchmarks.svg, of what that page says
package main

import (
	"bytes"
	"flag"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/cputime"
	"github.com/gatehouse-go/authn/internal/integration/servers"
)

// row is one operation.
type row struct {
	name string
	// contenders[0] is the floor.
	contenders []contender
	promises   []promise
	surpluses  []surplus
	// wall is for those that wait for a server.
	wall bool
	// requests is how many whole requests one op is, on all processors; 0: it is
	// one call.
	requests int
}

type contender struct {
	name string
	op   func()
}

func main() { os.Exit(servers.Main(program(run))) }

func run() int {
	rounds := flag.Int("rounds", 60, "rounds of a row")
	each := flag.Duration("each", 2*time.Millisecond, "time of a contender in a round")
	only := flag.String("only", "", "rows whose name this regular expression matches")
	profile := flag.String("profile", "", "measure nothing, and write a CPU profile of what is ours in these rows to this file")
	page := flag.String("md", "", "write what is found into this page, too, between its marks")
	chart := flag.Bool("chart", false, "measure nothing, and draw the chart of what docs/benchmarks.md says")
	growing := flag.Bool("growth", false, "measure how calls grow with what is stored, and nothing else; -only matches \"backend, kind\"")
	most := flag.Int("max", 1_000_000, "how many records -growth goes up to")
	soaking := flag.Duration("soak", 0, "measure nothing, and see for so long, at least 2m, whether memory stays flat")
	flag.Parse()
	if name := os.Getenv(loginsVariable); name != "" {
		flood(name)
		return 0
	}

	var text bytes.Buffer // for the page
	both := io.MultiWriter(os.Stdout, &text)
	if *chart {
		if err := drawChart(pagePath, chartPath); err != nil {
			log.Fatal("bench: ", err)
		}
		return 0
	}
	if *soaking > 0 {
		status := soak(both, *soaking)
		keep(*page, soakSection, text.String())
		return status
	}

	runtime.GOMAXPROCS(1)
	match, err := regexp.Compile(*only)
	if err != nil {
		log.Fatal("bench: -only: ", err)
	}
	if *growing {
		growth(both, *most, match.MatchString)
		keep(*page, growthSection, text.String())
		return 0
	}
	if *profile != "" {
		if err := profileOurs(slices.Concat(rows(match.MatchString), wholeRequests(match.MatchString)), *profile); err != nil {
			log.Fatal("bench: ", err)
		}
		return 0
	}
	rep := newReport()
	rep.add(rows(match.MatchString), *rounds, *each)
	for _, l := range allLogins() {
		if match.MatchString(l.name) {
			l.measure(rep)
		}
	}
	if match.MatchString(limitsTable) {
		sideBySide(rep, *rounds)
	}
	rep.add(wholeRequests(match.MatchString), 3**rounds, *each) // two processors are shared with others more than one is
	rep.write(os.Stdout)
	keep(*page, tablesSection, rep.markdown())
	return 0
}

// keep writes text into the page, if there is to be one.
func keep(page, section, text string) {
	if page == "" {
		return
	}
	if err := writePage(page, section, text); err != nil {
		log.Fatal("bench: ", err)
	}
}

// measured is one contender.
type measured struct {
	ns     []float64 // of a call, by round
	allocs float64
}

func (r row) measure(rounds int, each time.Duration) []measured {
	clock := cputime.Now
	if r.wall {
		clock = wallTime
	}
	calls, runs := 1.0, 100 // of an op, and to count allocations
	if r.requests > 0 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.NumCPU()))
		calls, runs = float64(r.requests), 1
	}
	n := make([]int, len(r.contenders)) // ops that take about each
	for i, c := range r.contenders {
		n[i] = calibrate(c.op, each, clock)
	}
	all := make([]measured, len(r.contenders))
	for range rounds {
		for _, i := range rand.Perm(len(r.contenders)) {
			runtime.Gosched()
			took := timeOf(r.contenders[i].op, n[i], clock)
			all[i].ns = append(all[i].ns, float64(took)/float64(n[i])/calls)
		}
	}
	for i, c := range r.contenders {
		all[i].allocs = math.Round(testing.AllocsPerRun(runs, c.op) / calls)
	}
	return all
}

// calibrate is how many calls take about each: the most of five tries, since one
// into which a garbage collection falls finds too few.
func calibrate(op func(), each time.Duration, clock func() time.Duration) (most int) {
	for range 5 {
		n, took := 1, timeOf(op, 1, clock)
		for took <= each/4 {
			n *= 2
			took = timeOf(op, n, clock)
		}
		most = max(most, 1, int(float64(n)*float64(each)/float64(took)))
	}
	return most
}

// timeOf is what n calls take of clock.
func timeOf(op func(), n int, clock func() time.Duration) time.Duration {
	start := clock()
	for range n {
		op()
	}
	return clock() - start
}

var started = time.Now()

func wallTime() time.Duration { return time.Since(started) }

// ratio is the median, over the rounds, of a's time to b's.
func ratio(a, b measured) float64 {
	ratios := make([]float64, len(a.ns))
	for round := range ratios {
		ratios[round] = a.ns[round] / b.ns[round]
	}
	return median(ratios)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// profileOurs runs what promises are about, each for about a second.
func profileOurs(rows []row, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	for _, r := range rows {
		for _, c := range r.contenders {
			if !slices.ContainsFunc(r.promises, func(p promise) bool { return p.of == c.name }) {
				continue
			}
			timeOf(c.op, 100*calibrate(c.op, 10*time.Millisecond, cputime.Now), cputime.Now)
		}
	}
	pprof.StopCPUProfile()
	return file.Close()
}
