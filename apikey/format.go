package apikey

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/keytext"
)

const (
	maxPrefix = 32
	// maxKeyLen bounds what is looked at: our longest key has 83 characters.
	maxKeyLen = 256
	// minLegacyBits is what makes a bare SHA-256 of a key safe to keep.
	minLegacyBits = 128
)

// otherPeoples are prefixes by which scanners find the keys of other
// companies, and revoke them there or raise an alarm.
var otherPeoples = []string{
	"sk_live", "sk_test", "rk_live", "rk_test", "pk_live", "pk_test", "whsec", // Stripe
	"ghp", "gho", "ghu", "ghs", "ghr", "github_pat", // GitHub
	"npm", "pypi", "glpat", "xoxb", "xoxp", "hf", "dop_v1", // npm, PyPI, GitLab, Slack, Hugging Face, DigitalOcean
}

func checkPrefix(p string) error {
	switch {
	case p == "":
		return errors.New(`Config.Prefix is required: your service and environment, such as "acme_live"`)
	case len(p) > maxPrefix || p[0] < 'a' || strings.HasSuffix(p, "_") || strings.ContainsFunc(p, notPrefix):
		return fmt.Errorf(`Config.Prefix %q: use up to %d characters of [a-z0-9_], a letter first and no underscore last, such as "acme_live"`, p, maxPrefix)
	case slices.Contains(otherPeoples, p):
		return fmt.Errorf(`Config.Prefix %q is another company's: secret scanners would report your keys to it. Use your own, such as "acme_live"`, p)
	}
	return nil
}

func notPrefix(c rune) bool {
	return c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z')
}

// Legacy is the format of an older system's keys. All fields are required.
type Legacy struct {
	// Prefix begins the keys, its separator included: "sk_live_".
	Prefix string
	// Alphabet has each character that may follow, Length says how many do.
	// Together they must allow 128 bits, since the store has a bare SHA-256.
	Alphabet string
	Length   int
	// Until ends them all.
	Until time.Time
}

func (l Legacy) check() error {
	printable := func(s string) bool {
		return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' })
	}
	switch {
	case !printable(l.Prefix) || !printable(l.Alphabet):
		return errors.New("Config.Legacy needs a Prefix and an Alphabet of printable ASCII")
	case l.Length <= 0 || len(l.Prefix)+l.Length > maxKeyLen:
		return fmt.Errorf("Config.Legacy %q: Length is what follows the Prefix, %d characters at most with it", l.Prefix, maxKeyLen)
	case float64(l.Length)*math.Log2(float64(distinct(l.Alphabet))) < minLegacyBits:
		return fmt.Errorf("Config.Legacy %q: keys of so few characters can be guessed from their SHA-256; %d bits are needed", l.Prefix, minLegacyBits)
	case l.Until.IsZero():
		return fmt.Errorf("Config.Legacy %q needs an Until: when the old keys end", l.Prefix)
	}
	return nil
}

func distinct(s string) int {
	b := []byte(s)
	slices.Sort(b)
	return len(slices.Compact(b))
}

func (l Legacy) format() format {
	f := format{prefix: l.Prefix, length: len(l.Prefix) + l.Length, until: l.Until}
	f.allow(l.Alphabet)
	return f
}

// format is how a key looks.
type format struct {
	prefix  string // with the separator
	length  int    // of the whole key
	letters [256]bool
	sum     bool      // ours: the last 7 characters are '_' and a checksum
	until   time.Time // of a Legacy; zero: never
}

func newFormat(prefix string) format {
	f := format{prefix: prefix + "_", sum: true}
	f.length = len(f.prefix) + keytext.SecretLen + 1 + keytext.SumLen
	f.allow(keytext.Alphabet)
	return f
}

func (f *format) allow(alphabet string) {
	for _, c := range []byte(alphabet) {
		f.letters[c] = true
	}
}

// newKey is a key of our own format.
func (f *format) newKey() authn.Secret { return authn.NewSecret(keytext.New(f.prefix)) }

// wrong says what is wrong with the look of key, which has f's prefix: "" if nothing.
func (f *format) wrong(key []byte) string {
	if len(key) != f.length {
		return "length"
	}
	body := key
	if f.sum {
		at := len(key) - keytext.SumLen
		if body = key[:at-1]; key[at-1] != '_' {
			return "alphabet"
		}
		if sum := keytext.Checksum(body); !bytes.Equal(key[at:], sum[:]) {
			return "checksum"
		}
	}
	for _, c := range body[len(f.prefix):] {
		if !f.letters[c] {
			return "alphabet"
		}
	}
	return ""
}
