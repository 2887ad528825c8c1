package password

import (
	"crypto/sha256"
	_ "embed"
	"slices"
	"sort"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/gatehouse-go/authn/password/internal/spelling"
)

// common are the first commonDigest bytes of the SHA-256 of each common
// password in its [spelling.Plain], sorted. What is searched is a part of the
// program's file, 265 kB: nothing is read, unpacked or allocated when it
// starts. What is not on the list is taken for it with a chance of 1 to 20
// million.
//
// They are the passwords and the words of npm's @zxcvbn-ts/language-common
// 4.1.3, of 4 to 20 characters, without case; the licence is in
// common.LICENSE.txt. 20 662 of them have 8 characters or more, and the
// shorter ones are what longer passwords are made of. To make the file again:
//
//	npm pack @zxcvbn-ts/language-common@4.1.3
//	go generate
//
//go:generate go run ./internal/commonlist zxcvbn-ts-language-common-4.1.3.tgz common.bin common.LICENSE.txt
//go:embed common.bin
var common string

const (
	commonDigest = 5
	// The shortest and the longest entry, in code points.
	minCommon = 4
	maxCommon = 20
	// maxVaried bounds the passwords whose variants are tried, in code points:
	// what is longer is common only as a repetition.
	maxVaried = 64
)

// runs are what fingers and memory walk along.
var runs = []string{
	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
	"01234567890123456789", "1234567890-=",
	"qwertyuiop[]asdfghjkl;'zxcvbnm,./", "qwertyuiopasdfghjklzxcvbnmqwertyuiop", "qwertzuiopasdfghjklyxcvbnm", "azertyuiopqsdfghjklmwxcvbn",
	"1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "qazwsxedcrfvtgbyhnujmikolp", "1q2w3e4r5t6y7u8i9o0p",
	"!@#$%^&*()_+", "йцукенгшщзхъфывапролджэячсмитьбю",
}

// isCommon reports whether password is on the list or in runs, or a trivial
// variant of such a word: in other case or other forms of its letters (NFKC),
// with digits and signs for letters, reversed, repeated, or with digits and
// signs before and after it that are no longer than itself (where there is no
// letter, half of it), or common, too.
func isCommon(password string) bool {
	whole := []rune(fold(password))
	unit := whole[:period(whole)]
	if len(unit) < len(whole) && len(unit) <= minCommon {
		return true
	}
	for _, s := range [][]rune{whole, unit} {
		back := slices.Clone(s)
		slices.Reverse(back)
		if len(s) <= maxVaried && (around(s) || around(back)) {
			return true
		}
	}
	return false
}

// fold is text without case and without forms: a full-width letter is a letter.
func fold(text string) string { return norm.NFKC.String(strings.ToLower(norm.NFKC.String(text))) }

// around reports whether s is a common word, with what may stand around it.
func around(s []rune) bool {
	letter := func(r rune) bool { return unicode.IsLetter(r) }
	first := slices.IndexFunc(s, letter)
	lead, trail := len(s), len(s) // so many may go
	if first >= 0 {
		lead, trail = first, 0
		for !letter(s[len(s)-1-trail]) {
			trail++
		}
	}
	for from := 0; from <= lead; from++ {
		for to := len(s); to >= len(s)-trail && to-from >= minCommon; to-- {
			before, word, after := s[:from], s[from:to], s[to:]
			if len(before)+len(after) > 0 {
				if first < 0 && 3*len(word) < 2*len(s) {
					continue // or few numbers would be left
				}
				if len(before)+len(after) > len(word) && (!isNothing(before) || !isNothing(after)) {
					continue
				}
			}
			if isWord(word) {
				return true
			}
		}
	}
	return false
}

// isNothing reports whether s adds nothing to a word.
func isNothing(s []rune) bool { return len(s) == 0 || isWord(s) }

// isWord reports whether s is a common word, or a few signs again and again.
func isWord(s []rune) bool {
	if p := period(s); p < len(s) && p <= minCommon {
		return true
	}
	if len(s) < minCommon {
		return false
	}
	word := string(s)
	for _, run := range runs {
		if strings.Contains(run, word) {
			return true
		}
	}
	return onList(word)
}

// period is the length of what s repeats, len(s) if it repeats nothing.
func period(s []rune) int {
	// The longest proper prefix of s[:i+1] that ends it, too (Knuth, Morris,
	// Pratt), so that a long text costs no more than its length.
	border := make([]int, len(s))
	for i, n := 1, 0; i < len(s); i++ {
		for n > 0 && s[i] != s[n] {
			n = border[n-1]
		}
		if s[i] == s[n] {
			n++
		}
		border[i] = n
	}
	if len(s) > 0 {
		if p := len(s) - border[len(s)-1]; len(s)%p == 0 {
			return p
		}
	}
	return len(s)
}

// onList reports whether word, folded, is in common.
func onList(word string) bool {
	if len(word) > maxCommon*2 {
		return false
	}
	sum := sha256.Sum256([]byte(spelling.Plain(word)))
	want := string(sum[:commonDigest])
	at := func(i int) string { return common[i*commonDigest : (i+1)*commonDigest] }
	n := len(common) / commonDigest
	i := sort.Search(n, func(i int) bool { return at(i) >= want })
	return i < n && at(i) == want
}
