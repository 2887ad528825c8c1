package password_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/password"
)

// P9: a password is not made of the user's name, e-mail address, the service's
// name, or words that the host forbids.
func TestSimilarPasswordsAreRefused(t *testing.T) {
	about := password.About{Name: "José Müller-Lüdenscheidt", Email: "jm.windermoor+news@mail.harbourline.co.uk", Service: "Quokka Bank"}
	policy := password.Policy{MinLength: 8, Forbidden: []string{"Tuatara", "x", ""}}
	for pw, want := range map[string]string{
		"lüdenscheidt":                   "similar:name",
		"LÜDENSCHEIDT2024":               "similar:name",
		"mu\u0308llerLu\u0308denscheidt": "similar:name",
		"tdiehcsnedül":                   "similar:name",
		"müller.lüdenscheidt":            "similar:name",
		"jose-muller-ludenscheidt":       "similar:name",
		"ĴÖSÉ-1990":                      "similar:name",
		"josé1990":                       "similar:name",
		"jm.windermoor":                  "similar:email",
		"windermoor2024!":                "similar:email",
		"w1nd3rm00r!!":                   "similar:email",
		"harbourline":                    "similar:email",
		"harbourline.co.uk":              "similar:email",
		"Roomredniw99":                   "similar:email",
		"quokkabank":                     "similar:service",
		"Qu0kk4-B4nk":                    "similar:service",
		"tuatara99":                      "similar:forbidden",
		"windermoor-quokka-josé":         "similar:name similar:email similar:service",
		"lüdenscheidt-tuatara":           "similar:name similar:forbidden",

		"windermoor osprey teapot sundial": "", // a part of a long one
		"quokkas dislike rain":             "",
		"tuataris":                         "",
		"windermor osprey":                 "",
		"vupuqoze":                         "",
		"josé8137469520174":                "", // three quarters are other digits
	} {
		if got := codes(violations(t, policy, pw, about)); got != want {
			t.Errorf("%q: %q, want %q", pw, got, want)
		}
	}
}

// P9: nothing to compare with is nothing in common, and one's own mistake in a
// text does not let everything through or nothing.
func TestOddTextsAreCompared(t *testing.T) {
	const pw = "harbour-osprey-teapot"
	for name, about := range map[string]password.About{
		"nothing":      {},
		"short":        {Name: "ha", Email: "h@o.re", Service: "te"},
		"signs":        {Name: "-", Email: "@", Service: "---- ----"},
		"broken":       {Name: "\xff\xfe", Email: "\xff@\xff.\xff", Service: "\xed\xa0\x80"},
		"before @":     {Email: "@harbour.osprey"},
		"last label":   {Email: "harbour@.osprey"},
		"long address": {Email: strings.Repeat("x ", 128) + "@harbour-osprey.com"},
		"two labels":   {Email: "x@harbour.osprey"},
		"the end only": {Name: strings.Repeat("x ", 128) + "harbour osprey"},
	} {
		if got := codes(violations(t, password.NIST(), pw, about)); got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	for name, about := range map[string]password.About{
		"no address":    {Email: "harbour-osprey"},
		"two @":         {Email: "a@b@harbour-osprey.com"},
		"no dot":        {Email: "x@harbour-osprey"},
		"broken inside": {Name: "harbour\xff-osprey"},
		"long":          {Name: "harbour osprey " + strings.Repeat("x ", 1<<20)},
	} {
		if got := codes(violations(t, password.NIST(), pw, about)); !strings.HasPrefix(got, "similar:") {
			t.Errorf("%s: %q, want it similar", name, got)
		}
	}
}

// P9: half of the letters are enough, or a quarter of all where they are few; a
// word has 3 characters, and the first 32 words and 256 characters are compared.
func TestBoundsOfWhatIsSimilar(t *testing.T) {
	words := password.About{Name: strings.Repeat("abc ", 30) + "harbour osprey"} // the 32nd and 33rd, after all of it
	for _, c := range []struct {
		about password.About
		pw    string
		want  bool
	}{
		{password.About{Name: "Anna"}, "annaroom1", true},
		{password.About{Name: "Anna"}, "annarooms1", false},
		{password.About{Name: "Joe"}, "joe90210417", true},
		{password.About{Name: "Joe"}, "joe902104173", true},
		{password.About{Name: "Joe"}, "joe9021041736", false},
		{password.About{Name: "Jo"}, "jo702104", false},
		{password.About{Name: "Sass"}, "$@$$-$@$", true},                                          // signs for all of its letters
		{password.About{Name: strings.Repeat("x ", 124) + " osprey"}, "osprey-vupuqo", true},      // 255 bytes
		{password.About{Name: strings.Repeat("x ", 124) + "osprey\u00e9"}, "osprey-vupuqo", true}, // a letter that is cut
		{words, "harbour-vupuqo", true},
		{words, "osprey-vupuqo", false},
		{password.About{Name: "osprey"}, strings.Repeat("osprey", 22) + strings.Repeat("vupuqoze", 100), true}, // 132 of the first 256
		{password.About{Name: "osprey"}, strings.Repeat("osprey", 21) + strings.Repeat("vupuqoze", 100), false},
	} {
		got := codes(violations(t, password.Policy{MinLength: 8}, c.pw, c.about))
		if strings.HasSuffix(got, "similar:name") != c.want {
			t.Errorf("%+v: %q is %q, want it similar: %t", c.about, c.pw, got, c.want)
		}
	}
}
