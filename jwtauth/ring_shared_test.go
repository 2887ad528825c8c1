package jwtauth_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// J14: a missing store or keychain and a contradictory RingConfig are errors
// that say what to do.
func TestSharedRingRefusesUnsafeConfigs(t *testing.T) {
	const hour, day = time.Hour, 24 * time.Hour
	keys, kc := newRingService(t).keys, authn.GenerateKeychain()
	tests := []struct {
		name string
		st   store.SigningKeys
		kc   *authn.Keychain
		cfg  jwtauth.RingConfig
		want string // in the error; "" for none
	}{
		{"zero", keys, kc, jwtauth.RingConfig{}, ""},
		{"no store", nil, kc, jwtauth.RingConfig{}, "needs a store"},
		{"no keychain", keys, nil, jwtauth.RingConfig{}, "needs a keychain"},
		{"zero keychain", keys, &authn.Keychain{}, jwtauth.RingConfig{}, "needs a keychain"},
		{"HMAC", keys, kc, jwtauth.RingConfig{Algorithm: jwtauth.HS256}, "cannot be published"},
		{"unknown algorithm", keys, kc, jwtauth.RingConfig{Algorithm: "none"}, "unknown"},
		{"wrong case", keys, kc, jwtauth.RingConfig{Algorithm: "es256"}, "unknown"},
		{"Publish, least", keys, kc, jwtauth.RingConfig{Publish: time.Minute}, ""},
		{"Publish, less", keys, kc, jwtauth.RingConfig{Publish: time.Minute - 1}, "Publish"},
		{"Publish, most", keys, kc, jwtauth.RingConfig{Publish: day}, ""},
		{"Publish, more", keys, kc, jwtauth.RingConfig{Publish: day + 1}, "Publish"},
		{"Publish, negative", keys, kc, jwtauth.RingConfig{Publish: -hour}, "Publish"},
		{"RotateEvery, least", keys, kc, jwtauth.RingConfig{RotateEvery: 2 * hour}, ""},
		{"RotateEvery, less", keys, kc, jwtauth.RingConfig{RotateEvery: 2*hour - 1}, "RotateEvery"},
		{"RotateEvery, negative", keys, kc, jwtauth.RingConfig{RotateEvery: -1}, "RotateEvery"},
		{"RotateEvery, 50 keys", keys, kc, jwtauth.RingConfig{RotateEvery: day, MaxTokenAge: 50 * day}, ""},
		{"RotateEvery, over 50 keys", keys, kc, jwtauth.RingConfig{RotateEvery: day, MaxTokenAge: 51 * day}, "RotateEvery"},
		{"MaxTokenAge, negative", keys, kc, jwtauth.RingConfig{MaxTokenAge: -1}, "MaxTokenAge"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ring, err := jwtauth.OpenKeyRing(test.st, test.kc, test.cfg)
			if test.want == "" {
				if err != nil || ring == nil {
					t.Error(err)
				}
				return
			}
			if ring != nil || err == nil || !strings.HasPrefix(err.Error(), "authn/jwtauth: ") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// J14: nothing is read before first use, and of many instances that use an
// empty store at once, one makes the key of all.
func TestFirstUseMakesOneKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		var instances []*ringInstance
		for range 2 {
			i := s.instance()
			i.st.delay.Store(int64(time.Second))
			instances = append(instances, i)
		}
		time.Sleep(time.Hour)
		for _, i := range instances {
			if n := i.st.lists.Load(); n != 0 {
				t.Errorf("%d calls before first use", n)
			}
		}
		kids := make([]string, 20)
		var wg sync.WaitGroup
		for n := range kids {
			wg.Go(func() { kids[n] = instances[n%2].signing() })
		}
		wg.Wait()
		for _, kid := range kids {
			if kid != kids[0] {
				t.Errorf("%q and %q sign", kid, kids[0])
			}
		}
		if n := len(s.records()); n != 1 {
			t.Errorf("%d keys, want 1", n)
		}
		for _, i := range instances {
			if n := i.st.lists.Load(); n != 2 {
				t.Errorf("%d reads by one instance, want 2: before and after the first key", n)
			}
		}
		if got := s.events.Events(); len(got) != 1 || got[0].Kind != authn.EventCreated || got[0].CredentialID != kids[0] || got[0].Method != "jwt" {
			t.Errorf("events %+v", got)
		}
	})
}

// J14: the states of two keys by the time, as every instance sees them, without
// a call in between: staged, signing, retiring, gone.
func TestKeyStatesFollowFromTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const publish, age, slack = 2*time.Hour + time.Minute, 10 * time.Hour, 5 * time.Minute
		s := newRingService(t)
		config := func(cfg *jwtauth.RingConfig) { cfg.Publish, cfg.MaxTokenAge = publish-time.Minute, age }
		a, b := s.instance(config), s.instance(config)
		first := a.signing()
		time.Sleep(time.Minute)
		start := time.Now()
		a.rotate()
		second := s.records()[0].ID
		both, one := []string{second, first}, []string{second}
		steps := []struct {
			at      time.Duration
			signing string
			there   []string
		}{
			{0, first, both},
			{publish - time.Microsecond, first, both},
			{publish, second, both},
			{publish + age + slack - time.Microsecond, second, both},
			{publish + age + slack, second, one},
			{1000 * time.Hour, second, one},
		}
		for _, step := range steps {
			time.Sleep(time.Until(start.Add(step.at)))
			for name, i := range map[string]*ringInstance{"a": a, "b": b, "new": s.instance(config)} {
				if got := i.signing(); got != step.signing {
					t.Errorf("%v: %s signs with %q, want %q", step.at, name, got, step.signing)
				}
				equalKids(t, name+" publishes", published(t, i.KeyRing), step.there...)
				if got := i.knows(first); got != (len(step.there) == 2) {
					t.Errorf("%v: %s verifies by the first key: %v", step.at, name, got)
				}
				if !i.knows(second) {
					t.Errorf("%v: %s does not verify by the second key", step.at, name)
				}
			}
		}
		if n := a.st.adds.Load() + b.st.adds.Load(); n != 2 {
			t.Errorf("%d keys were made", n)
		}
	})
}

// J14: an instance whose clock is behind signs with the first key all the same.
func TestFirstKeySignsForAClockBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		kid := s.instance().signing()
		late := s.instance(func(cfg *jwtauth.RingConfig) { cfg.Now = func() time.Time { return time.Now().Add(-3 * time.Second) } })
		if got := late.signing(); got != kid {
			t.Errorf("%q signs, want %q", got, kid)
		}
	})
}

// J3: a token without a kid is verified only while there is one key.
func TestSharedRingWithoutKid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		ring := s.instance()
		kid := ring.signing()
		if key, err := ring.VerificationKey(t.Context(), ""); err != nil || key.ID() != kid {
			t.Errorf("one key: %v, %v", key, err)
		}
		ring.rotate()
		before := ring.st.lists.Load()
		time.Sleep(2 * time.Second)
		if ring.knows("") || ring.st.lists.Load() != before {
			t.Errorf("two keys: it is known, or was sought by %d reads", ring.st.lists.Load()-before)
		}
	})
}

// damaged are the records of s after change, in a store of their own.
func (s *ringService) damaged(change func(k *store.SigningKey)) store.SigningKeys {
	s.t.Helper()
	keys := newRingService(s.t).keys
	for _, rec := range s.records() { // only one
		rec.Public, rec.Sealed = bytes.Clone(rec.Public), bytes.Clone(rec.Sealed)
		change(&rec)
		if err := keys.AddSigningKey(context.Background(), rec, "", time.Time{}); err != nil {
			s.t.Fatal(err)
		}
	}
	return keys
}

// J14: a key that does not open still verifies by its public half, cannot sign,
// and is warned of once. One that is damaged throughout is none.
func TestDamagedRecords(t *testing.T) {
	private := func(k *store.SigningKey) string {
		key := authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
		point, encode := authn.Must(key.PublicKey.Bytes()), base64.RawURLEncoding.EncodeToString
		return fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":%q,"alg":"ES256","x":%q,"y":%q,"d":%q}`,
			k.ID, encode(point[1:33]), encode(point[33:]), encode(authn.Must(key.Bytes())))
	}
	secret := func(k *store.SigningKey) string {
		return fmt.Sprintf(`{"kty":"oct","kid":%q,"alg":"HS256","key_ops":["verify"],"k":%q}`, k.ID, strings.Repeat("aB3-", 16))
	}
	foreign := newRingService(t)
	foreign.instance().signing()
	other := foreign.records()[0]
	tests := []struct {
		name            string
		change          func(k *store.SigningKey)
		verifies, signs bool
	}{
		{"intact", func(*store.SigningKey) {}, true, true},
		{"sealed is damaged", func(k *store.SigningKey) { k.Sealed[len(k.Sealed)-1] ^= 1 }, true, false},
		{"sealed is empty", func(k *store.SigningKey) { k.Sealed = nil }, true, false},
		{"sealed by a key that is gone", func(k *store.SigningKey) { k.Sealed = other.Sealed }, true, false},
		{"public is damaged", func(k *store.SigningKey) { k.Public = []byte("{") }, true, true},
		{"both are damaged", func(k *store.SigningKey) { k.Public, k.Sealed = []byte("{"), nil }, false, false},
		{"public is another key's", func(k *store.SigningKey) { k.Public, k.Sealed = other.Public, nil }, false, false},
		{"public is a private key", func(k *store.SigningKey) { k.Public, k.Sealed = []byte(private(k)), nil }, false, false},
		{"public is a secret", func(k *store.SigningKey) { k.Algorithm, k.Public, k.Sealed = "HS256", []byte(secret(k)), nil }, false, false},
		{"another algorithm", func(k *store.SigningKey) { k.Algorithm = "ES384" }, false, false},
		{"HMAC", func(k *store.SigningKey) { k.Algorithm = "HS256" }, false, false},
		{"no algorithm", func(k *store.SigningKey) { k.Algorithm = "none" }, false, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newRingService(t)
				kid := s.instance().signing()
				s.keys = s.damaged(test.change)
				ring := s.instance()
				if got := ring.knows(kid); got != test.verifies {
					t.Errorf("verifies: %v", got)
				}
				key, err := jwtauth.RingSigningKey(t.Context(), ring.KeyRing)
				if test.signs && (err != nil || key.ID() != kid) || !test.signs && !isOutage(err) {
					t.Errorf("signing: %v, %v", key, err)
				}
				if err != nil && !strings.Contains(authn.AsError(err).Err.Error(), fmt.Sprintf("%q does not open", kid)) {
					t.Errorf("signing: %v", err)
				}
				if got := len(published(t, ring.KeyRing)); got != 1 && test.verifies || got != 0 && !test.verifies {
					t.Errorf("%d keys are published", got)
				}
				for range 5 {
					time.Sleep(time.Minute)
					ring.knows(kid)
				}
				warnings := s.events.Events(authn.EventWarning)
				if test.signs && len(warnings) != 0 || !test.signs && (len(warnings) != 1 || warnings[0].CredentialID != kid || warnings[0].Err == nil) {
					t.Errorf("warnings %+v", warnings)
				}
			})
		})
	}
}

// J14: a record that was mended counts without a restart.
func TestMendedRecordOpens(t *testing.T) {
	for name, damage := range map[string]func(k *store.SigningKey){
		"sealed":    func(k *store.SigningKey) { k.Sealed = nil },
		"algorithm": func(k *store.SigningKey) { k.Algorithm = "ES384" },
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newRingService(t)
			kid := s.instance().signing()
			ring := s.instance()
			intact := ring.st.SigningKeys
			ring.st.SigningKeys = s.damaged(damage)
			if _, err := jwtauth.RingSigningKey(t.Context(), ring.KeyRing); !isOutage(err) {
				t.Errorf("%s: %v", name, err)
			}
			ring.st.SigningKeys = intact
			time.Sleep(10 * time.Second)
			if got := ring.signing(); got != kid {
				t.Errorf("%s: %q signs", name, got)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // the public half, for who cannot open the private one
		s := newRingService(t)
		kid := s.instance().signing()
		stranger := s.instanceWith(authn.GenerateKeychain())
		intact := stranger.st.SigningKeys
		stranger.st.SigningKeys = s.damaged(func(k *store.SigningKey) { k.Public = []byte("{") })
		if stranger.knows(kid) {
			t.Error("it verifies")
		}
		stranger.st.SigningKeys = intact
		time.Sleep(10 * time.Second)
		if !stranger.knows(kid) {
			t.Error("it does not verify")
		}
	})
}

// J14: a private key that is put in another's place does not open.
func TestSealedKeysAreBoundToTheirKid(t *testing.T) {
	s := newRingService(t)
	s.instance().signing()
	stolen := s.records()[0]
	s.keys = newRingService(t).keys
	s.instance().signing()
	s.keys = s.damaged(func(k *store.SigningKey) { k.Sealed = stolen.Sealed })
	if key, err := jwtauth.RingSigningKey(t.Context(), s.instance().KeyRing); !isOutage(err) {
		t.Errorf("%v signs: %v", key, err)
	}
}

// J14: while a key of the keychain is rotated, all instances sign and verify.
func TestKeychainRotates(t *testing.T) {
	const older, newer = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI", "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY"
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		first := s.instanceWith(authn.Must(authn.ParseKeychain(older))).signing()
		both := s.instanceWith(authn.Must(authn.ParseKeychain(newer + "," + older)))
		if got := both.signing(); got != first {
			t.Errorf("%q signs, want %q", got, first)
		}
		both.rotate()
		time.Sleep(time.Hour + time.Minute)
		second := both.signing()
		last := s.instanceWith(authn.Must(authn.ParseKeychain(newer)))
		if got := last.signing(); got != second || second == first || !last.knows(first) {
			t.Errorf("%q signs, want %q", got, second)
		}
	})
}
