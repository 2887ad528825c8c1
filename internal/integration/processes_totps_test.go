package integration_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/totp"
)

const (
	submitProcs  = 2
	submitEach   = 50 // callers at once, in each process
	submitRounds = 8
)

// submitCase is what all callers of two processes submit at once in each round.
// Just want of them win, and the others lose.
type submitCase struct {
	name string
	want int
	// prepare makes the round. It answers what the callers submit, if they
	// cannot know it.
	prepare func(ctx context.Context, s raceStore, round int) (secret string, err error)
	submit  func(ctx context.Context, s raceStore, round, caller int, secret string) error
	lost    func(err error) bool
	// check looks at what is there after the round. nil: nothing.
	check func(ctx context.Context, s raceStore, round int) error
}

func lostAs(want error) func(err error) bool {
	return func(err error) bool { return errors.Is(err, want) }
}

// refusedCode is of a code that is wrong by now, or comes while others are
// counted.
func refusedCode(err error) bool {
	return errors.Is(err, totp.ErrWrong) || authn.AsError(err).Status == http.StatusTooManyRequests
}

var submitCases = []submitCase{
	{
		name: "one code",
		want: 1,
		prepare: func(ctx context.Context, s raceStore, round int) (string, error) {
			key, _, err := enrolRacer(ctx, s, raceOwner("code", round))
			return codeAt(key, raceNow.Add(30*time.Second)), err
		},
		submit: func(ctx context.Context, s raceStore, round, _ int, code string) error {
			return verifyAs(ctx, s, raceOwner("code", round), code)
		},
		lost: refusedCode,
	},
	{
		name: "one recovery code",
		want: 1,
		prepare: func(ctx context.Context, s raceStore, round int) (string, error) {
			_, recovery, err := enrolRacer(ctx, s, raceOwner("recovery", round))
			if err != nil {
				return "", err
			}
			return recovery[0].Reveal(), nil
		},
		submit: func(ctx context.Context, s raceStore, round, _ int, code string) error {
			return verifyAs(ctx, s, raceOwner("recovery", round), code)
		},
		lost:  refusedCode,
		check: wantRecoveryLeft("recovery", 9),
	},
	{
		// Without the waits that keep most of those above from the store.
		name:    "AcceptTOTP of one step",
		want:    1,
		prepare: prepareTOTP("accept"),
		submit: func(ctx context.Context, s raceStore, round, caller int, _ string) error {
			var reseal []byte
			if caller%2 == 1 {
				reseal = raceSealed // as it is, so that the step decides
			}
			return s.(store.TOTPs).AcceptTOTP(ctx, raceOwner("accept", round), raceSealed, 2, reseal)
		},
		lost: lostAs(store.ErrConflict),
	},
	{
		name:    "TakeRecoveryCode",
		want:    1,
		prepare: prepareTOTP("take"),
		submit: func(ctx context.Context, s raceStore, round, _ int, _ string) error {
			left, err := s.(store.TOTPs).TakeRecoveryCode(ctx, raceOwner("take", round), store.DigestOf("code 3"))
			if err == nil && left != 9 {
				err = fmt.Errorf("%d are left", left)
			}
			return err
		},
		lost:  lostAs(store.ErrNotFound),
		check: wantRecoveryLeft("take", 9),
	},
	{
		name:    "TakeRecoveryCode of ten codes",
		want:    10,
		prepare: prepareTOTP("take all"),
		submit: func(ctx context.Context, s raceStore, round, caller int, _ string) error {
			_, err := s.(store.TOTPs).TakeRecoveryCode(ctx, raceOwner("take all", round), store.DigestOf(fmt.Sprint("code ", caller%10)))
			return err
		},
		lost:  lostAs(store.ErrNotFound),
		check: wantRecoveryLeft("take all", 0),
	},
	{
		name:    "ReserveTOTP",
		want:    40,
		prepare: prepareTOTP("reserve"),
		submit: func(ctx context.Context, s raceStore, round, _ int, _ string) error {
			p := store.GuessPolicy{Free: 1000, Wait: time.Second, MaxWait: time.Second, MaxRow: 40, RecentFor: time.Hour}
			_, _, err := s.(store.TOTPs).ReserveTOTP(ctx, raceOwner("reserve", round), p)
			return err
		},
		lost: lostAs(store.ErrLimit),
		check: func(ctx context.Context, s raceStore, round int) error {
			t, err := s.(store.TOTPs).TOTP(ctx, raceOwner("reserve", round))
			if err == nil && t.Codes.Row != 40 {
				err = fmt.Errorf("%d guesses are counted", t.Codes.Row)
			}
			return err
		},
	},
	{
		name: "ConfirmTOTP",
		want: 1,
		prepare: func(ctx context.Context, s raceStore, round int) (string, error) {
			return "", s.(store.TOTPs).BeginTOTP(ctx, raceOwner("confirm", round), nil, raceSealed, raceNow.Add(time.Hour))
		},
		submit: func(ctx context.Context, s raceStore, round, caller int, _ string) error {
			return s.(store.TOTPs).ConfirmTOTP(ctx, raceOwner("confirm", round), raceSealed, int64(caller+1), nil, raceNow)
		},
		lost: lostAs(store.ErrConflict),
	},
	{
		name:    "RotateOAuthSecret with a grace",
		want:    1,
		prepare: prepareClient("grace"),
		submit:  rotateClient("grace", time.Hour),
		lost:    lostAs(store.ErrLimit),
		check:   wantLiveSecrets("grace", 2),
	},
	{
		name:    "RotateOAuthSecret without",
		want:    submitProcs * submitEach,
		prepare: prepareClient("at once"),
		submit:  rotateClient("at once", 0),
		check:   wantLiveSecrets("at once", 1),
	},
	{
		name: "ReplaceProviderToken",
		want: 1,
		prepare: func(ctx context.Context, s raceStore, round int) (string, error) {
			return "", s.(store.ProviderTokens).PutProviderToken(ctx, raceOwner("provider", round), "github", []byte("old"))
		},
		submit: func(ctx context.Context, s raceStore, round, caller int, _ string) error {
			return s.(store.ProviderTokens).ReplaceProviderToken(ctx, raceOwner("provider", round), "github", []byte("old"), fmt.Append(nil, "new ", caller))
		},
		lost: lostAs(store.ErrConflict),
		check: func(ctx context.Context, s raceStore, round int) error {
			sealed, err := s.(store.ProviderTokens).ProviderToken(ctx, raceOwner("provider", round), "github")
			if err == nil && !bytes.HasPrefix(sealed, []byte("new ")) {
				err = fmt.Errorf("what is there is %q", sealed)
			}
			return err
		},
	},
}

// raceSealed is a sealed secret: any bytes.
var raceSealed = []byte{1, 0, 0xff, '\''}

// managerOf is what each process has: the same keys and the same time.
func managerOf(s raceStore) (*totp.Manager, error) {
	key := store.DigestOf("a key of all processes")
	keys, err := authn.ParseKeychain(base64.StdEncoding.EncodeToString(key[:]))
	if err != nil {
		return nil, err
	}
	return totp.New(s.(store.TOTPs), keys, totp.Config{Issuer: "Acme", Now: func() time.Time { return raceNow }})
}

func verifyAs(ctx context.Context, s raceStore, subject, code string) error {
	m, err := managerOf(s)
	if err == nil {
		_, err = m.Verify(ctx, subject, code)
	}
	return err
}

// enrolRacer enrols by the code of raceNow, and answers what the phone keeps and
// the recovery codes.
func enrolRacer(ctx context.Context, s raceStore, subject string) (key string, recovery []authn.Secret, err error) {
	m, err := managerOf(s)
	if err != nil {
		return "", nil, err
	}
	id := authn.User(subject, "password", authn.Factor{Name: "pwd", At: raceNow})
	e, err := m.Begin(ctx, id, "ann@example.com")
	if err != nil {
		return "", nil, err
	}
	key = e.Secret.Reveal()
	_, recovery, err = m.Confirm(ctx, subject, codeAt(key, raceNow))
	return key, recovery, err
}

// codeAt is what an app shows (RFC 6238 §4.2, RFC 4226 §5.3).
func codeAt(key string, at time.Time) string {
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key)
	if err != nil {
		return err.Error()
	}
	mac := hmac.New(sha1.New, secret)
	_ = binary.Write(mac, binary.BigEndian, at.Unix()/30)
	sum := mac.Sum(nil)
	n := binary.BigEndian.Uint32(sum[sum[19]&0xf:]) & 0x7fffffff
	return fmt.Sprintf("%06d", n%1_000_000)
}

// prepareTOTP enrols what's subject at step 1, with ten recovery codes.
func prepareTOTP(what string) func(ctx context.Context, s raceStore, round int) (string, error) {
	return func(ctx context.Context, s raceStore, round int) (string, error) {
		return "", enrolStep(ctx, s.(store.TOTPs), raceOwner(what, round))
	}
}

func enrolStep(ctx context.Context, s store.TOTPs, subject string) error {
	var codes []store.Digest
	for i := range 10 {
		codes = append(codes, store.DigestOf(fmt.Sprint("code ", i)))
	}
	if err := s.BeginTOTP(ctx, subject, nil, raceSealed, raceNow.Add(time.Hour)); err != nil {
		return err
	}
	return s.ConfirmTOTP(ctx, subject, raceSealed, 1, codes, raceNow)
}

func wantRecoveryLeft(what string, n int) func(ctx context.Context, s raceStore, round int) error {
	return func(ctx context.Context, s raceStore, round int) error {
		t, err := s.(store.TOTPs).TOTP(ctx, raceOwner(what, round))
		if err == nil && len(t.Recovery) != n {
			err = fmt.Errorf("%d recovery codes are left, want %d", len(t.Recovery), n)
		}
		return err
	}
}

func raceClient(what string, round int) store.OAuthClient {
	return store.OAuthClient{
		ID: raceOwner(what, round), Name: "batch", AuthMethod: "client_secret_basic", CreatedAt: raceNow,
		Secrets: []store.ClientSecret{raceSecret("old")}, Scopes: []string{"orders:read"}, Revision: 1,
	}
}

func raceSecret(text string) store.ClientSecret {
	return store.ClientSecret{Digest: store.DigestOf(text), CreatedAt: raceNow}
}

func prepareClient(what string) func(ctx context.Context, s raceStore, round int) (string, error) {
	return func(ctx context.Context, s raceStore, round int) (string, error) {
		return "", s.(store.OAuthClients).CreateOAuthClient(ctx, raceClient(what, round))
	}
}

func rotateClient(what string, grace time.Duration) func(ctx context.Context, s raceStore, round, caller int, _ string) error {
	return func(ctx context.Context, s raceStore, round, caller int, _ string) error {
		return s.(store.OAuthClients).RotateOAuthSecret(ctx, raceOwner(what, round), raceSecret(fmt.Sprint(caller)), raceNow.Add(grace), raceNow)
	}
}

func wantLiveSecrets(what string, n int) func(ctx context.Context, s raceStore, round int) error {
	return func(ctx context.Context, s raceStore, round int) error {
		c, err := s.(store.OAuthClients).OAuthClient(ctx, raceOwner(what, round))
		live := 0
		for _, secret := range c.Secrets {
			if secret.Live(raceNow) {
				live++
			}
		}
		if err == nil && live != n {
			err = fmt.Errorf("%d secrets are live, want %d", live, n)
		}
		return err
	}
}

// submitProcesses starts two processes of this test binary, which open the
// backend with args, and lets callers of both submit the same at once.
func submitProcesses(t *testing.T, backend string, args ...string) {
	t.Helper()
	s, err := raceOpeners[backend](args)
	if err != nil {
		t.Fatal(err)
	}
	var crowds [submitProcs]*racer
	for i := range crowds {
		crowds[i] = startRacer(t, "TestSubmitter", i, append([]string{backend}, args...))
	}
	for n, c := range submitCases {
		ok := t.Run(c.name, func(t *testing.T) {
			for round := range submitRounds {
				secret, err := c.prepare(t.Context(), s, round)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range crowds {
					if _, err := fmt.Fprintln(r.in, n, round, secret); err != nil {
						t.Fatal(err)
					}
				}
				won := 0
				for i, r := range crowds {
					line, err := r.answer()
					if err != nil {
						t.Fatalf("process %d: %v", i, err)
					}
					var w int
					if _, err := fmt.Sscanf(line, "%d won", &w); err != nil {
						t.Fatalf("process %d: %s", i, line)
					}
					won += w
				}
				if won != c.want {
					t.Errorf("round %d: %d of %d won, want %d", round+1, won, submitProcs*submitEach, c.want)
				}
				if c.check == nil {
					continue
				}
				if err := c.check(t.Context(), s, round); err != nil {
					t.Errorf("after round %d: %v", round+1, err)
				}
			}
		})
		if !ok { // a late answer would be taken for one of the next case
			return
		}
	}
}

// TestSubmitter is one of the processes when it is started as one, and nothing
// otherwise. It answers how many won, or an error.
func TestSubmitter(t *testing.T) {
	answerTexts(t, func(s raceStore, text string, number int) string {
		var n, round int
		var secret string
		if _, err := fmt.Sscan(text, &n, &round, &secret); err != nil && secret != "" {
			return err.Error()
		}
		c := submitCases[n]
		var won atomic.Int64
		var failed atomic.Pointer[error]
		start := make(chan struct{})
		var wg sync.WaitGroup
		for i := range submitEach {
			wg.Go(func() {
				<-start
				switch err := c.submit(t.Context(), s, round, number*submitEach+i, secret); {
				case err == nil:
					won.Add(1)
				case c.lost == nil || !c.lost(err):
					failed.Store(&err)
				}
			})
		}
		close(start)
		wg.Wait()
		if err := failed.Load(); err != nil {
			return (*err).Error()
		}
		return fmt.Sprint(won.Load(), " won")
	})
}
