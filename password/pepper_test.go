package password_test

import (
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
)

// P11: a peppered hash is of the HMAC, names its key, and means nothing without
// the key.
func TestPepperedHashes(t *testing.T) {
	pepper := authn.GenerateKeychain()
	mac := authn.Must(pepper.MAC("password/pepper", "", []byte("pässword")))
	h := newHasher(t, password.HasherConfig{Pepper: pepper})

	encoded := hash(t, h, "pässword")
	part := strings.Split(encoded, "$")
	if want := "m=64,t=1,p=2,keyid=" + pepper.KeyID(); len(part) != 6 || part[3] != want {
		t.Fatalf("Hash = %q, want %q in it", encoded, want)
	}
	salt := authn.Must(base64.RawStdEncoding.DecodeString(part[4]))
	if key := base64.RawStdEncoding.EncodeToString(argon2.IDKey(mac, salt, 1, 64, 2, 32)); key != part[5] {
		t.Errorf("argon2id is not of the HMAC")
	}

	h = newHasher(t, password.HasherConfig{Pepper: pepper, BcryptCost: 4})
	encoded = hash(t, h, "pässword")
	if !regexp.MustCompile(`^keyid=` + pepper.KeyID() + `\$2a\$04\$.{53}$`).MatchString(encoded) {
		t.Fatalf("Hash = %q", encoded)
	}
	// In base64, since bcrypt stops at a NUL, which a MAC may have.
	if err := bcrypt.CompareHashAndPassword([]byte(encoded[14:]), []byte(base64.RawStdEncoding.EncodeToString(mac))); err != nil {
		t.Errorf("bcrypt is not of the HMAC in base64: %v", err)
	}
}

// P11: keys are added first and taken away last: hashes of an older key verify
// as long as it is there, and without it are nobody's wrong password.
func TestPepperIsRotated(t *testing.T) {
	const k1, k2 = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY="
	for _, cost := range []int{0, 4} {
		at := func(pepper *authn.Keychain) *password.Hasher {
			return newHasher(t, password.HasherConfig{Pepper: pepper, BcryptCost: cost})
		}
		old, both, next, none := at(keychain(t, k1)), at(keychain(t, k2+","+k1)), at(keychain(t, k2)), at(nil)
		was := hash(t, old, "a")
		if v := verify(t, both, was, "a"); !v.OK || !v.NeedsRehash {
			t.Errorf("cost %d: %+v", cost, v)
		}
		is := hash(t, both, "a")
		if v := verify(t, next, is, "a"); !v.OK || v.NeedsRehash {
			t.Errorf("cost %d: %+v", cost, v)
		}
		if _, err := next.Verify(t.Context(), was, "a"); !errors.Is(err, authn.ErrUnknownKey) {
			t.Errorf("cost %d: its key is gone: %v", cost, err)
		}
		if _, err := none.Verify(t.Context(), was, "a"); err == nil || !strings.Contains(err.Error(), "set HasherConfig.Pepper") {
			t.Errorf("cost %d: there is no pepper: %v", cost, err)
		}
		plain := hash(t, none, "a")
		if v := verify(t, both, plain, "a"); !v.OK || !v.NeedsRehash {
			t.Errorf("cost %d: a hash without pepper: %+v", cost, v)
		}
		// The key's name taken off makes no other password good.
		naked := strings.Replace(strings.Replace(was, ",keyid="+keychain(t, k1).KeyID(), "", 1), "keyid="+keychain(t, k1).KeyID(), "", 1)
		if v := verify(t, none, naked, "a"); naked == was || v.OK {
			t.Errorf("cost %d: %q: %+v", cost, naked, v)
		}
	}
}

// P2, P11: the id of a pepper is 1 to 8 letters and digits of ASCII.
func TestIDsOfPeppers(t *testing.T) {
	h := newHasher(t, password.HasherConfig{})
	plain := hash(t, newHasher(t, password.HasherConfig{BcryptCost: 4}), "a")
	for id, good := range map[string]bool{
		"a": true, "09azAZ": true, "abcdefgh": true, "": false, "abcdefghi": false,
		"/": false, ":": false, "@": false, "[": false, "`": false, "{": false, "\u00e4": false, "\u0661": false,
	} {
		for _, encoded := range []string{argon("m=64,t=1,p=1,keyid=" + id), "keyid=" + id + plain} {
			if _, _, err := password.Need(h, encoded); good && err != nil || !good && !errors.Is(err, password.ErrStored) {
				t.Errorf("%s: %v", encoded, err)
			}
		}
	}
}
