package authn_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-go/authn"
)

// key is n times the same 32 bytes, which differ.
func key(n byte) string {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(i) + n
	}
	return base64.StdEncoding.EncodeToString(b)
}

// C12: a key of its own for each purpose, record and master key.
func TestKeychainSeals(t *testing.T) {
	kc := authn.Must(authn.ParseKeychain(key(1)))
	plain, aad := []byte("JBSWY3DPEHPK3PXP"), []byte("ada")
	sealed := authn.Must(kc.Seal("totp", plain, aad))
	if len(sealed) != len(plain)+37 || bytes.Contains(sealed, plain) {
		t.Errorf("sealed value of %d bytes: %x", len(sealed), sealed)
	}
	if again := authn.Must(kc.Seal("totp", plain, aad)); bytes.Equal(again, sealed) {
		t.Error("the same value is sealed alike")
	}
	got, stale, err := kc.Open("totp", sealed, aad)
	if err != nil || stale || !bytes.Equal(got, plain) {
		t.Fatalf("Open = %q, %v, %v", got, stale, err)
	}
	if empty, _, err := kc.Open("totp", authn.Must(kc.Seal("totp", nil, nil)), nil); err != nil || len(empty) != 0 {
		t.Errorf("an empty value: %q, %v", empty, err)
	}
	flip := func(i int) []byte {
		b := bytes.Clone(sealed)
		b[i] ^= 1
		return b
	}
	tests := []struct {
		name    string
		purpose string
		sealed  []byte
		aad     []byte
		unknown bool
	}{
		{"other purpose", "oauth", sealed, aad, false},
		{"other record", "totp", sealed, []byte("bob"), false},
		{"no record", "totp", sealed, nil, false},
		{"no purpose", "", sealed, aad, false},
		{"nothing", "totp", nil, aad, false},
		{"only a header", "totp", sealed[:9], aad, false},
		{"cut", "totp", sealed[:len(sealed)-1], aad, false},
		{"longer", "totp", append(bytes.Clone(sealed), 0), aad, false},
		{"other version", "totp", flip(0), aad, false},
		{"other key id", "totp", flip(1), aad, true},
		{"other nonce", "totp", flip(9), aad, false},
		{"other text", "totp", flip(21), aad, false},
		{"other tag", "totp", flip(len(sealed) - 1), aad, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := kc.Open(tt.purpose, tt.sealed, tt.aad)
			if err == nil || errors.Is(err, authn.ErrUnknownKey) != tt.unknown {
				t.Errorf("err = %v", err)
			}
		})
	}
}

// C12: rotation without downtime: new first, both open, then the old one goes.
func TestKeychainRotates(t *testing.T) {
	before := authn.Must(authn.ParseKeychain(key(1)))
	both := authn.Must(authn.ParseKeychain(key(2) + " , " + key(1)))
	after := authn.Must(authn.ParseKeychain(key(2)))
	old := authn.Must(before.Seal("totp", []byte("x"), nil))
	fresh := authn.Must(both.Seal("totp", []byte("x"), nil))
	if _, stale, err := both.Open("totp", old, nil); err != nil || !stale {
		t.Errorf("old value: stale %v, %v", stale, err)
	}
	if _, stale, err := both.Open("totp", fresh, nil); err != nil || stale {
		t.Errorf("new value: stale %v, %v", stale, err)
	}
	if _, _, err := after.Open("totp", old, nil); !errors.Is(err, authn.ErrUnknownKey) {
		t.Errorf("old value without its key: %v", err)
	}
	if _, _, err := after.Open("totp", fresh, nil); err != nil {
		t.Errorf("new value: %v", err)
	}
	mac := authn.Must(before.MAC("refresh", "", []byte("m")))
	if !both.CheckMAC("refresh", before.KeyID(), []byte("m"), mac) || after.CheckMAC("refresh", before.KeyID(), []byte("m"), mac) {
		t.Error("a MAC does not rotate with its key")
	}
	if both.KeyID() != after.KeyID() || both.KeyID() == before.KeyID() {
		t.Errorf("key ids %s, %s, %s", before.KeyID(), both.KeyID(), after.KeyID())
	}
}

// C12: MACs are of one purpose, one key, one message.
func TestKeychainMAC(t *testing.T) {
	kc := authn.Must(authn.ParseKeychain(key(1) + "," + key(2)))
	mac := authn.Must(kc.MAC("cookie", "", []byte("m")))
	id := kc.KeyID()
	tests := []struct {
		name, purpose, id, msg string
		mac                    []byte
		want                   bool
	}{
		{"good", "cookie", id, "m", mac, true},
		{"other purpose", "refresh", id, "m", mac, false},
		{"no purpose", "", id, "m", mac, false},
		{"other message", "cookie", id, "n", mac, false},
		{"unknown key", "cookie", "aaaaaaaa", "m", mac, false},
		{"the newest is no name", "cookie", "", "m", mac, false},
		{"cut", "cookie", id, "m", mac[:31], false},
		{"none", "cookie", id, "m", nil, false},
	}
	for _, tt := range tests {
		if got := kc.CheckMAC(tt.purpose, tt.id, []byte(tt.msg), tt.mac); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if _, err := kc.MAC("cookie", "aaaaaaaa", nil); !errors.Is(err, authn.ErrUnknownKey) {
		t.Errorf("MAC by an unknown key: %v", err)
	}
}

// C12: what is persisted today opens for ever: these values were made by the
// first release.
func TestKeychainGolden(t *testing.T) {
	kc := authn.Must(authn.ParseKeychain(key(1)))
	const id = "vmj3j3ns"
	if kc.KeyID() != id {
		t.Errorf("key id %s, want %s", kc.KeyID(), id)
	}
	sealed := authn.Must(hex.DecodeString("01766d6a336a336e734f4ebdd025c9469d26c26ca84325fa534966434a5161751c5f9842abee7ac5d17c65"))
	if plain, _, err := kc.Open("totp", sealed, []byte("ada")); err != nil || string(plain) != "golden" {
		t.Errorf("Open = %q, %v", plain, err)
	}
	if got, want := hex.EncodeToString(authn.Must(kc.MAC("refresh", "", []byte("golden")))), "7ee2d460a9a40d8663d1daa417ea6412c0939287ddaf1359d27ce7ef424f4cfa"; got != want {
		t.Errorf("MAC %s, want %s", got, want)
	}
}

// C12: a key that is missing, short or weak is an error that says how to make
// one, and that does not show it.
func TestParseKeychainErrors(t *testing.T) {
	short := base64.StdEncoding.EncodeToString([]byte("only thirty-one bytes of secret"))
	tests := []struct{ name, in, want string }{
		{"nothing", "", "openssl rand"},
		{"space", "  ", "openssl rand"},
		{"short", short, "31 bytes, and needs 32"},
		{"second is short", key(1) + "," + short, "key 2 of the keychain has 31 bytes"},
		{"empty second", key(1) + ",", "key 2 of the keychain has 0 bytes"},
		{"not base64", "hunter2!" + key(1), "not base64"},
		{"zeros", base64.StdEncoding.EncodeToString(make([]byte, 32)), "one byte repeated"},
		{"twice", key(1) + "," + key(2) + "," + key(1), "key 3 of the keychain is there twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := authn.ParseKeychain(tt.in)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("err = %v, want %q in it", err, tt.want)
			}
			for _, secret := range []string{key(1), short, "hunter2", "thirty-one"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows the key: %v", err)
				}
			}
		})
	}
	for name, in := range map[string]string{
		"padded": key(1), "raw": strings.TrimRight(key(1), "="), "spaces": " " + key(1) + "\n",
		"URL alphabet": strings.NewReplacer("+", "-", "/", "_").Replace(key(220)), "standard": key(220),
	} {
		if _, err := authn.ParseKeychain(in); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// C12: the zero Keychain and no purpose are refused.
func TestZeroKeychainIsRefused(t *testing.T) {
	for name, kc := range map[string]*authn.Keychain{"nil": nil, "zero": {}} {
		_, sealErr := kc.Seal("p", nil, nil)
		_, macErr := kc.MAC("p", "", nil)
		_, _, openErr := kc.Open("p", authn.Must(authn.GenerateKeychain().Seal("p", nil, nil)), nil)
		if sealErr == nil || macErr == nil || openErr == nil || kc.CheckMAC("p", "aaaaaaaa", nil, nil) || kc.KeyID() != "" {
			t.Errorf("%s: %v, %v, %v", name, sealErr, macErr, openErr)
		}
	}
	if _, err := authn.GenerateKeychain().Seal("", nil, nil); err == nil {
		t.Error("no purpose is taken")
	}
	if a, b := authn.GenerateKeychain(), authn.GenerateKeychain(); a.KeyID() == b.KeyID() {
		t.Error("generated keys are alike")
	}
}

// A Keychain is shared by all requests.
func TestKeychainIsSafeForConcurrentUse(t *testing.T) {
	kc := authn.GenerateKeychain()
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			purpose := fmt.Sprint(i % 3)
			sealed, err := kc.Seal(purpose, []byte("x"), nil)
			if err != nil {
				t.Error(err)
			}
			if _, _, err := kc.Open(purpose, sealed, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func FuzzKeychainOpen(f *testing.F) {
	kc := authn.Must(authn.ParseKeychain(key(1)))
	f.Add(authn.Must(kc.Seal("p", []byte("x"), nil)))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if plain, _, err := kc.Open("p", sealed, nil); err == nil && string(plain) != "x" {
			t.Errorf("forged: %q", plain)
		}
	})
}
