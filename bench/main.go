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
package main

import (
	"flag"
	"fmt"
	"log"
	"math/rand/v2"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
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
	// wall is for those that wait for a server.
	wall bool
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
	flag.Parse()
	if contender := os.Getenv(floodVariable); contender != "" {
		flood(contender)
		return 0
	}

	runtime.GOMAXPROCS(1)
	match, err := regexp.Compile(*only)
	if err != nil {
		log.Fatal("bench: -only: ", err)
	}
	rows := slices.DeleteFunc(rows(), func(r row) bool { return !match.MatchString(r.name) })
	rows = append(rows, storedSessions(match.MatchString)...)
	if *profile != "" {
		if err := profileOurs(rows, *profile); err != nil {
			log.Fatal("bench: ", err)
		}
		return 0
	}
	fmt.Println(runtime.Version(), runtime.GOOS, runtime.GOARCH, cpu())
	for _, dep := range deps() {
		fmt.Println(dep)
	}
	times := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	kept := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(times, "operation\tcontender\tns\tallocs\tx floor")
	fmt.Fprintln(kept, "promise\tof\tcompared with\tat most\tis\t")
	for _, r := range rows {
		m := r.measure(*rounds, *each)
		name := r.name
		for i, c := range r.contenders {
			fmt.Fprintf(times, "%s\t%s\t%.0f\t%.0f\t%.2f\n", name, c.name, median(m[i].ns), m[i].allocs, ratio(m[i], m[0]))
			name = ""
		}
		for _, p := range r.promises {
			fmt.Fprintf(kept, "%s %s\t%s\n", p.line, r.name, p.judge(r, m))
		}
	}
	if match.MatchString(floodName) {
		floods(times, kept)
	}
	fmt.Println()
	_ = times.Flush()
	fmt.Println()
	_ = kept.Flush()
	if match.MatchString(limitsTable) {
		fmt.Println()
		writeLimitsTable(os.Stdout, *rounds)
	}
	return 0
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
	n := make([]int, len(r.contenders)) // calls that take about each
	for i, c := range r.contenders {
		n[i] = calibrate(c.op, each, clock)
	}
	all := make([]measured, len(r.contenders))
	for range rounds {
		for _, i := range rand.Perm(len(r.contenders)) {
			runtime.Gosched()
			took := timeOf(r.contenders[i].op, n[i], clock)
			all[i].ns = append(all[i].ns, float64(took)/float64(n[i]))
		}
	}
	for i, c := range r.contenders {
		all[i].allocs = testing.AllocsPerRun(100, c.op)
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

// deps are the peers with their versions.
func deps() (lines []string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	for _, dep := range info.Deps {
		if slices.Contains(peers, dep.Path) {
			lines = append(lines, dep.Path+" "+dep.Version)
		}
	}
	return lines
}

func cpu() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
