package servers

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

var summary struct {
	sync.Mutex
	passed  map[string]int
	skipped map[string]int
	failed  map[string]int
	notes   map[string]bool
}

// Case counts the test for the summary under the backend's name and version.
func Case(tb testing.TB, backend string) {
	tb.Cleanup(func() {
		summary.Lock()
		defer summary.Unlock()
		of := &summary.passed
		if tb.Failed() {
			of = &summary.failed
		} else if tb.Skipped() {
			of = &summary.skipped
		}
		if *of == nil {
			*of = make(map[string]int)
		}
		(*of)[backend]++
	})
}

// note adds a line to the summary, once.
func note(text string) {
	summary.Lock()
	defer summary.Unlock()
	if summary.notes == nil {
		summary.notes = make(map[string]bool)
	}
	summary.notes[text] = true
}

// summarise prints how many cases of the store suite passed on each backend.
// go test shows the output of a package that passed only with -v, so the lines
// also go to the file that AUTHN_SUMMARY names.
func summarise() {
	summary.Lock()
	defer summary.Unlock()
	var b strings.Builder
	all := make(map[string]bool)
	for _, m := range []map[string]int{summary.passed, summary.failed, summary.skipped} {
		for backend := range m {
			all[backend] = true
		}
	}
	for _, backend := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "%s: %d cases passed", backend, summary.passed[backend])
		if n := summary.skipped[backend]; n > 0 {
			fmt.Fprintf(&b, ", %d skipped", n)
		}
		if n := summary.failed[backend]; n > 0 {
			fmt.Fprintf(&b, ", %d FAILED", n)
		}
		b.WriteByte('\n')
	}
	for _, text := range slices.Sorted(maps.Keys(summary.notes)) {
		fmt.Fprintln(&b, text)
	}
	fmt.Print(b.String())
	name := os.Getenv("AUTHN_SUMMARY")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err == nil {
		_, err = f.WriteString(b.String())
		f.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
	}
}
