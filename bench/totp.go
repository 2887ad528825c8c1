package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/pquerna/otp"
	reference "github.com/pquerna/otp/totp"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
	"github.com/gatehouse-go/authn/totp"
)

const (
	threeHMACs = "three HMAC-SHA-1"
	twoCalls   = "two calls of memstore"
	oursCodes  = "totp.Manager.Verify, memstore"
)

// codes are right ones, each of a step of its own, since none is good twice. What
// is promised is of the time besides the two calls of the store, which are a
// contender of their own. pquerna/otp keeps nothing: whether a code was used, and
// how many were wrong, is its caller's business. It stops at the step that fits,
// and begins with that of now.
func codes() []row {
	secret := []byte("12345678901234567890")
	at, text := time.Unix(1_800_000_000, 0), base32.StdEncoding.EncodeToString(secret)
	validate := func(of time.Time) func() error {
		code := authn.Must(reference.GenerateCode(text, of))
		return func() error {
			ok, err := reference.ValidateCustom(code, text, at, reference.ValidateOpts{Period: 30, Skew: 1, Digits: otp.DigitsSix})
			if err == nil && !ok {
				err = errMismatch
			}
			return err
		}
	}
	const last, first = "pquerna/otp, code of the step before", "pquerna/otp, code of now"
	return []row{{
		name: "TOTP code",
		contenders: []contender{
			{threeHMACs, func() { hmacs(secret, at.Unix()/30) }},
			good(twoCalls, storeCalls()),
			good(oursCodes, new(phone).verify),
			good(last, validate(at.Add(-30*time.Second))),
			good(first, validate(at)),
		},
		promises:  faster("T10", oursCodes, 1, last),
		surpluses: []surplus{{"T10", oursCodes, twoCalls, threeHMACs, 1.4}},
	}}
}

// hmacs are what no look at three steps can do without.
func hmacs(secret []byte, step int64) {
	for i := range int64(3) {
		var b [8]byte
		binary.BigEndian.PutUint64(b[:], uint64(step-1+i))
		mac := hmac.New(sha1.New, secret)
		mac.Write(b[:])
		mac.Sum(nil)
	}
}

// storeCalls count a guess and accept it.
func storeCalls() func() error {
	ctx, st, sealed, step := context.Background(), memstore.New(memstore.Config{}), make([]byte, 64), int64(1)
	if err := st.BeginTOTP(ctx, "ada", nil, sealed, time.Now().Add(time.Hour)); err != nil {
		panic(err)
	}
	if err := st.ConfirmTOTP(ctx, "ada", sealed, step, nil, time.Now()); err != nil {
		panic(err)
	}
	p := store.GuessPolicy{Free: 4, Wait: 30 * time.Second, MaxWait: 15 * time.Minute, MaxRow: 100, MaxRecent: 200, RecentFor: 30 * 24 * time.Hour}
	return func() error {
		t, _, err := st.ReserveTOTP(ctx, "ada", p)
		if err != nil {
			return err
		}
		step++
		return st.AcceptTOTP(ctx, "ada", t.Secret, step, nil)
	}
}

// phone has the codes of many steps to come, and enrols anew when they are used up.
type phone struct {
	manager *totp.Manager
	now     time.Time
	codes   []string
}

func (p *phone) verify() error {
	if len(p.codes) == 0 {
		if err := p.enrol(1 << 18); err != nil {
			return err
		}
	}
	code := p.codes[0]
	p.codes, p.now = p.codes[1:], p.now.Add(30*time.Second)
	_, err := p.manager.Verify(context.Background(), "ada", code)
	return err
}

func (p *phone) enrol(steps int) error {
	ctx, ada := context.Background(), authn.User("ada", "password", authn.Factor{Name: "pwd", At: time.Now()})
	p.now = time.Unix(1_800_000_000, 0)
	p.manager = authn.Must(totp.New(memstore.New(memstore.Config{}), authn.GenerateKeychain(), totp.Config{
		Issuer: "Acme", Now: func() time.Time { return p.now },
	}))
	e, err := p.manager.Begin(ctx, ada, "ada@example.com")
	if err != nil {
		return err
	}
	secret := authn.Must(base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(e.Secret.Reveal()))
	for i := range steps + 1 {
		p.codes = append(p.codes, codeOf(secret, p.now.Unix()/30+int64(i)))
	}
	_, _, err = p.manager.Confirm(ctx, "ada", p.codes[0])
	p.codes = p.codes[1:]
	return err
}

// codeOf is RFC 4226 §5.3.
func codeOf(secret []byte, step int64) string {
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, step)
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[len(sum)-1]&15:])&(1<<31-1)%1_000_000)
}
