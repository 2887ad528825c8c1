package cookies_test

import (
	"net/http"
	"net/http/httptest"
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
