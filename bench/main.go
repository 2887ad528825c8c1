// Bench compares this library with the floor and with what a user would pick
// instead, in one process: every contender of a row runs in each of many
// rounds, in random order, and what is printed is the median of its ratios to
// the floor within a round. Rows are serial and run at GOMAXPROCS=1, so that
// garbage is paid for by who makes it.
//
//	make bench
package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// row is one operation.
type row struct {
	name string
	// contenders[0] is the floor.
	contenders []contender
}

type contender struct {
	name string
	op   func()
	// most is the ratio that is promised of ours; 0 for others.
	most float64
}

func main() {
	rounds := flag.Int("rounds", 60, "rounds of a row")
	each := flag.Duration("each", 2*time.Millisecond, "time of a contender in a round")
	only := flag.String("only", "", "rows whose name contains this")
	flag.Parse()

	runtime.GOMAXPROCS(1)
	fmt.Println(runtime.Version(), runtime.GOOS, runtime.GOARCH, cpu())
	for _, dep := range deps() {
		fmt.Println(dep)
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "operation\tcontender\tns\tallocs\tx floor\tpromised")
	for _, r := range rows() {
		if strings.Contains(r.name, *only) {
			r.measure(out, *rounds, *each)
		}
	}
	_ = out.Flush()
}

func (r row) measure(out *tabwriter.Writer, rounds int, each time.Duration) {
	n := make([]int, len(r.contenders)) // calls that take about each
	for i, c := range r.contenders {
		n[i] = calibrate(c.op, each)
	}
	times := make([][]float64, len(r.contenders)) // ns a call, by round
	for range rounds {
		for _, i := range rand.Perm(len(r.contenders)) {
			runtime.Gosched()
			start := time.Now()
			for range n[i] {
				r.contenders[i].op()
			}
			times[i] = append(times[i], float64(time.Since(start))/float64(n[i]))
		}
	}
	for i, c := range r.contenders {
		ratios := make([]float64, rounds)
		for round := range rounds {
			ratios[round] = times[i][round] / times[0][round]
		}
		promised := ""
		if c.most > 0 {
			promised = fmt.Sprintf("<= %.2f", c.most)
		}
		fmt.Fprintf(out, "%s\t%s\t%.0f\t%.0f\t%.2f\t%s\n",
			r.name, c.name, median(times[i]), testing.AllocsPerRun(100, c.op), median(ratios), promised)
	}
}

func calibrate(op func(), each time.Duration) int {
	for n := 1; ; n *= 2 {
		start := time.Now()
		for range n {
			op()
		}
		if took := time.Since(start); took > each/4 {
			return max(1, int(float64(n)*float64(each)/float64(took)))
		}
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
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
