package apikey_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// golden is a key of version 1 of the format. It must verify for ever.
const golden = "acme_live_2Xn7VpZ0LkQwErTyUiOpAsDfGhJkLzXcVbNm1234567_1OGsSx"

// K1: keys of version 1 of the format stay good.
func TestGoldenKeyStaysGood(t *testing.T) {
	w := newWorld(t, nil)
	rec := store.APIKey{ID: "key_golden", Owner: "ada", Digest: store.DigestOf(golden), CreatedAt: w.clock.Now()}
	if err := w.st.CreateAPIKey(context.Background(), rec, store.APIKeyLimits{}, w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if id, err := w.keys.Verify(request("X-API-Key", golden)); err != nil || id.CredentialID != "key_golden" {
		t.Errorf("Verify = %v, %v", id, err)
	}
}

// K1: prefix, 256 random bits and a CRC-32, as a second implementation sees it.
func TestKeysHaveTheirFormat(t *testing.T) {
	w := newWorld(t, func(cfg *apikey.Config) { cfg.MaxPerOwner = 1000 })
	pattern := regexp.MustCompile("^" + w.keys.Pattern() + "$")
	seen := map[string]bool{}
	for range 500 {
		key, _ := w.create()
		parts := strings.Split(strings.TrimPrefix(key, "acme_live_"), "_")
		if len(key) != 60 || len(parts) != 2 || !pattern.MatchString(key) {
			t.Fatalf("key %q", key)
		}
		secret, ok := new(big.Int).SetString(parts[0], 62)
		sum, ok2 := new(big.Int).SetString(parts[1], 62)
		if !ok || !ok2 || secret.BitLen() > 256 || secret.BitLen() < 128 {
			t.Fatalf("key %q has %d bits", key, secret.BitLen())
		}
		if want := crc32.ChecksumIEEE([]byte("acme_live_" + parts[0])); sum.Uint64() != uint64(want) {
			t.Errorf("key %q has checksum %d, want %d", key, sum, want)
		}
		if seen[key] {
			t.Fatalf("key %q came twice", key)
		}
		seen[key] = true
		if status(w.keys, "X-API-Key", key) != 200 {
			t.Errorf("key %q is refused", key)
		}
	}
}

// K1: a secret scanner finds a key in a file, and nothing else.
func TestPatternFindsKeys(t *testing.T) {
	w := newWorld(t, nil)
	key, _ := w.create()
	find := regexp.MustCompile(w.keys.Pattern()).FindString
	for _, text := range []string{key, "KEY=" + key, `{"key":"` + key + `"}`, key + ".", "see " + key + " there"} {
		if got := find(text); got != key {
			t.Errorf("in %q: %q", text, got)
		}
	}
	for _, text := range []string{"x" + key, key + "x", key[:len(key)-1], strings.ToUpper(key), "acme_live_", "my" + key} {
		if got := find(text); got != "" {
			t.Errorf("in %q: %q", text, got)
		}
	}
}

// K2: the raw key is in what Create answers, and nowhere else.
func TestPlaintextIsSeenOnce(t *testing.T) {
	w := newWorld(t, nil)
	key, err := w.keys.Create(context.Background(), "ada", apikey.Spec{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	raw := key.Secret.Reveal()
	rec, err := w.st.APIKeyByDigest(context.Background(), store.DigestOf(raw))
	if err != nil || rec.Digest != store.DigestOf(raw) {
		t.Fatalf("the store does not find the SHA-256 of the whole key: %v", err)
	}
	list, _, err := w.keys.List(context.Background(), "ada", store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	shown := fmt.Sprintf("%+v %s %+v %+v %+v", key, authn.Must(json.Marshal(key)), rec, list, w.events.Events())
	if body := strings.Split(raw, "_")[2]; strings.Contains(shown, body) || strings.Contains(shown, body[:12]) {
		t.Errorf("the key is shown: %s", shown)
	}
	if want := "acme_live_…" + raw[len(raw)-4:]; key.Hint != want {
		t.Errorf("hint %q, want %q", key.Hint, want)
	}
}

// K1: Config.Prefix is the service's own.
func TestPrefixIsChecked(t *testing.T) {
	tests := []struct {
		prefix string
		want   string // in the error; "" is good
	}{
		{"acme_live", ""},
		{"a", ""},
		{"acme2_test_eu", ""},
		{"my_sk_live", ""},
		{"z0_a9", ""},
		{strings.Repeat("a", 32), ""},
		{"", "required"},
		{"sk_live", "another company"},
		{"ghp", "another company"},
		{"Acme", "[a-z0-9_]"},
		{"acme-live", "[a-z0-9_]"},
		{"acme_live_", "[a-z0-9_]"},
		{"_acme", "[a-z0-9_]"},
		{"2acme", "[a-z0-9_]"},
		{"{acme", "[a-z0-9_]"},
		{"a`b", "[a-z0-9_]"},
		{"a{b", "[a-z0-9_]"},
		{"a/b", "[a-z0-9_]"},
		{"a:b", "[a-z0-9_]"},
		{"acmé", "[a-z0-9_]"},
		{"a\x00b", "[a-z0-9_]"},
		{strings.Repeat("a", 33), "32 characters"},
	}
	for _, tt := range tests {
		t.Run(tt.prefix, func(t *testing.T) {
			_, err := apikey.New(memstore.New(memstore.Config{}), apikey.Config{Prefix: tt.prefix})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("err = %v, want %q in it", err, tt.want)
			}
		})
	}
}

// K6, K7, K13, K16: what contradicts itself or weakens a check by accident is
// an error of the constructor, which names the field.
func TestNewRefusesUnsafeConfig(t *testing.T) {
	legacy := apikey.Legacy{Prefix: "sk_live_", Alphabet: "0123456789abcdef", Length: 32, Until: time.Now()}
	with := func(change func(l *apikey.Legacy)) func(*apikey.Config) {
		return func(cfg *apikey.Config) {
			l := legacy
			change(&l)
			cfg.Legacy = []apikey.Legacy{l}
		}
	}
	tests := map[string]func(cfg *apikey.Config){
		"Scopes":        func(cfg *apikey.Config) { cfg.Scopes = []string{"two words"} },
		"Config.Scopes": func(cfg *apikey.Config) { cfg.Scopes = []string{""} },
		"MaxAge":        func(cfg *apikey.Config) { cfg.MaxAge = -1 },
		"SkipMaxAge":    func(cfg *apikey.Config) { cfg.SkipMaxAge, cfg.MaxAge = true, day },
		"MaxPerOwner":   func(cfg *apikey.Config) { cfg.MaxPerOwner = -1 },
		"CacheTTL":      func(cfg *apikey.Config) { cfg.CacheTTL = 5*time.Minute + 1 },
		"Config.Cache":  func(cfg *apikey.Config) { cfg.CacheTTL = -1 },
		"FlushInterval": func(cfg *apikey.Config) { cfg.FlushInterval = -1 },
		"WarnBefore":    func(cfg *apikey.Config) { cfg.WarnBefore = []time.Duration{0} },
		"Managers":      func(cfg *apikey.Config) { cfg.Managers = []authn.Kind{0} },
		"Prefix":        with(func(l *apikey.Legacy) { l.Prefix = "" }),
		"Alphabet":      with(func(l *apikey.Legacy) { l.Alphabet = "" }),
		"ASCII":         with(func(l *apikey.Legacy) { l.Alphabet = "äöü" }),
		"Length":        with(func(l *apikey.Legacy) { l.Length = 0 }),
		"256":           with(func(l *apikey.Legacy) { l.Length = 249 }),
		"guessed":       with(func(l *apikey.Legacy) { l.Length = 31 }),
		"128 bits":      with(func(l *apikey.Legacy) { l.Alphabet, l.Length = "aaaaaaaaaaaaaaaaaaaa", 128 }),
		"needed":        with(func(l *apikey.Legacy) { l.Alphabet, l.Length = strings.Repeat("ab", 20), 127 }),
		"printable":     with(func(l *apikey.Legacy) { l.Prefix = "sk live_" }),
		"of printable":  with(func(l *apikey.Legacy) { l.Alphabet += "\x7f" }),
		"Until":         with(func(l *apikey.Legacy) { l.Until = time.Time{} }),
		"our own":       with(func(l *apikey.Legacy) { l.Prefix, l.Length = "acme_", 55 }),
		"own format":    with(func(l *apikey.Legacy) { l.Prefix, l.Length = "acme_live_old_", 46 }),
	}
	for want, change := range tests {
		t.Run(want, func(t *testing.T) {
			cfg := apikey.Config{Prefix: "acme_live"}
			change(&cfg)
			_, err := apikey.New(memstore.New(memstore.Config{}), cfg)
			if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "authn/apikey: ") {
				t.Errorf("err = %v, want %q in it", err, want)
			}
		})
	}
	if _, err := apikey.New(nil, apikey.Config{Prefix: "acme_live"}); err == nil {
		t.Error("New takes a nil store")
	}
}

// K6, K7, K16: what is just within the bounds is taken.
func TestNewTakesConfigAtItsBounds(t *testing.T) {
	with := func(prefix, alphabet string, length int) func(*apikey.Config) {
		return func(cfg *apikey.Config) {
			cfg.Legacy = []apikey.Legacy{{Prefix: prefix, Alphabet: alphabet, Length: length, Until: time.Now()}}
		}
	}
	tests := map[string]func(cfg *apikey.Config){
		"5 min":                          func(cfg *apikey.Config) { cfg.CacheTTL = 5 * time.Minute },
		"every scope-token character":    func(cfg *apikey.Config) { cfg.Scopes = []string{"!#[]~"} },
		"every printable character":      with("!~", "!~0123456789abcd", 32),
		"256 characters":                 with("sk_live_", "0123456789abcdef", 248),
		"128 bits of two":                with("sk_live_", "ab", 128),
		"our length, another prefix":     with("sk_live_", "0123456789abcdef", 52),
		"our prefix, another length":     with("acme_live_", "0123456789abcdef", 49),
		"a beginning of it, and shorter": with("acme_", "0123456789abcdef", 54),
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := apikey.Config{Prefix: "acme_live"}
			change(&cfg)
			if _, err := apikey.New(memstore.New(memstore.Config{}), cfg); err != nil {
				t.Error(err)
			}
		})
	}
}

// K10, K14, K16: a host that changes its slices later changes no rights.
func TestNewKeepsItsOwnConfig(t *testing.T) {
	until := newClock().Now().Add(day)
	scopes, managers := []string{"orders:read"}, []authn.Kind{authn.KindClient}
	legacy := []apikey.Legacy{{Prefix: "sk_live_", Alphabet: "0123456789abcdef", Length: 32, Until: until}}
	w := newWorld(t, func(cfg *apikey.Config) { cfg.Scopes, cfg.Managers, cfg.Legacy = scopes, managers, legacy })
	scopes[0], managers[0], legacy[0].Until = "admin", authn.KindKey, until.Add(day)
	if _, err := w.keys.Create(background, "ada", apikey.Spec{Scopes: []string{"admin"}}); !errors.Is(err, apikey.ErrScope) {
		t.Errorf("a scope that came later: %v", err)
	}
	if code, _, _ := call(t, w.api(&authn.Identity{Subject: "ada", Kind: authn.KindKey}), "GET", "/keys/", ""); code != 403 {
		t.Errorf("a manager that came later: %d", code)
	}
	key, err := w.keys.Adopt(background, "ada", store.DigestOf("sk_live_0123456789abcdef0123456789abcdef"), apikey.Spec{})
	if err != nil || !key.EndsAt.Equal(until) {
		t.Errorf("ends at %v, want %v: %v", key.EndsAt, until, err)
	}
}
