package password

import (
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/gatehouse-go/authn/password/internal/spelling"
)

const (
	// maxAbout bounds each text that a password is compared with, in bytes, and
	// maxParts the words in it: comparing costs no more than that.
	maxAbout = 255
	maxParts = 32
	// maxCompared bounds what is looked at of a password, in code points.
	maxCompared = 256
	// minPart is what counts of a name, in code points.
	minPart = 3
)

// similar names what password is made of: when parts of these texts cover half
// of its letters, or a quarter of all when it has few letters, those that have
// a share in it. Digits and signs for letters are read as these.
func similar(password string, about About, forbidden []string) []string {
	sources := []struct {
		name  string
		parts []string
	}{
		{"name", partsOf(about.Name)},
		{"email", emailParts(about.Email)},
		{"service", partsOf(about.Service)},
		{"forbidden", nil},
	}
	for _, word := range forbidden {
		sources[3].parts = append(sources[3].parts, partsOf(word)...)
	}
	for _, read := range []func(text string) string{func(text string) string { return text }, spelling.Plain} {
		text := squeezed(read(fold(password)))
		text = text[:min(len(text), maxCompared)]
		covered := make([]bool, len(text))
		var to []string
		for _, source := range sources {
			found := false
			for _, part := range source.parts {
				found = cover(text, squeezed(read(part)), covered) || found
			}
			if found {
				to = append(to, source.name)
			}
		}
		if mostly(text, covered) {
			return to
		}
	}
	return nil
}

// mostly reports whether enough of text is covered: 4 of the 8 letters of
// "annaroom1", 3 of the 11 characters of "joe90210417".
func mostly(text []rune, covered []bool) bool {
	n, letters := 0, 0
	for i, r := range text {
		if covered[i] {
			n++
		}
		if unicode.IsLetter(r) {
			letters++
		}
	}
	return n > 0 && 2*n >= max(letters, (len(text)+1)/2)
}

// cover marks where part stands in text, forwards or backwards, and reports
// whether it does.
func cover(text, part []rune, covered []bool) (found bool) {
	for i := 0; i+len(part) <= len(text); i++ {
		here := text[i : i+len(part)]
		if slices.Equal(here, part) || isReverse(here, part) {
			found = true
			for j := range part {
				covered[i+j] = true
			}
		}
	}
	return found
}

func isReverse(a, b []rune) bool {
	for i, r := range a {
		if r != b[len(b)-1-i] {
			return false
		}
	}
	return true
}

// squeezed is text without what joins words, and without accents, which many
// leave out.
func squeezed(text string) []rune {
	return slices.DeleteFunc([]rune(norm.NFKD.String(text)), func(r rune) bool { return isJoint(r) || unicode.IsMark(r) })
}

func isJoint(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) }

// partsOf is all of text and its words.
func partsOf(text string) (parts []string) {
	text = fold(capped(text))
	for _, part := range append([]string{text}, strings.FieldsFunc(text, isJoint)...) {
		if len(squeezed(part)) >= minPart && len(parts) < maxParts {
			parts = append(parts, part)
		}
	}
	return parts
}

// emailParts are the parts of what stands before the @, and of the domain, of
// which the last label is no word of anybody's.
func emailParts(email string) []string {
	email = capped(email)
	at := strings.LastIndexByte(email, '@')
	if at < 0 {
		return partsOf(email)
	}
	domain := email[at+1:]
	if dot := strings.LastIndexByte(domain, '.'); dot >= 0 {
		domain = domain[:dot]
	}
	return append(partsOf(email[:at]), partsOf(domain)...)
}

// capped is the beginning of text, without what is no UTF-8.
func capped(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxAbout)], "")
}
