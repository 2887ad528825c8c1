package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

func (f fate) String() string {
	return [...]string{"lived", "not reached", "killed", "timed out"}[f]
}

// row counts a package's mutants.
type row struct {
	pkg       string
	fates     [4]int
	explained int
}

func count(pkg string, ms []*mutant) row {
	r := row{pkg: pkg}
	for _, m := range ms {
		r.fates[m.fate]++
		if m.explained {
			r.explained++
		}
	}
	return r
}

func (r row) cells() []string {
	all, dead := 0, r.fates[killed]+r.fates[timedOut]
	for _, n := range r.fates {
		all += n
	}
	score := "–"
	if all > 0 {
		score = fmt.Sprintf("%.1f %%", 100*float64(dead)/float64(all))
	}
	cells := []string{r.pkg}
	for _, n := range []int{all, r.fates[killed], r.fates[timedOut], r.fates[notReached], r.fates[lived], r.explained} {
		cells = append(cells, fmt.Sprint(n))
	}
	return append(cells, score)
}

// table begins with its head and ends with the sum.
func table(rows []row) [][]string {
	cells, sum := [][]string{{"package", "mutants", "killed", "timed out", "not reached", "lived", "explained", "score"}}, row{pkg: "all"}
	for _, r := range rows {
		cells = append(cells, r.cells())
		for i, n := range r.fates {
			sum.fates[i] += n
		}
		sum.explained += r.explained
	}
	return append(cells, sum.cells())
}

// printTable prints Markdown.
func printTable(out io.Writer, rows []row) {
	for i, cells := range table(rows) {
		fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
		if i == 0 {
			fmt.Fprintln(out, "|---|---:|---:|---:|---:|---:|---:|---:|")
		}
	}
}

const preface = "# Mutation tests\n\n" +
	"Made by `make mutate`: each package's own tests against small changes of its code. The score is killed and timed out\n" +
	"of all; why the others may live stands in [survivors.txt](../internal/tools/mutate/survivors.txt).\n\n"

func writeMarkdown(name string, rows []row) error {
	b := bytes.NewBufferString(preface)
	printTable(b, rows)
	return os.WriteFile(name, b.Bytes(), 0o644)
}
