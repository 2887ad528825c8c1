package integration_test

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// replaysOfTOTPs is of TestRedisReplayedScripts. other is another client, and its
// connection loses nothing.
func replaysOfTOTPs(t *testing.T, s, other *redisstore.Store, p *lossyProxy) {
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	old, next := redisSealed("old"), redisSealed("next")
	enrol := func(t *testing.T, subject string) {
		t.Helper()
		wantErr(t, redisEnrol(ctx, other, subject, "old", now), nil)
	}
	free := redisGuesses
	free.Free = 1000
	reserve := func(t *testing.T, s *redisstore.Store, subject string, row int) {
		t.Helper()
		got, wait, err := s.ReserveTOTP(ctx, subject, free)
		if wantErr(t, err, nil); got.Codes.Row != row || wait != 0 {
			t.Errorf("guesses are %+v, wait %v, want %d in a row", got.Codes, wait, row)
		}
	}
	t.Run("BeginTOTP", func(t *testing.T) {
		confirm := func() { wantErr(t, other.ConfirmTOTP(ctx, "begin", old, 10, nil, now), nil) }
		p.loseWhile(t, 3, confirm, func() { wantErr(t, s.BeginTOTP(ctx, "begin", nil, old, now.Add(time.Hour)), nil) })
		if got := wantTOTP(t, other, "begin"); got.Unconfirmed != nil {
			t.Error("the replay has begun again")
		}
		p.lose(t, 2, func() { wantErr(t, s.BeginTOTP(ctx, "begin", nil, old, now), store.ErrConflict) })
	})
	t.Run("ConfirmTOTP", func(t *testing.T) {
		wantErr(t, other.BeginTOTP(ctx, "confirm", nil, old, now.Add(time.Hour)), nil)
		take := func() { _, err := other.TakeRecoveryCode(ctx, "confirm", redisCodes("a")[0]); wantErr(t, err, nil) }
		p.loseWhile(t, 3, take, func() { wantErr(t, s.ConfirmTOTP(ctx, "confirm", old, 10, redisCodes("a"), now), nil) })
		if got := wantTOTP(t, other, "confirm"); got.DeviceEpoch != 1 || len(got.Recovery) != 2 {
			t.Errorf("confirmed once: %+v", got)
		}
		p.lose(t, 2, func() { wantErr(t, s.ConfirmTOTP(ctx, "confirm", old, 11, nil, now), store.ErrConflict) })
	})
	t.Run("ReserveTOTP", func(t *testing.T) {
		enrol(t, "reserve")
		p.lose(t, 2, func() { reserve(t, s, "reserve", 1) })
		// With another guess in between it counts twice.
		p.loseWhile(t, 3, func() { reserve(t, other, "reserve", 3) }, func() { reserve(t, s, "reserve", 4) })
		gone := func() { wantErr(t, other.DeleteTOTP(ctx, "reserve", false), nil) }
		p.loseWhile(t, 3, gone, func() { _, _, err := s.ReserveTOTP(ctx, "reserve", free); wantErr(t, err, store.ErrNotFound) })
		enrolled := redisGuesses
		enrolled.Free = 0
		enrol(t, "waiting")
		p.lose(t, 2, func() { // and is not refused by the wait that it began
			_, wait, err := s.ReserveTOTP(ctx, "waiting", enrolled)
			if wantErr(t, err, nil); wait != 0 {
				t.Errorf("the first guess waits for %v", wait)
			}
		})
		p.lose(t, 2, func() {
			_, wait, err := s.ReserveTOTP(ctx, "waiting", enrolled)
			if wantErr(t, err, store.ErrLimit); wait <= 0 || wait > time.Minute {
				t.Errorf("the second guess waits for %v", wait)
			}
		})
	})
	t.Run("AcceptTOTP", func(t *testing.T) {
		enrol(t, "accept")
		for row := range 3 {
			reserve(t, other, "accept", row+1)
		}
		p.lose(t, 2, func() { wantErr(t, s.AcceptTOTP(ctx, "accept", old, 11, next), nil) })
		if got := wantTOTP(t, other, "accept"); got.Codes.Recent != 2 {
			t.Errorf("of 3 guesses one was right: %+v", got.Codes)
		}
		guess := func() { reserve(t, other, "accept", 1) }
		p.loseWhile(t, 3, guess, func() { wantErr(t, s.AcceptTOTP(ctx, "accept", next, 12, nil), nil) })
		later := func() { wantErr(t, other.AcceptTOTP(ctx, "accept", next, 20, nil), nil) }
		p.loseWhile(t, 3, later, func() { wantErr(t, s.AcceptTOTP(ctx, "accept", next, 13, nil), store.ErrConflict) })
		p.lose(t, 2, func() { wantErr(t, s.AcceptTOTP(ctx, "accept", next, 20, nil), store.ErrConflict) })
	})
	t.Run("TakeRecoveryCode", func(t *testing.T) {
		enrol(t, "take")
		codes := redisCodes("old")
		take := func(s *redisstore.Store, code, want int) {
			t.Helper()
			left, err := s.TakeRecoveryCode(ctx, "take", codes[code])
			if wantErr(t, err, nil); left != want {
				t.Errorf("%d codes are left, want %d", left, want)
			}
		}
		p.loseWhile(t, 3, func() { take(other, 1, 1) }, func() { take(s, 0, 2) })
		p.lose(t, 2, func() { _, err := s.TakeRecoveryCode(ctx, "take", codes[0]); wantErr(t, err, store.ErrNotFound) })
		p.lose(t, 2, func() { take(s, 2, 0) })
	})
	t.Run("ReplaceRecoveryCodes", func(t *testing.T) {
		enrol(t, "replace")
		others := func() { wantErr(t, other.ReplaceRecoveryCodes(ctx, "replace", old, redisCodes("b")), nil) }
		p.loseWhile(t, 3, others, func() { wantErr(t, s.ReplaceRecoveryCodes(ctx, "replace", old, redisCodes("a")), nil) })
		if got := wantTOTP(t, other, "replace"); got.Recovery[0] != redisCodes("b")[0] {
			t.Error("the replay brings codes back")
		}
	})
	t.Run("ForgetTOTPDevices", func(t *testing.T) {
		enrol(t, "forget")
		p.lose(t, 2, func() { wantErr(t, s.ForgetTOTPDevices(ctx, "forget"), nil) })
		if got := wantTOTP(t, other, "forget").DeviceEpoch; got != 2 {
			t.Errorf("the epoch is %d, want 2", got)
		}
		p.lose(t, 2, func() { wantErr(t, s.ForgetTOTPDevices(ctx, "nobody"), nil) })
	})
	t.Run("DeleteTOTP", func(t *testing.T) {
		enrol(t, "delete")
		again := func() {
			wantErr(t, other.BeginTOTP(ctx, "delete", nil, next, now.Add(time.Hour)), nil)
			wantErr(t, other.ConfirmTOTP(ctx, "delete", next, 11, nil, now), nil)
		}
		p.loseWhile(t, 4, again, func() { wantErr(t, s.DeleteTOTP(ctx, "delete", true), nil) })
		if got := wantTOTP(t, other, "delete"); got.Secret == nil || got.DeviceEpoch != 3 {
			t.Errorf("enrolled after the call: %+v", got)
		}
		p.lose(t, 2, func() { wantErr(t, s.DeleteTOTP(ctx, "nobody", true), nil) })
	})
}

// replaysOfOAuth is of TestRedisReplayedScripts, too: of OAuth clients and tokens
// of providers.
func replaysOfOAuth(t *testing.T, s, other *redisstore.Store, p *lossyProxy) {
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	later := now.Add(time.Hour)
	t.Run("CreateOAuthClient", func(t *testing.T) {
		c := redisOAuthClient("create", now)
		change := func() { wantErr(t, other.UpdateOAuthClient(ctx, c), nil) }
		p.loseWhile(t, 3, change, func() { wantErr(t, s.CreateOAuthClient(ctx, c), nil) })
		if got := wantOAuthClient(t, other, "create").Revision; got != 2 {
			t.Errorf("the Revision is %d, want 2", got)
		}
		p.lose(t, 2, func() { wantErr(t, s.CreateOAuthClient(ctx, c), store.ErrExists) })
	})
	t.Run("UpdateOAuthClient", func(t *testing.T) {
		first := redisOAuthClient("update", now)
		wantErr(t, other.CreateOAuthClient(ctx, first), nil)
		second := first
		second.Name, second.Revision = "second", 2
		update := func() { wantErr(t, other.UpdateOAuthClient(ctx, second), nil) }
		p.loseWhile(t, 3, update, func() { wantErr(t, s.UpdateOAuthClient(ctx, first), nil) })
		if got := wantOAuthClient(t, other, "update"); got.Revision != 3 || got.Name != "second" {
			t.Errorf("updated twice: %+v", got)
		}
		p.lose(t, 2, func() { wantErr(t, s.UpdateOAuthClient(ctx, second), store.ErrConflict) })
	})
	t.Run("RotateOAuthSecret", func(t *testing.T) {
		wantErr(t, other.CreateOAuthClient(ctx, redisOAuthClient("rotate", now)), nil)
		second, third := redisSecret("second", now), redisSecret("third", now)
		p.lose(t, 2, func() { wantErr(t, s.RotateOAuthSecret(ctx, "rotate", second, later, now), nil) })
		if got := wantOAuthClient(t, other, "rotate").Secrets; len(got) != 2 || got[1].Digest == second.Digest {
			t.Errorf("rotated once: %v", got)
		}
		p.lose(t, 2, func() { wantErr(t, s.RotateOAuthSecret(ctx, "rotate", third, later, now), store.ErrLimit) })
		leak := func() { wantErr(t, other.RotateOAuthSecret(ctx, "rotate", third, now, now), nil) }
		p.loseWhile(t, 3, leak, func() { wantErr(t, s.RotateOAuthSecret(ctx, "rotate", second, now, now), nil) })
		if got := wantOAuthClient(t, other, "rotate").Secrets; len(got) != 1 || got[0].Digest != third.Digest {
			t.Errorf("the replay brings a secret back: %v", got)
		}
	})
	t.Run("DisableOAuthClient", func(t *testing.T) {
		wantErr(t, other.CreateOAuthClient(ctx, redisOAuthClient("disable", now)), nil)
		for _, at := range []time.Time{now, later} {
			p.lose(t, 2, func() { wantErr(t, s.DisableOAuthClient(ctx, "disable", at), nil) })
		}
		if got := wantOAuthClient(t, other, "disable").DisabledAt; !got.Equal(now) {
			t.Errorf("disabled at %v, want %v", got, now)
		}
		p.lose(t, 2, func() { wantErr(t, s.DisableOAuthClient(ctx, "nobody", now), store.ErrNotFound) })
	})
	t.Run("PutProviderToken", func(t *testing.T) {
		remove := func() { wantErr(t, other.DeleteProviderToken(ctx, "ann", "put"), nil) }
		p.loseWhile(t, 3, remove, func() { wantErr(t, s.PutProviderToken(ctx, "ann", "put", []byte("1")), nil) })
		wantProviderToken(t, other, "ann", "put", "") // the replay does not bring it back
	})
	t.Run("ReplaceProviderToken", func(t *testing.T) {
		wantErr(t, other.PutProviderToken(ctx, "ann", "replace", []byte("1")), nil)
		replace := func(s *redisstore.Store, old, sealed string) error {
			return s.ReplaceProviderToken(ctx, "ann", "replace", []byte(old), []byte(sealed))
		}
		p.lose(t, 2, func() { wantErr(t, replace(s, "1", "2"), nil) })
		p.lose(t, 2, func() { wantErr(t, replace(s, "1", "3"), store.ErrConflict) })
		others := func() { wantErr(t, replace(other, "4", "5"), nil) }
		p.loseWhile(t, 3, others, func() { wantErr(t, replace(s, "2", "4"), store.ErrConflict) })
		wantProviderToken(t, other, "ann", "replace", "5")
	})
	t.Run("DeleteProviderToken", func(t *testing.T) {
		for what, remove := range map[string]func() error{
			"one": func() error { return s.DeleteProviderToken(ctx, "bob", "delete") },
			"all": func() error { return s.DeleteProviderTokensOf(ctx, "bob") },
		} {
			wantErr(t, other.PutProviderToken(ctx, "bob", "delete", []byte("before "+what)), nil)
			again := func() { wantErr(t, other.PutProviderToken(ctx, "bob", "delete", []byte("after "+what)), nil) }
			p.loseWhile(t, 3, again, func() { wantErr(t, remove(), nil) })
			wantProviderToken(t, other, "bob", "delete", "after "+what)
		}
		p.lose(t, 2, func() { wantErr(t, s.DeleteProviderToken(ctx, "nobody", "none"), nil) })
	})
}
