package totp_test

import (
	"encoding/base32"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pquerna/otp"
	reference "github.com/pquerna/otp/totp"

	"github.com/gatehouse-go/authn/totp"
)

// T9: RFC 6238, appendix B, of the algorithms that are here.
func TestVectorsOfRFC6238(t *testing.T) {
	const sha1, sha256 = "12345678901234567890", "12345678901234567890123456789012"
	for _, c := range []struct {
		seconds      int64
		sha1, sha256 uint32
	}{
		{59, 94287082, 46119246},
		{1111111109, 7081804, 68084774},
		{1111111111, 14050471, 67062674},
		{1234567890, 89005924, 91819424},
		{2000000000, 69279037, 90698825},
		{20000000000, 65353130, 77737706},
	} {
		at := time.Unix(c.seconds, 0)
		if got := totp.Code([]byte(sha1), false, 8, at); got != c.sha1 {
			t.Errorf("SHA-1 at %d: %08d, want %08d", c.seconds, got, c.sha1)
		}
		if got := totp.Code([]byte(sha256), true, 8, at); got != c.sha256 {
			t.Errorf("SHA-256 at %d: %08d, want %08d", c.seconds, got, c.sha256)
		}
	}
}

// T9: RFC 4226, appendix D, of six digits.
func TestVectorsOfRFC4226(t *testing.T) {
	for counter, want := range []uint32{755224, 287082, 359152, 969429, 338314, 254676, 287922, 162583, 399871, 520489} {
		if got := totp.Code([]byte("12345678901234567890"), false, 6, time.Unix(int64(counter)*30, 0)); got != want {
			t.Errorf("counter %d: %06d, want %06d", counter, got, want)
		}
	}
}

// T9: another implementation agrees on whatever secret and time.
func TestCodesAgreeWithAnotherImplementation(t *testing.T) {
	random := rand.New(rand.NewPCG(6238, 4226))
	for range 10_000 {
		secret := make([]byte, 16+random.IntN(49))
		for i := range secret {
			secret[i] = byte(random.Uint32())
		}
		at := time.Unix(random.Int64N(1<<34), random.Int64N(1e9))
		opts := reference.ValidateOpts{Period: 30, Digits: otp.DigitsSix}
		if random.IntN(2) == 1 {
			opts.Digits = otp.DigitsEight
		}
		if random.IntN(2) == 1 {
			opts.Algorithm = otp.AlgorithmSHA256
		}
		want, err := reference.GenerateCodeCustom(base32.StdEncoding.EncodeToString(secret), at, opts)
		if err != nil {
			t.Fatal(err)
		}
		got := totp.Code(secret, opts.Algorithm == otp.AlgorithmSHA256, opts.Digits.Length(), at)
		if fmt.Sprintf("%0*d", opts.Digits.Length(), got) != want {
			t.Fatalf("secret %x at %d: %d, want %s", secret, at.Unix(), got, want)
		}
	}
}
