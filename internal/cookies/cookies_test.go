package cookies_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/internal/cookies"
)

func TestFind(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		value string
		n     int
	}{
		{"none", nil, "", 0},
		{"alone", []string{"sid=abc"}, "abc", 1},
		{"among others", []string{"a=1; sid=abc; b=2"}, "abc", 1},
		{"without spaces", []string{"a=1;sid=abc;b=2"}, "abc", 1},
		{"in a second line", []string{"a=1", "sid=abc"}, "abc", 1},
		{"empty", []string{"sid="}, "", 1},
		{"without =", []string{"sid"}, "", 0},
		{"twice", []string{"sid=abc; sid=def"}, "def", 2},
		{"twice in two lines", []string{"sid=abc", "sid=abc"}, "abc", 2},
		{"another case", []string{"SID=abc"}, "", 0},
		{"longer name", []string{"xsid=abc; sidx=abc"}, "", 0},
		{"quoted stays quoted", []string{`sid="abc"`}, `"abc"`, 1},
		{"= in the value", []string{"sid=a=b"}, "a=b", 1},
		{"nothing but ;", []string{";;; ; "}, "", 0},
		{"name in another's value", []string{"a=sid=abc"}, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			value, n := cookies.Find(http.Header{"Cookie": c.lines}, "sid")
			if value != c.value || n != c.n {
				t.Errorf("got %q, %d; want %q, %d", value, n, c.value, c.n)
			}
		})
	}
}

func TestAll(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  []string
	}{
		{"none", nil, nil},
		{"another", []string{"a=sid=1; sidx=2; SID=3; sid"}, nil},
		{"one", []string{"a=1;sid=abc; b=2"}, []string{"abc"}},
		{"several", []string{"sid=abc; sid=", "\tsid=def "}, []string{"abc", "", "def"}},
	} {
		if got := cookies.All(http.Header{"Cookie": c.lines}, "sid"); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAnswered(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		value string
		ok    bool
	}{
		{"nothing", nil, "", false},
		{"another", []string{"sidx=1; Path=/", "a=sid=2"}, "", false},
		{"set", []string{"a=1", "sid=abc; Path=/; HttpOnly"}, "abc", true},
		{"without attributes", []string{"sid=abc"}, "abc", true},
		{"taken away", []string{"sid=; Path=/; Max-Age=0"}, "", true},
	} {
		w := httptest.NewRecorder()
		w.Header()["Set-Cookie"] = c.lines
		if value, ok := cookies.Answered(w, "sid"); value != c.value || ok != c.ok {
			t.Errorf("%s: %q, %v", c.name, value, ok)
		}
	}
}

func TestReplace(t *testing.T) {
	for _, c := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"none", nil, "sid=new"},
		{"alone", []string{"sid=abc"}, "sid=new"},
		{"among others", []string{"a=1;sid=abc ;\tsid; b=sid=2;; sidx=3 "}, "a=1; b=sid=2; sidx=3; sid=new"},
		{"in two lines", []string{"sid=abc; a=1", "sid=def; b=2"}, "a=1; b=2; sid=new"},
	} {
		h := http.Header{"Cookie": c.lines}
		cookies.Replace(h, "sid", "new")
		if got := h["Cookie"]; len(got) != 1 || got[0] != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFindAllocatesNothing(t *testing.T) {
	h := http.Header{"Cookie": {"a=1; sid=abc; b=2"}}
	if n := testing.AllocsPerRun(100, func() { cookies.Find(h, "sid") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSetReplaces(t *testing.T) {
	w := httptest.NewRecorder()
	cookies.Set(w, &http.Cookie{Name: "a", Value: "1"})
	cookies.Set(w, &http.Cookie{Name: "ab", Value: "2"})
	cookies.Set(w, &http.Cookie{Name: "a", Value: "3"})
	if got := strings.Join(w.Header()["Set-Cookie"], " | "); got != "ab=2 | a=3" {
		t.Errorf("Set-Cookie: %s", got)
	}
}
