package password_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn/password"
)

// fake is a host's own Scheme.
type fake struct {
	kib    int
	memory error
	verify func(password []byte) (bool, error)
}

func (*fake) ID() string                   { return "fake" }
func (*fake) Match(encoded string) bool    { return strings.HasPrefix(encoded, "fake:") }
func (f *fake) Memory(string) (int, error) { return f.kib, f.memory }

func (f *fake) Verify(_ string, password []byte) (bool, error) { return f.verify(password) }

// all are the schemes of this package.
func all() (s []password.Scheme) {
	return append(append(append(append(s, password.Django()...), password.Passlib()...), password.Scrypt()...), password.Htpasswd()...)
}

// foreign are hashes of "pässword" by the tools that they are named after, at
// the least that these allow.
var foreign = []struct{ scheme, encoded string }{
	{"django-pbkdf2-sha256", "pbkdf2_sha256$1000$p4z4CkXKbBq8XyeuornE30$FA4PB5ju0/1HEIDnoe/ZL9XCvZ5tInUs3kPT6skDy4g="},
	{"django-bcrypt-sha256", "bcrypt_sha256$$2b$04$pF5PvHVQFIqZPp/wntJ.HOlQHTJ5MwNiMVoHf5MkgC67TuwU9ruM."},
	{"django-argon2", "argon2$argon2id$v=19$m=64,t=1,p=2$cTZoZ3lnUDRVSVg5YjBwdmVyaW8xaQ$hqr4mDol9R1IZ9ARvfkoZg"},
	{"django-argon2", "argon2$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0$pKhORDI7dHZk/m0Cqy2D7A"},
	{"passlib-pbkdf2", "$pbkdf2$1000$ydl77/1/j5GSUsrZ.39vDQ$MmrExr9fAU/Q6NPBLA2mTCSvIjY"},
	{"passlib-pbkdf2-sha256", "$pbkdf2-sha256$1000$pRRiLMX4P.c859ybs9Zaaw$hsl0Z3G30X5ZfN8tL6wgbZ7Sfa3e5lZLQj9jWjdF/F0"},
	{"passlib-pbkdf2-sha512", "$pbkdf2-sha512$1000$OYfQei9ljNH6P6eUcg7BuA$Adx.S.WMYWu/HHxRCioETcRtHq4f3OpV5GiESlDPA4gSOQdo.txxP33wepfNI.qepFMUIQDj6EjKHab2VZdlaQ"},
	{"passlib-bcrypt-sha256", "$bcrypt-sha256$v=2,t=2b,r=4$rSPohUUMfgEgP8x5bX0ovO$2syy54Nc/QmH34tRm87Xd43Wzza5I.u"},
	{"passlib-bcrypt-sha256", "$bcrypt-sha256$2b,4$qDR5KEJ28/lrSB.Fo6xr2u$Qq4ByiDn08w/ZcBb817RMNmPp9vSKs2"},
	{"argon2i", "$argon2i$v=19$m=64,t=1,p=1$p7R2rtU6B4AQAqDU+p/z3g$bxHnY0mTUUDrrBXiRFgOsg"},
	{"scrypt", "$scrypt$ln=8,r=8,p=1$xriXkjLGmFOqdU6pNWYspQ$d8WZL3uDutP5Wr6Gs21PXD0wxCfrS1pNSjR1b4YCdcQ"},
	{"htpasswd-bcrypt", "$2y$04$gMkFLyhjC5LJZilVv/DmW.L2O6l52aWXrbMFK1BFOjvNXdmdtraSa"},
}

// P4: hashes of Django, passlib and htpasswd verify where they were opted in,
// and are to be made anew; elsewhere they are an error.
func TestForeignHashes(t *testing.T) {
	h, none := newHasher(t, password.HasherConfig{Schemes: all()}), newHasher(t, password.HasherConfig{})
	for _, f := range foreign {
		if v := verify(t, h, f.encoded, "pässword"); v != (password.Verdict{OK: true, NeedsRehash: true, Scheme: f.scheme}) {
			t.Errorf("%s: %+v", f.encoded, v)
		}
		if v := verify(t, h, f.encoded, "password"); v != (password.Verdict{Scheme: f.scheme}) {
			t.Errorf("%s: a wrong password: %+v", f.encoded, v)
		}
		if _, err := none.Verify(t.Context(), f.encoded, "pässword"); !errors.Is(err, password.ErrStored) {
			t.Errorf("%s: without its scheme: %v", f.encoded, err)
		}
	}
}

// P4: a host's own Scheme is asked within bounds only, and its errors are of a
// stored hash.
func TestOwnScheme(t *testing.T) {
	broken := errors.New("broken")
	for name, row := range map[string]struct {
		fake  fake
		err   error
		asked int
	}{
		"good":            {fake{kib: 1 << 10}, nil, 1},
		"over the budget": {fake{kib: 1<<10 + 1}, password.ErrStored, 0},
		"less than none":  {fake{kib: -1}, password.ErrStored, 0},
		"Memory refuses":  {fake{memory: broken}, broken, 0},
		"Verify refuses":  {fake{verify: func([]byte) (bool, error) { return true, broken }}, broken, 1},
	} {
		asked := 0
		own := row.fake
		if own.verify == nil {
			own.verify = func(p []byte) (bool, error) { return string(p) == "a", nil }
		}
		inner := own.verify
		own.verify = func(p []byte) (bool, error) { asked++; return inner(p) }
		h := newHasher(t, password.HasherConfig{Schemes: []password.Scheme{&own}, MemoryMiB: 1})
		v, err := h.Verify(t.Context(), "fake:x", "a")
		if !errors.Is(err, row.err) || asked != row.asked {
			t.Errorf("%s: %v, want %v; asked %d times, want %d", name, err, row.err, asked, row.asked)
		}
		if row.err == nil && v != (password.Verdict{OK: true, NeedsRehash: true, Scheme: "fake"}) || row.err != nil && (v != (password.Verdict{}) || !errors.Is(err, password.ErrStored)) {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

// P2, P4: a stored hash has up to 1024 bytes, whatever the scheme; what the host
// does to its Schemes afterwards changes no Hasher.
func TestOwnSchemesAreCopied(t *testing.T) {
	own := []password.Scheme{&fake{verify: func([]byte) (bool, error) { return true, nil }}}
	h := newHasher(t, password.HasherConfig{Schemes: own})
	own[0] = nil
	if v := verify(t, h, "fake:"+strings.Repeat("x", 1019), "a"); !v.OK {
		t.Errorf("1024 bytes: %+v", v)
	}
	if _, err := h.Verify(t.Context(), "fake:"+strings.Repeat("x", 1020), "a"); !errors.Is(err, password.ErrStored) {
		t.Errorf("1025 bytes: %v", err)
	}
}

// P2, P4: a scheme does the same when a host wraps it in one of its own.
func TestSchemesWithoutAHasher(t *testing.T) {
	for _, f := range foreign {
		for _, s := range all() {
			if !s.Match(f.encoded) {
				continue
			}
			if s.ID() != f.scheme {
				t.Errorf("%s is of %s", f.encoded, s.ID())
			}
			if kib, err := s.Memory(f.encoded); err != nil || kib < 1 {
				t.Errorf("%s: %d KiB, %v", f.encoded, kib, err)
			}
			if ok, err := s.Verify(f.encoded, []byte("p\u00e4ssword")); err != nil || !ok {
				t.Errorf("%s: %t, %v", f.encoded, ok, err)
			}
			bad := f.encoded + "$"
			if _, err := s.Memory(bad); !errors.Is(err, password.ErrStored) {
				t.Errorf("%s: Memory: %v", bad, err)
			}
			if ok, err := s.Verify(bad, []byte("p\u00e4ssword")); ok || !errors.Is(err, password.ErrStored) {
				t.Errorf("%s: Verify: %t, %v", bad, ok, err)
			}
		}
	}
}

// nap is a Scheme that takes its time, and that no password is right for.
type nap struct {
	id string
	d  time.Duration
}

func (n nap) ID() string                          { return n.id }
func (n nap) Match(encoded string) bool           { return strings.HasPrefix(encoded, n.id) }
func (nap) Memory(string) (int, error)            { return 1, nil }
func (n nap) Verify(string, []byte) (bool, error) { time.Sleep(n.d); return false, nil }

// P7: a wrong password takes as long as one at the slowest hash that was seen.
func TestFailuresWaitForTheSlowestScheme(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const fast, slow = 100 * time.Millisecond, 300 * time.Millisecond
		h := newHouse(t, func(cfg *password.Config) {
			cfg.Hasher = newHasher(t, password.HasherConfig{Schemes: []password.Scheme{nap{"fast", fast}, nap{"slow", slow}}})
		})
		h.add(t, "bob", "bob", "fast")
		h.add(t, "eve", "eve", "slow")
		for i, c := range []struct {
			name string
			want time.Duration
		}{{"bob", fast}, {"eve", slow}, {"bob", slow}, {"eve", slow}} {
			began := time.Now()
			_, err := h.Authenticate(post(), c.name, "nope")
			if took := time.Since(began); !errors.Is(err, password.ErrWrong) || took != c.want {
				t.Errorf("guess %d, %s: %v after %v, want ErrWrong after %v", i, c.name, err, took, c.want)
			}
		}
	})
}
