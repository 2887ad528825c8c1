package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// report is what a run has found.
type report struct {
	began jiffies
	// times are of rows, whole of rows that are whole requests, and kept is what
	// was promised of all.
	times, whole, flood, limits, kept *table
}

type table struct {
	title string
	head  []string
	lines [][]string
}

func newReport() *report {
	return &report{
		began:  processors(),
		times:  &table{title: "Operations", head: []string{"operation", "contender", "ns", "allocs", "x floor"}},
		flood:  &table{title: "Logins in a process of their own", head: []string{"operation", "contender", "s", "MiB at most", "x floor"}},
		limits: &table{title: "Limits side by side"},
		whole:  &table{title: "Whole requests", head: []string{"operation", "contender", "requests/s", "allocs", "x bare handler"}},
		kept:   &table{title: "Promises", head: []string{"promise", "of", "compared with", "at most", "is", ""}},
	}
}

func (rep *report) tables() []*table {
	return []*table{rep.times, rep.flood, rep.limits, rep.whole, rep.kept}
}

// add measures rows.
func (rep *report) add(rows []row, rounds int, each time.Duration) {
	for _, r := range rows {
		m := r.measure(rounds, each)
		name := r.name
		for i, c := range r.contenders {
			if r.requests > 0 {
				// Requests in a second, and so is what they are compared by.
				rep.whole.add(name, c.name, fmt.Sprintf("%.0f", 1e9/median(m[i].ns)), fmt.Sprintf("%.0f", m[i].allocs), fmt.Sprintf("%.2f", ratio(m[0], m[i])))
			} else {
				rep.times.add(name, c.name, fmt.Sprintf("%.0f", median(m[i].ns)), fmt.Sprintf("%.0f", m[i].allocs), fmt.Sprintf("%.2f", ratio(m[i], m[0])))
			}
			name = ""
		}
		for _, p := range r.promises {
			rep.kept.add(append([]string{p.line + " " + r.name}, p.judge(r, m)...)...)
		}
		for _, s := range r.surpluses {
			rep.kept.add(append([]string{s.line + " " + r.name}, s.judge(r, m)...)...)
		}
	}
}

// keeps is a promise that is of no row.
func (rep *report) keeps(what, of, to string, most, is float64, unit string) {
	rep.kept.add(what, of, to, fmt.Sprintf("%.4g %s", most, unit), fmt.Sprintf("%.3g", is), verdict(is, most))
}

func verdict(is, most float64) string {
	if is > most {
		return "MISSED"
	}
	return "met"
}

func (t *table) add(line ...string) { t.lines = append(t.lines, line) }

// write is for who looks at a terminal.
func (rep *report) write(out io.Writer) {
	for _, line := range rep.machine() {
		fmt.Fprintln(out, line)
	}
	for _, t := range rep.tables() {
		if len(t.lines) == 0 {
			continue
		}
		fmt.Fprintln(out)
		columns := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		for _, line := range append([][]string{t.head}, t.lines...) {
			fmt.Fprintln(columns, strings.Join(line, "\t"))
		}
		_ = columns.Flush()
	}
}

// machine is what figures depend on: Go, the processor, how much of it others
// took meanwhile, and the peers' versions.
func (rep *report) machine() []string {
	line := fmt.Sprintf("%s %s/%s, %s, %d processors", runtime.Version(), runtime.GOOS, runtime.GOARCH, cpu(), runtime.NumCPU())
	if now := processors(); now.all > rep.began.all {
		line += fmt.Sprintf(", of which other machines took %.0f %%", 100*(now.stolen-rep.began.stolen)/(now.all-rep.began.all))
	}
	return append([]string{line}, deps()...)
}

// jiffies are what the processors of a virtual machine had so far: all, and of
// these what its host gave to others while it was wanted here (proc(5), steal).
type jiffies struct{ all, stolen float64 }

func processors() (j jiffies) {
	const steal = 8 // its column
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return j
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	for i, column := range strings.Fields(line) {
		n, _ := strconv.ParseFloat(column, 64) // 0 of "cpu"
		if i <= steal {
			j.all += n
		}
		if i == steal {
			j.stolen = n
		}
	}
	return j
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
