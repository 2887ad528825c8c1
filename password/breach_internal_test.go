package password

import (
	"context"
	"crypto/sha1"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

type breachFunc func(sha1 [20]byte) (int, error)

func (f breachFunc) Count(_ context.Context, sha1 [20]byte) (int, error) { return f(sha1) }

// P10: a list is asked for the hash of the password in NFC; its outage is an
// error, and no violation.
func TestBreachedAsksTheList(t *testing.T) {
	down := errors.New("down")
	for name, c := range map[string]struct {
		n    int
		err  error
		want *Violation
	}{
		"never":    {0, nil, nil},
		"negative": {-1, nil, nil},
		"once":     {1, nil, &Violation{Code: "breached", Args: map[string]any{"count": 1}}},
		"often":    {3730471, nil, &Violation{Code: "breached", Args: map[string]any{"count": 3730471}}},
		"down":     {7, down, nil},
	} {
		v, err := breached(t.Context(), breachFunc(func(got [20]byte) (int, error) {
			if got != sha1.Sum([]byte("caf\u00e9")) {
				t.Errorf("%s: asked for another hash", name)
			}
			return c.n, c.err
		}), "cafe\u0301")
		if !errors.Is(err, c.err) || !reflect.DeepEqual(v, c.want) {
			t.Errorf("%s: got %v and error %v", name, v, err)
		}
	}
}

// P10: a range is read as a slow, obvious reader reads it, or not at all.
func FuzzRange(f *testing.F) {
	const suffix = "1E4C9B93F3F0682250B6CF8331B7EE68FD8"
	line := regexp.MustCompile(`^([0-9A-Fa-f]{35}):([0-9]{1,10})$`)
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := countInRange(body, suffix)
		want, good := 0, len(body) > 0
		for _, l := range strings.Split(strings.TrimSuffix(string(body), "\n"), "\n") {
			m := line.FindStringSubmatch(strings.TrimSuffix(l, "\r"))
			if m == nil {
				good = false
				break
			}
			if c, _ := strconv.Atoi(m[2]); strings.EqualFold(m[1], suffix) {
				want = max(want, c)
			}
		}
		if (err == nil) != good || good && n != want || !good && n != 0 {
			t.Errorf("got %d and error %v, want %d of a good range %v", n, err, want, good)
		}
	})
}

// P10: whatever is in a file, a search ends, and finds only what is there.
func FuzzBreachFile(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "pwned.txt")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := BreachFile(path)
		if err != nil {
			return
		}
		defer list.(*breachFile).file.Close() // else it stays open until a garbage collection
		for _, pw := range []string{"password", "harbour osprey"} {
			hash := sha1.Sum([]byte(pw))
			if n, err := list.Count(t.Context(), hash); n > 0 && (err != nil || !strings.Contains(strings.ToUpper(string(text)), breachHex(hash)+":")) {
				t.Errorf("%q is %d and error %v", pw, n, err)
			}
		}
	})
}

// P9: the list is sorted, without anything twice, and of the size that is said.
func TestListOfCommonPasswordsIsSound(t *testing.T) {
	if len(common)%commonDigest != 0 {
		t.Fatalf("the list has %d bytes", len(common))
	}
	n := len(common) / commonDigest
	t.Logf("%d entries in %d bytes", n, len(common))
	if n < 50_000 {
		t.Errorf("the list has %d entries, want over 50 000", n)
	}
	for i := commonDigest; i < len(common); i += commonDigest {
		if common[i-commonDigest:i] >= common[i:i+commonDigest] {
			t.Fatalf("entry %d is not after the one before it", i/commonDigest)
		}
	}
	if allocated := testing.AllocsPerRun(10, func() { onList("correct horse") }); allocated > 2 {
		t.Errorf("a look at the list allocates %.0f times", allocated)
	}
}

// P9: a period is found as a slow, obvious search finds it.
func TestPeriod(t *testing.T) {
	for _, s := range []string{"", "a", "aa", "aaa", "ab", "abab", "ababa", "abcabc", "abcabcab", "aabaab", "aabaaab", "abaababaab", strings.Repeat("password", 9), strings.Repeat("ж", 7)} {
		r := []rune(s)
		want := len(r)
		for p := len(r) - 1; p > 0; p-- {
			if len(r)%p == 0 && strings.Repeat(string(r[:p]), len(r)/p) == s {
				want = p
			}
		}
		if got := period(r); got != want {
			t.Errorf("%q has the period %d, want %d", s, got, want)
		}
	}
}
