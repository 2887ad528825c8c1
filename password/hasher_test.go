package password_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
)

// fast costs next to nothing.
var fast = password.Params{MemoryKiB: 64, Time: 1, Threads: 2}

// newHasher is fast where cfg does not say otherwise.
func newHasher(tb testing.TB, cfg password.HasherConfig) *password.Hasher {
	tb.Helper()
	cfg.InsecureParams = true
	if cfg.Argon2 == (password.Params{}) {
		cfg.Argon2 = fast
	}
	h, err := password.NewHasher(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func hash(tb testing.TB, h *password.Hasher, pw string) string {
	tb.Helper()
	encoded, err := h.Hash(context.Background(), pw)
	if err != nil {
		tb.Fatal(err)
	}
	return encoded
}

func verify(tb testing.TB, h *password.Hasher, encoded, pw string) password.Verdict {
	tb.Helper()
	v, err := h.Verify(context.Background(), encoded, pw)
	if err != nil {
		tb.Fatalf("Verify(%.40q, %.40q): %v", encoded, pw, err)
	}
	return v
}

// P1: the zero HasherConfig is argon2id at 64 MiB, 3 and 4, in a PHC string,
// which the right password verifies and no other.
func TestDefaultIsArgon2id(t *testing.T) {
	h, err := password.NewHasher(password.HasherConfig{})
	if err != nil {
		t.Fatal(err)
	}
	encoded := hash(t, h, "correct horse")
	if !regexp.MustCompile(`^\$argon2id\$v=19\$m=65536,t=3,p=4\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$`).MatchString(encoded) {
		t.Errorf("Hash = %q", encoded)
	}
	if v := verify(t, h, encoded, "correct horse"); v != (password.Verdict{OK: true, Scheme: "argon2id"}) {
		t.Errorf("the right password: %+v", v)
	}
	if v := verify(t, h, encoded, "correct horsf"); v != (password.Verdict{Scheme: "argon2id"}) {
		t.Errorf("a wrong password: %+v", v)
	}
	quick := newHasher(t, password.HasherConfig{})
	if first := hash(t, quick, "a"); first == hash(t, quick, "a") {
		t.Error("equal passwords have equal hashes")
	}
}

// P1: the presets are those of RFC 9106 and OWASP, and accepted.
func TestPresets(t *testing.T) {
	for _, row := range []struct{ is, want password.Params }{
		{password.Argon2Default(), password.Params{MemoryKiB: 65536, Time: 3, Threads: 4}},
		{password.Argon2Medium(), password.Params{MemoryKiB: 47104, Time: 1, Threads: 1}},
		{password.Argon2Small(), password.Params{MemoryKiB: 19456, Time: 2, Threads: 1}},
	} {
		if _, err := password.NewHasher(password.HasherConfig{Argon2: row.is}); row.is != row.want || err != nil {
			t.Errorf("%+v, want %+v: %v", row.is, row.want, err)
		}
	}
}

type anyScheme struct{ password.Scheme }

func (anyScheme) ID() string { return "bcrypt" }

// P1, P3, P6: what is weak without saying so, or can not work, is no Hasher.
func TestBadConfigIsRefused(t *testing.T) {
	params := func(m, t uint32, p uint8) password.HasherConfig {
		return password.HasherConfig{Argon2: password.Params{MemoryKiB: m, Time: t, Threads: p}}
	}
	for name, row := range map[string]struct {
		cfg  password.HasherConfig
		want string
	}{
		"below OWASP":            {params(19<<10-1, 2, 1), "use Argon2Small or more"},
		"one pass of 19 MiB":     {params(19<<10, 1, 1), "use Argon2Small or more"},
		"no time":                {params(64<<10, 0, 1), "time"},
		"no insecure time":       {password.HasherConfig{Argon2: password.Params{MemoryKiB: 64, Threads: 1}, InsecureParams: true}, "time: it is at least 1"},
		"no threads":             {params(64<<10, 3, 0), "threads"},
		"65 threads":             {params(64<<10, 3, 65), "threads"},
		"memory of 8 × threads":  {params(8*64-1, 3, 64), "memory"},
		"minutes":                {params(64<<10, 65, 4), "memory times time"},
		"more than the budget":   {params(513<<10, 1, 1), "MemoryMiB"},
		"no memory":              {password.HasherConfig{MemoryMiB: -1}, "MemoryMiB"},
		"over 1 TiB":             {password.HasherConfig{MemoryMiB: 1<<20 + 1}, "MemoryMiB"},
		"memory for half a hash": {password.HasherConfig{MemoryMiB: 63}, "MemoryMiB"},
		"cost 9":                 {password.HasherConfig{BcryptCost: 9}, "BcryptCost"},
		"cost 16":                {password.HasherConfig{BcryptCost: 16}, "BcryptCost"},
		"insecure cost 3":        {password.HasherConfig{BcryptCost: 3, InsecureParams: true}, "BcryptCost"},
		"empty keychain":         {password.HasherConfig{Pepper: &authn.Keychain{}}, "Pepper"},
		"nil scheme":             {password.HasherConfig{Schemes: []password.Scheme{nil}}, "Schemes"},
		"scheme called bcrypt":   {password.HasherConfig{Schemes: []password.Scheme{anyScheme{}}}, "Schemes"},
	} {
		_, err := password.NewHasher(row.cfg)
		if err == nil || !strings.HasPrefix(err.Error(), "authn/password: HasherConfig.") || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want one about %s", name, err, row.want)
		}
	}
	for _, cfg := range []password.HasherConfig{
		params(7<<10, 5, 1), params(46<<10, 1, 1),
		{BcryptCost: 10},
		{BcryptCost: 15},
		{MemoryMiB: 64},
		{MemoryMiB: 1 << 20},
		{MemoryMiB: 1, Argon2: password.Params{MemoryKiB: 64, Time: 1, Threads: 1}, InsecureParams: true},
		{Pepper: authn.GenerateKeychain()},
	} {
		if _, err := password.NewHasher(cfg); err != nil {
			t.Error(err)
		}
	}
}

// P1, P11: a hash is made anew where Hash would make another one, and only then.
func TestNeedsRehash(t *testing.T) {
	const k1, k2 = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY="
	old, both, reversed := keychain(t, k1), keychain(t, k2+","+k1), keychain(t, k1+","+k2)
	with := func(m, t uint32, p uint8) password.HasherConfig {
		return password.HasherConfig{Argon2: password.Params{MemoryKiB: m, Time: t, Threads: p}}
	}
	bcrypt := func(cost int, pepper *authn.Keychain) password.HasherConfig {
		return password.HasherConfig{BcryptCost: cost, Pepper: pepper}
	}
	peppered := func(k *authn.Keychain) password.HasherConfig { return password.HasherConfig{Pepper: k} }
	for name, row := range map[string]struct {
		was, is password.HasherConfig
		want    bool
	}{
		"same argon2id":             {with(64, 1, 2), with(64, 1, 2), false},
		"more memory":               {with(64, 1, 2), with(72, 1, 2), true},
		"less memory":               {with(72, 1, 2), with(64, 1, 2), true},
		"more time":                 {with(64, 1, 2), with(64, 2, 2), true},
		"fewer threads":             {with(64, 1, 2), with(64, 1, 1), true},
		"same bcrypt":               {bcrypt(4, nil), bcrypt(4, nil), false},
		"higher cost":               {bcrypt(4, nil), bcrypt(5, nil), true},
		"lower cost":                {bcrypt(5, nil), bcrypt(4, nil), true},
		"bcrypt to argon2id":        {bcrypt(4, nil), with(64, 1, 2), true},
		"argon2id to bcrypt":        {with(64, 1, 2), bcrypt(4, nil), true},
		"same pepper":               {peppered(old), peppered(old), false},
		"first pepper":              {peppered(nil), peppered(old), true},
		"newer pepper":              {peppered(old), peppered(both), true},
		"the older pepper again":    {peppered(both), peppered(reversed), true},
		"newer pepper of bcrypt":    {bcrypt(4, old), bcrypt(4, both), true},
		"same pepper of bcrypt":     {bcrypt(4, old), bcrypt(4, old), false},
		"first pepper of bcrypt":    {bcrypt(4, nil), bcrypt(4, old), true},
		"peppered bcrypt to argon2": {bcrypt(4, old), peppered(old), true},
	} {
		was, is := newHasher(t, row.was), newHasher(t, row.is)
		encoded := hash(t, was, "pässword")
		if v := verify(t, is, encoded, "pässword"); !v.OK || v.NeedsRehash != row.want {
			t.Errorf("%s: %+v, want NeedsRehash %v", name, v, row.want)
		}
		if v := verify(t, is, encoded, "password"); v.OK || v.NeedsRehash {
			t.Errorf("%s: a wrong password: %+v", name, v)
		}
		if v := verify(t, is, hash(t, is, "pässword"), "pässword"); !v.OK || v.NeedsRehash {
			t.Errorf("%s: its own hash: %+v", name, v)
		}
	}
	// A salt of 8 and a key of 16 bytes are fewer than a new hash has.
	for _, encoded := range []string{
		"$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$Hu/3ekPDfvv/J7yLIg7iEbFoEp6/CcaM84e5JL9C1mg",
		"$argon2id$v=19$m=64,t=1,p=1$Q6jVWgshROjdGyPE+D8H4A$Vt4POSuTj63hcBa2g18+Ow",
	} {
		if v := verify(t, newHasher(t, with(64, 1, 1)), encoded, "pässword"); !v.OK || !v.NeedsRehash {
			t.Errorf("%s: %+v", encoded, v)
		}
	}
}

func keychain(tb testing.TB, s string) *authn.Keychain {
	tb.Helper()
	k, err := authn.ParseKeychain(s)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// P5: new passwords are text of up to 1024 bytes, which no other one verifies,
// and what is not is refused as the client's fault.
func TestNewPasswords(t *testing.T) {
	argon, bcrypt := newHasher(t, password.HasherConfig{}), newHasher(t, password.HasherConfig{BcryptCost: 4})
	for name, row := range map[string]struct {
		pw            string
		argon, bcrypt bool
	}{
		"1024 bytes":                 {strings.Repeat("ä", 512), true, false},
		"1025 bytes":                 {strings.Repeat("a", 1025), false, false},
		"72 bytes":                   {strings.Repeat("a", 72), true, true},
		"73 bytes":                   {strings.Repeat("a", 73), true, false},
		"72 bytes only in NFC":       {strings.Repeat("a\u0308", 36), true, true},
		"not UTF-8":                  {"p\xe4ssword", false, false},
		"half a surrogate":           {"p\xed\xa0\x80", false, false},
		"NUL":                        {"pass\x00word", false, false},
		"empty, which Policy judges": {"", true, true},
		"all of Unicode":             {"\U0010ffff \u202e\u00a0😀", true, true},
	} {
		for scheme, want := range map[*password.Hasher]bool{argon: row.argon, bcrypt: row.bcrypt} {
			encoded, err := scheme.Hash(t.Context(), row.pw)
			var refused *authn.Error
			switch {
			case want && (err != nil || !verify(t, scheme, encoded, row.pw).OK):
				t.Errorf("%s: %v", name, err)
			case !want && (!errors.As(err, &refused) || refused.Status != http.StatusUnprocessableEntity):
				t.Errorf("%s: %v, want a 422", name, err)
			case err != nil && row.pw != "" && strings.Contains(err.Error(), row.pw):
				t.Errorf("%s: the error quotes the password", name)
			}
		}
	}
}

// P5: however a password is composed, it is the same one; and one that another
// system hashed as it came verifies, and is made anew.
func TestPasswordsAreNormalised(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	nfc, nfd := "p\u00e4ssword", "pa\u0308ssword"
	for _, made := range []string{nfc, nfd} {
		for _, typed := range []string{nfc, nfd} {
			if v := verify(t, h, hash(t, h, made), typed); !v.OK || v.NeedsRehash {
				t.Errorf("%q, typed %q: %+v", made, typed, v)
			}
		}
	}
	// Python's bcrypt hashes what it is given, which was in NFD.
	const ofNFD = "$2b$04$iY/pr/EDLjvzmRGSH7ReTuX3geXCPgoeAJdJY91dv7qbkK.vzY5iW"
	for _, cost := range []int{0, 4} {
		old := newHasher(t, password.HasherConfig{BcryptCost: cost})
		if v := verify(t, old, ofNFD, nfd); !v.OK || !v.NeedsRehash {
			t.Errorf("cost %d: as it came: %+v", cost, v)
		}
		if v := verify(t, old, ofNFD, nfc); v.OK {
			t.Errorf("cost %d: who types NFC never had it: %+v", cost, v)
		}
	}
}

// P3, P5: what Hash refuses does not verify, whatever hash there is: it is not
// even looked at for more than its form.
func TestHopelessPasswords(t *testing.T) {
	asked := 0
	h := newHasher(t, password.HasherConfig{Schemes: []password.Scheme{&fake{verify: func([]byte) (bool, error) {
		asked++
		return true, nil
	}}}})
	for _, pw := range []string{strings.Repeat("a", 1025), "\x00", "pass\x00word"} {
		if v := verify(t, h, "fake:1", pw); v != (password.Verdict{Scheme: "fake"}) || asked != 0 {
			t.Errorf("%.10q: %+v, asked %d times", pw, v, asked)
		}
	}
	if v := verify(t, h, "fake:1", "p\xe4ssword"); !v.OK || v.NeedsRehash {
		t.Errorf("a password that is no UTF-8 is old, and can not be made anew: %+v", v)
	}
	if v := verify(t, h, "fake:1", strings.Repeat("a", 1024)); !v.OK || !v.NeedsRehash {
		t.Errorf("1024 bytes: %+v", v)
	}
}

// P3: bcrypt reads 72 bytes. A longer password was never hashed as such, but an
// old hash may know its beginning: it verifies, and gets argon2id, at which it
// stays.
func TestOverlongPasswordsOfBcrypt(t *testing.T) {
	long := strings.Repeat("a", 72) + "chars after 72 are ignored"
	for _, cost := range []int{0, 4} {
		h := newHasher(t, password.HasherConfig{BcryptCost: cost})
		encoded := hash(t, newHasher(t, password.HasherConfig{BcryptCost: 4}), long[:72])
		if v := verify(t, h, encoded, long); !v.OK || !v.NeedsRehash || v.Scheme != "bcrypt" {
			t.Fatalf("cost %d: %+v", cost, v)
		}
		next, err := password.Rehash(t.Context(), h, long)
		if err != nil || !strings.HasPrefix(next, "$argon2id$") {
			t.Fatalf("cost %d: rehash = %q, %v", cost, next, err)
		}
		if v := verify(t, h, next, long); !v.OK || v.NeedsRehash {
			t.Errorf("cost %d: %+v", cost, v)
		}
		if v := verify(t, h, next, long[:72]); v.OK {
			t.Errorf("cost %d: its beginning verifies", cost)
		}
	}
}

// P7: where there is no hash, as much is done as where there is a current one,
// and nothing matches.
func TestDummyDoesTheSameWork(t *testing.T) {
	for name, row := range map[string]struct {
		cfg  password.HasherConfig
		form string
	}{
		"argon2id": {password.HasherConfig{}, `^\$argon2id\$v=19\$m=64,t=1,p=2\$[^$]{22}\$[^$]{43}$`},
		"bcrypt":   {password.HasherConfig{BcryptCost: 5}, `^\$2a\$05\$[./A-Za-z0-9]{53}$`},
		"peppered": {password.HasherConfig{Pepper: authn.GenerateKeychain()}, `^\$argon2id\$v=19\$m=64,t=1,p=2,keyid=[a-z2-7]{8}\$[^$]{22}\$[^$]{43}$`},
		"both":     {password.HasherConfig{BcryptCost: 5, Pepper: authn.GenerateKeychain()}, `^keyid=[a-z2-7]{8}\$2a\$05\$[./A-Za-z0-9]{53}$`},
	} {
		h := newHasher(t, row.cfg)
		dead := password.DeadHash(h)
		if form := regexp.MustCompile(row.form); !form.MatchString(dead) || !form.MatchString(hash(t, h, "a")) {
			t.Errorf("%s: dummy verifies %q, and Hash makes %q", name, dead, hash(t, h, "a"))
		}
		if other := password.DeadHash(newHasher(t, row.cfg)); dead[len(dead)-20:] == other[len(other)-20:] {
			t.Errorf("%s: dummy verifies %q, and %q elsewhere", name, dead, other)
		}
		if v := verify(t, h, dead, "a"); v.OK {
			t.Errorf("%s: %+v", name, v)
		}
		if err := password.Dummy(t.Context(), h, "a"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := password.Dummy(ctx, h, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: without ctx: %v", name, err)
		}
	}
}
