package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sample is testdata/sample tried with these lines about survivors.
func sample(t *testing.T, update bool, lines ...string) (good bool, out string, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "survivors.txt")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	good, err := run(t.Context(), config{
		root: ".", patterns: []string{"./testdata/sample"}, survivors: file, update: update,
		verbose: true, jobs: 2, least: 2 * time.Second,
	}, &b)
	if err != nil {
		t.Fatal(err)
	}
	return good, b.String(), file
}

func line(fn, kind, text, why string) string {
	return fmt.Sprintf("mutate/testdata/sample\tsample.go\t%s\t%s\t%s\t#1\t%s", fn, kind, text, why)
}

var explained = []string{
	line("Forgotten", "negate", "n == 2", "no test is about it"),
	line("Forgotten", "remove", `panic("unreached")`, "no test is about it"),
	line("Larger", "boundary", "a > b", "equals are the same"),
}

func TestEachMutantHasItsFate(t *testing.T) {
	good, out, _ := sample(t, false, explained...)
	if !good {
		t.Error("an explained survivor is held against the tests")
	}
	for _, want := range []string{
		"negate n < 0: killed TestCheck",
		"boundary n < 0: killed TestCheck",
		"error ErrNegative: killed TestCheck",
		"logical a && // with a comment where a line could end b: killed TestBoth",
		"negate a: killed TestBoth",
		"negate b: killed TestBoth",
		"negate a > b: killed TestLarger",
		"boundary a > b: lived",
		"negate n != 0: killed TestSteps",
		"remove n--: timed out",
		"remove steps++: killed TestSteps",
		"negate n == 2: not reached",
		`remove panic("unreached"): not reached`,
		"| mutate/testdata/sample | 13 | 9 | 1 | 2 | 1 | 3 | 76.9 % |",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "stale") {
		t.Errorf("a stale line in\n%s", out)
	}
}

func TestSurvivorWithoutAReasonFails(t *testing.T) {
	for name, lines := range map[string][]string{
		"no line":      explained[:2],
		"empty reason": append([]string{line("Larger", "boundary", "a > b", "")}, explained[:2]...),
	} {
		good, out, _ := sample(t, false, lines...)
		if good || !strings.Contains(out, "sample.go:25: lived: boundary in Larger: a > b #1\n") {
			t.Errorf("%s: good %v\n%s", name, good, out)
		}
	}
}

func TestUpdateKeepsReasonsAndDropsStaleLines(t *testing.T) {
	stale := line("Both", "negate", "a", "it is killed now")
	other := "apikey\tkey.go\tf\tnegate\tx\t#1\tof a package that is not tried"
	good, out, file := sample(t, true, explained[0], explained[1], stale, other)
	if good || !strings.Contains(out, "stale: mutate/testdata/sample sample.go Both negate a #1\n") {
		t.Errorf("good %v\n%s", good, out)
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := header + strings.Join([]string{other, explained[0], explained[1], line("Larger", "boundary", "a > b", "")}, "\n") + "\n"
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
