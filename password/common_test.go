package password_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/password"
)

// isCommon reports whether a policy calls pw common.
func isCommon(t *testing.T, pw string) bool {
	t.Helper()
	return strings.Contains(codes(violations(t, password.Policy{MinLength: 8}, pw, password.About{})), "common")
}

// P9: a common password is refused, and so are its trivial variants.
func TestCommonPasswordsAndTheirVariants(t *testing.T) {
	for kind, pws := range map[string][]string{
		"on the list":     {"password", "iloveyou", "sunshine", "12345678", "polniypizdec0211", "mailcreated5240", "hd764nw5d7e1vb1"},
		"a word":          {"abdominal", "zookeeper"},
		"case":            {"Password", "PASSWORD", "pAsSwOrD", "ＰＡＳＳＷＯＲＤ", "ｐａｓｓｗｏｒｄ"},
		"other signs":     {"p@ssw0rd", "P@$$w0rd", "pa55word", "5un5h1n3", "il0vey0u", "1loveyou", "8asketba11"},
		"digits after":    {"password1", "password2024", "Password123!", "sunshine!!", "dragon2024", "monkey_1234"},
		"digits before":   {"1password", "2024password", "!!sunshine", "007dragon"},
		"both":            {"!!password!!", "1dragon1", "..Monkey12"},
		"spaces":          {" password ", "password  "},
		"common around":   {"password123456789", "987654321password", "password!@#$%^&*()"},
		"several at once": {"P@ssw0rd2024!", "!1DR0WSS4P", "$unshine1", "M0nk3y12"},
		"reversed":        {"drowssap", "DROWSSAP", "1drowssap", "drowssap1", "yeknom12"},
		"repeated":        {"passwordpassword", "dragondragon", "Dragon1Dragon1", "monkeymonkeymonkey", strings.Repeat("password", 100), "passwordpassword1"},
		"a few signs":     {"aaaaaaaaaaaaaaaa", "abababababababab", "123123123123", strings.Repeat("aB1!", 20), "ab1cab1cab1c77", "1212121212121212!", strings.Repeat("ж", 200), "aB1!aB1!aB1!aB1!"},
		"as long around":  {"love7381", "abdominal738194652", "123456787391", strings.Repeat("abcdefghijklmnopqrstuvwxyz", 2) + "738194652738"},
		"longer around":   {"abdominal1234567890-="},
		"runs":            {"abcdefghijklmnop", "ponmlkjihgfedcba", "qwertyuiopasdfgh", "1qaz2wsx3edc4rfv", "0987654321098765", "йцукенгшщзхъфыва", "Qwertyuiop[]1"},
	} {
		for _, pw := range pws {
			if !isCommon(t, pw) {
				t.Errorf("%s: %q is not called common", kind, pw)
			}
		}
	}
}

// P9: what is only like a common password is let through, and so is chance.
func TestUncommonPasswordsPass(t *testing.T) {
	for _, pw := range []string{
		"harbour osprey", "correct horse battery staple", "dragonharbour", "password harbour osprey", "passwordosprey",
		"dragon738194652", "738194652dragon", "12dragon7381946521", // more than the word around it
		"vupuqoze", "pqssvord", "passvvort", "ghlaskdh", "abcdeghijkl", "ababcababd", "жвшйцкгз", "81937465",
		"love73814", "abdominal7381946527", "1234567873915", "7abdominal1234567890-=", // one more
		strings.Repeat("abcdefghijklmnopqrstuvwxyz", 2) + "7381946527381", // of 65 code points
		strings.Repeat("password", 100) + "x",
	} {
		if isCommon(t, pw) {
			t.Errorf("%q is called common", pw)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for kind, c := range map[string]struct {
		signs string
		n     int
		most  int // of 500
	}{
		"16 letters":               {"abcdefghijklmnopqrstuvwxyz", 16, 0},
		"8 letters":                {"abcdefghijklmnopqrstuvwxyz", 8, 2},
		"10 letters and digits":    {"abcdefghijklmnopqrstuvwxyz0123456789", 10, 4},
		"10 signs of the ASCII":    {"abcdefghijkmnopqrstuvwxyzABCDEFGHIJKLMNPQRSTUVWXYZ0123456789!#$%&*+-./:;<=>?@^_~", 10, 4},
		"16 digits":                {"0123456789", 16, 2},
		"12 digits and 4 to spare": {"0123456789abcdef", 16, 2},
	} {
		refused := 0
		for range 500 {
			pw := make([]byte, c.n)
			for i := range pw {
				pw[i] = c.signs[rng.IntN(len(c.signs))]
			}
			if isCommon(t, string(pw)) {
				refused++
			}
		}
		if refused > c.most {
			t.Errorf("%s: %d of 500 by chance are called common, want %d at most", kind, refused, c.most)
		}
	}
}

// P9: a password costs its length, whatever it is made of.
func BenchmarkCheck(b *testing.B) {
	about := password.About{Name: strings.Repeat("ab ", 80), Email: strings.Repeat("ab", 100) + "@example.com", Service: "acme"}
	for name, pw := range map[string]string{
		"usual": "harbour osprey 4", "signs": strings.Repeat("1!2@", 16), "repeated": strings.Repeat("ab", 511) + "b", "long": strings.Repeat("harbour osprey ", 68),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = password.NIST().Check(pw, about)
			}
		})
	}
}
