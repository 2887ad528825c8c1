package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// The page and the chart of it, as seen from this folder.
const (
	pagePath  = "../docs/benchmarks.md"
	chartPath = "../docs/benchmarks.svg"
)

// marks are the lines of the page between which a run writes.
func marks(section string) (begin, end string) {
	return "<!-- begin: " + section + " -->\n", "<!-- end: " + section + " -->\n"
}

// The sections of the page.
const (
	tablesSection = "make bench"
	growthSection = "growth"
	soakSection   = "mixed load"
)

// writePage puts text between the marks of the page at path, and keeps what is
// around them.
func writePage(path, section, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := marks(section)
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return fmt.Errorf("%s has not the lines %q and %q", path, begin, end)
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+text+"\n"+end+after), 0o644)
}

func (rep *report) markdown() string {
	about := rep.machine()
	var b strings.Builder
	fmt.Fprintf(&b, "%s.\n\nPeers: %s.\n", about[0], strings.Join(about[1:], ", "))
	for _, t := range rep.tables() {
		if len(t.lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n### %s\n\n", t.title)
		writeLine(&b, t.head)
		rule := make([]string, len(t.head))
		for i := range rule {
			if rule[i] = "---"; numeric(t.lines[0][i]) {
				rule[i] = "--:"
			}
		}
		writeLine(&b, rule)
		for _, line := range t.lines {
			writeLine(&b, line)
		}
	}
	return b.String()
}

func writeLine(b *strings.Builder, cells []string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

func numeric(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}

// figures are the columns of a table of the page behind the first two, by the
// operation and the contender that these name.
type figures map[[2]string][]string

// readFigures reads all tables of the page that are of contenders.
func readFigures(page string) figures {
	begin, end := marks(tablesSection)
	_, rest, _ := strings.Cut(page, begin)
	tables, _, _ := strings.Cut(rest, end)
	all := figures{}
	operation, of := "", false
	for line := range strings.Lines(tables) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch {
		case len(cells) < 3:
			of = false
		case cells[0] == "operation":
			of = true
		case of && !strings.HasPrefix(cells[0], "--"):
			if cells[0] != "" {
				operation = cells[0]
			}
			all[[2]string{operation, cells[1]}] = cells[2:]
		}
	}
	return all
}
