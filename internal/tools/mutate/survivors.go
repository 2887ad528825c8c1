package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

const header = `# Mutants that live or that no test reaches, and why they may; made by go run ./mutate -update.
# package, file, function, kind, source, which of equal ones, reason: separated by tabs.
`

// survivors are the reasons by key, and the keys found in this run. A key does
// not change with other lines.
type survivors struct {
	why   map[string]string
	found map[string]bool
}

func readSurvivors(name string) (survivors, error) {
	k := survivors{map[string]string{}, map[string]bool{}}
	text, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		return k, err
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.Count(line, "\t") != 6 {
			return k, fmt.Errorf("%s: not seven fields: %q", name, line)
		}
		end := strings.LastIndexByte(line, '\t')
		k.why[line[:end]] = strings.TrimSpace(line[end+1:])
	}
	return k, nil
}

func (m *mutant) key(pkg string) string {
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t#%d", pkg, m.file, m.fn, m.kind, m.text, m.nth)
}

// compare prints the survivors of a package that have no reason.
func (k survivors) compare(pkg string, ms []*mutant, out io.Writer) (good bool) {
	good = true
	for _, m := range ms {
		if m.fate != lived && m.fate != notReached {
			continue
		}
		key := m.key(pkg)
		k.found[key] = true
		if m.explained = k.why[key] != ""; !m.explained {
			good = false
			fmt.Fprintf(out, "%s/%s:%d: %s: %s in %s: %s #%d\n", pkg, m.file, m.line, m.fate, m.kind, m.fn, m.text, m.nth)
		}
	}
	return good
}

// stale prints the lines of tried packages that name no survivor.
func (k survivors) stale(tried func(pkg string) bool, out io.Writer) []string {
	keys := []string{}
	for _, key := range slices.Sorted(maps.Keys(k.why)) {
		if pkg, _, _ := strings.Cut(key, "\t"); tried(pkg) && !k.found[key] {
			keys = append(keys, key)
			fmt.Fprintf(out, "stale: %s\n", strings.ReplaceAll(key, "\t", " "))
		}
	}
	return keys
}

// update adds a line for each survivor, without a reason, and drops the stale.
func (k survivors) update(name string, stale []string) error {
	for _, key := range stale {
		delete(k.why, key)
	}
	for key := range k.found {
		k.why[key] += ""
	}
	text := header
	for _, key := range slices.Sorted(maps.Keys(k.why)) {
		text += key + "\t" + k.why[key] + "\n"
	}
	return os.WriteFile(name, []byte(text), 0o644)
}
