package password_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
)

// breachLines are n lines as the downloader writes them: of "0", "1" and so on,
// each with its number and one as its count.
func breachLines(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("%s:%d", hashOf(fmt.Sprint(i)), i+1)
	}
	slices.Sort(lines)
	return lines
}

func breachFile(t *testing.T, text string) (password.BreachList, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pwned.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return password.BreachFile(path)
}

func count(t *testing.T, list password.BreachList, pw string) int {
	t.Helper()
	n, err := list.Count(t.Context(), sha1.Sum([]byte(pw)))
	if err != nil {
		t.Errorf("%q: %v", pw, err)
	}
	return n
}

// P10: each line of the file is found, the first and the last included, and
// nothing else is; whatever the lines end with.
func TestBreachFileFindsEachLine(t *testing.T) {
	for _, n := range []int{1, 2, 3, 10, 85, 86, 87, 1000, 2000} {
		lines := breachLines(n)
		for name, text := range map[string]string{
			"LF":          strings.Join(lines, "\n") + "\n",
			"CRLF":        strings.Join(lines, "\r\n") + "\r\n",
			"no last end": strings.Join(lines, "\r\n"),
			"lower case":  strings.ToLower(strings.Join(lines, "\n")),
		} {
			list, err := breachFile(t, text)
			if err != nil {
				t.Errorf("%d lines, %s: %v", n, name, err)
				continue
			}
			for i := range n {
				if got := count(t, list, fmt.Sprint(i)); got != i+1 {
					t.Errorf("%d lines, %s: %d is %d, want %d", n, name, i, got, i+1)
				}
			}
			for i := range 200 {
				if got := count(t, list, fmt.Sprint("other ", i)); got != 0 {
					t.Errorf("%d lines, %s: what is not there is %d", n, name, got)
				}
			}
			for hash, want := range map[[20]byte]int{{}: 0, [20]byte(bytes.Repeat([]byte{0xff}, 20)): 0} {
				if got, err := list.Count(t.Context(), hash); err != nil || got != want {
					t.Errorf("%d lines, %s: %X is %d and error %v", n, name, hash, got, err)
				}
			}
		}
	}
}

// P10: the file may be searched by many at a time, and is not in memory.
func TestBreachFileIsForConcurrentUse(t *testing.T) {
	list, err := breachFile(t, strings.Join(breachLines(20_000), "\n")+"\n")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := g; i < 800; i += 8 {
				if n, err := list.Count(t.Context(), sha1.Sum(fmt.Append(nil, i))); err != nil || n != i+1 {
					t.Errorf("%d is %d and error %v", i, n, err)
				}
			}
		})
	}
	wg.Wait()
	allocated := testing.AllocsPerRun(10, func() { _, _ = list.Count(t.Context(), sha1.Sum([]byte("7"))) })
	if allocated > 300 {
		t.Errorf("Count allocates %.0f times", allocated)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := list.Count(ctx, sha1.Sum([]byte("7"))); err == nil {
		t.Error("a context that had ended: no error")
	}
}

// P10: what is no sorted, whole list is refused, or an error of Count; never
// "not breached".
func TestBreachFileRefusesOtherFiles(t *testing.T) {
	lines := breachLines(5000)
	text := func(lines ...string) string { return strings.Join(lines, "\r\n") + "\r\n" }
	half := func(from, to int) string { return text(lines[from:to]...) }
	byCount := slices.SortedFunc(slices.Values(lines), func(a, b string) int { return strings.Compare(a[41:], b[41:]) })
	backwards := slices.Clone(lines)
	slices.Reverse(backwards)
	swapped := slices.Clone(lines)
	slices.Reverse(swapped[100:4900])
	for name, content := range map[string]string{
		"empty":               "",
		"a line end":          "\n",
		"HTML":                "<!DOCTYPE html><html>" + strings.Repeat("<p>Not here</p>\n", 100),
		"one long line":       strings.Repeat("A", 100_000),
		"zeros":               string(make([]byte, 100_000)),
		"gzip":                "\x1f\x8b\x08" + half(0, 5000),
		"a byte order mark":   "\xef\xbb\xbf" + half(0, 5000),
		"no counts":           strings.Join(lines, "\n")[:40] + "\n",
		"NTLM":                strings.Repeat("0123456789ABCDEF0123456789ABCDEF:1\n", 500),
		"suffixes of a range": strings.Repeat(hashOf("x")[5:]+":1\r\n", 500),
		"by count":            text(byCount...),
		"backwards":           text(backwards...),
		"partly backwards":    text(swapped...),
		"its first half":      half(0, 2500),
		"its second half":     half(2500, 5000),
		"without an end":      half(0, 4500),
		"cut in a hash":       half(0, 5000)[:len(half(0, 5000))-20],
		"cut after a colon":   lines[0] + "\r\n" + lines[1][:41],
		"CR alone":            strings.Join(lines, "\r") + "\r",
		"empty lines":         strings.Join(lines, "\n\n"),
		"other lines at last": half(0, 5000) + strings.Repeat(strings.Repeat("x", 50)+"\n", 3),
		"a long line inside":  half(0, 2500) + strings.Repeat("A", 10_000) + "\n" + half(2500, 5000),
	} {
		if list, err := breachFile(t, content); err == nil || list != nil || !strings.HasPrefix(err.Error(), "authn/password: BreachFile: ") {
			t.Errorf("%s: got error %v", name, err)
		}
	}
	if _, err := password.BreachFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got error %v", err)
	}
	if _, err := password.BreachFile(t.TempDir()); err == nil {
		t.Error("a folder is no error")
	}
}

// P10: a file that changes under the search, or has a bad place that opening it
// did not meet, is an outage for those whose way leads there.
func TestBreachFileThatIsBadInsideIsAnOutage(t *testing.T) {
	lines := breachLines(20_000)
	at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, hashOf("7")) })
	for name, change := range map[string]func(lines []string){
		"another line": func(lines []string) { lines[at-1] = strings.Repeat("x", len(lines[at-1])) },
		"swapped":      func(lines []string) { lines[at-1], lines[at-2] = lines[at-2], lines[at-1] },
		"again":        func(lines []string) { lines[at-1] = lines[at-2] },
	} {
		bad := slices.Clone(lines)
		change(bad)
		path := filepath.Join(t.TempDir(), "pwned.txt")
		good := strings.Join(lines, "\n") + "\n"
		if err := os.WriteFile(path, []byte(good), 0o600); err != nil {
			t.Fatal(err)
		}
		list := authn.Must(password.BreachFile(path))
		if err := os.WriteFile(path, []byte(strings.Join(bad, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		n, err := list.Count(t.Context(), sha1.Sum([]byte("7")))
		if err == nil && n != 8 {
			t.Errorf("%s: got %d and no error", name, n)
		}
		near := sha1.Sum([]byte("7"))
		near[19]++ // in the same place
		if n, err := list.Count(t.Context(), near); err == nil {
			t.Errorf("%s: what would be beside it is %d and no error", name, n)
		}
		if err := os.Truncate(path, int64(len(good)/3)); err != nil {
			t.Fatal(err)
		}
		outages := 0
		for i := range 300 {
			switch n, err := list.Count(t.Context(), sha1.Sum(fmt.Append(nil, i))); {
			case err != nil:
				outages++
			case n != i+1:
				t.Errorf("%s, truncated: %d is %d and no error", name, i, n)
			}
		}
		if outages < 150 {
			t.Errorf("%s, truncated: %d of 300 are outages, want those in what is gone", name, outages)
		}
	}
}

// P10: a file that is no longer sorted, or is cut, is an outage wherever the
// search meets that: at its first steps, or in the block that it reads at last.
func TestBreachFileThatChangesIsAnOutage(t *testing.T) {
	const n, low, high = 20_000, 1000, 19_000
	for name, c := range map[string]struct {
		n      int
		change func(lines []string) []string
		find   int
	}{
		"low ones again":  {n, func(lines []string) []string { return slices.Concat(slices.Repeat(lines[:1], 15_500), lines[15_500:]) }, high},
		"high ones again": {n, func(lines []string) []string { return slices.Concat(lines[:4500], slices.Repeat(lines[n-1:], n-4500)) }, low},
		"high ones below": {n, func(lines []string) []string { return slices.Concat(lines[:4500], lines[12_000:16_000], lines[4500:]) }, low},
		"cut to nothing":  {50, func([]string) []string { return nil }, 0},
		"cut to half":     {50, func(lines []string) []string { return lines[:25] }, 30},
		"cut block":       {n, func(lines []string) []string { return lines[:n-5] }, n - 2},
	} {
		var lines []string
		for _, line := range breachLines(c.n) {
			lines = append(lines, line[:40]+":00007") // of one length
		}
		path := filepath.Join(t.TempDir(), "pwned.txt")
		write := func(lines []string) {
			t.Helper()
			if err := os.WriteFile(path, []byte(strings.Join(append(lines, ""), "\n")), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(lines)
		list := authn.Must(password.BreachFile(path))
		var hash [20]byte
		if _, err := hex.Decode(hash[:], []byte(lines[c.find][:40])); err != nil {
			t.Fatal(err)
		}
		if got, err := list.Count(t.Context(), hash); err != nil || got != 7 {
			t.Errorf("%s: before, got %d and error %v", name, got, err)
		}
		write(c.change(lines))
		if got, err := list.Count(t.Context(), hash); err == nil || got != 0 {
			t.Errorf("%s: got %d and error %v, want an error", name, got, err)
		}
	}
}
