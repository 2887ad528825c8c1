package integration_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// D5, D8: damaged rows are errors, and never an open door; what cannot be read
// can be revoked and unlocked.
func TestRedisDamagedAccounts(t *testing.T) {
	c := redisClient(t, nil)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "hurt:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	p := redisPassword("ann")
	wantErr(t, s.CreatePassword(ctx, p, now), nil)
	for _, bad := range []string{"", "no NUL", "\x00no subject"} {
		wantErr(t, c.Set(ctx, "hurt:{hurt:passwords}name:"+p.Name, bad, 0).Err(), nil)
		_, err := s.PasswordByName(ctx, p.Name)
		wantErr(t, err, store.ErrDamaged)
		_, err = s.PasswordBySubject(ctx, "ann")
		wantErr(t, err, store.ErrDamaged)
		wantErr(t, s.ReplacePasswordHash(ctx, "ann", p.Hash, "next", now), store.ErrConflict)
	}
	wantErr(t, s.DeletePassword(ctx, "ann"), nil)
	wantErr(t, s.CreatePassword(ctx, p, now), nil)

	link := redisOneTime("ann", "link", now)
	good := fmt.Sprintf("%020d%020d", link.ExpiresAt.UnixMicro(), now.UnixMicro())
	for _, bad := range []string{"", "oops", good, good + "reset", good + "reset\x00ann", strings.Repeat("x", 40) + "reset\x00ann\x00", good + "\x00ann\x00\x00"} {
		wantErr(t, s.CreateOneTime(ctx, link, 0, now), nil)
		wantErr(t, c.Set(ctx, "hurt:{hurt:onetime}token:"+link.Digest.String(), bad, 0).Err(), nil)
		_, err := s.OneTimeByDigest(ctx, link.Digest, now)
		wantErr(t, err, store.ErrDamaged)
		_, err = s.ClaimOneTime(ctx, link.Digest, now)
		if wantOutage(t, err); t.Failed() {
			t.Fatalf("with the row %q", bad)
		}
		wantErr(t, s.RevokeOneTimeOf(ctx, "ann"), nil)
		_, err = s.OneTimeByDigest(ctx, link.Digest, now)
		wantErr(t, err, store.ErrNotFound)
	}

	window, gcra, attempt := redisWindow("ann", 3), redisGCRA("ann", 3), redisAttempt("ann", "", 3)
	wantTaken(t, s, []store.LimitTake{window, gcra}, 2, 2)
	wantReserved(t, s, 0, attempt)
	var counters []string
	for all := c.Scan(ctx, 0, "hurt:*", 1000).Iterator(); all.Next(ctx); {
		switch key := all.Val(); {
		case strings.Contains(key, "}limit:"):
			counters = append(counters, key)
		case strings.Contains(key, "}attempts:"):
			field := c.HKeys(ctx, key).Val()[0]
			for _, bad := range []string{"", "\xc1", "\x90", "\x01", "\x92\xa1x\xa1x"} {
				wantErr(t, c.HSet(ctx, key, field, bad).Err(), nil)
				_, err := s.ReserveAttempts(ctx, []store.AttemptTake{attempt})
				if wantOutage(t, err); t.Failed() {
					t.Fatalf("with the attempts %q", bad)
				}
			}
			wantErr(t, s.UnlockAttempts(ctx, attempt.Policy, attempt.Key), nil)
			wantReserved(t, s, 0, attempt)
		}
	}
	if len(counters) != 2 {
		t.Errorf("the counters are %q, want 2", counters)
	}
	for _, bad := range []string{"", "\xc1", "\x90", "\x01", "\x93\xa1x\xa1x\xa1x"} { // of msgpack
		for _, key := range counters {
			wantErr(t, c.Set(ctx, key, bad, 0).Err(), nil)
		}
		for _, l := range []store.LimitTake{window, gcra} {
			_, err := takeOf(ctx, s, l)
			if wantOutage(t, err); t.Failed() {
				t.Fatalf("%s with the counter %q", l.Policy, bad)
			}
		}
	}
}

// D5, R8: what the contract rules out is refused before the server sees it;
// looked up, it is not there.
func TestRedisRefusesAccountsThatNoStoreTakes(t *testing.T) {
	s, refused, unasked := redisRefusals(t)
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	good := redisOneTime("ann", "good", now)
	for text, most := range map[string]int{
		"nul\x00in it": 0, "\xff\xfe not UTF-8": 0, strings.Repeat("x", 65): 64, strings.Repeat("é", 128): 255,
		strings.Repeat("x", 513): 512, strings.Repeat("x", 1025): 1024,
	} {
		// bad is for a field that takes up to limit bytes.
		bad := func(limit int, what string, call func() error, want error) {
			t.Helper()
			if most > 0 && limit > most {
				return
			}
			if err := call(); want != nil {
				wantErr(t, err, want)
			} else {
				refused(fmt.Sprintf("%s %.20q", what, text), err)
			}
		}
		password := func(change func(p *store.Password)) func() error {
			p := redisPassword("ann")
			change(&p)
			return func() error { return s.CreatePassword(ctx, p, now) }
		}
		link := func(change func(l *store.OneTimeToken)) func() error {
			l := good
			change(&l)
			return func() error { return s.CreateOneTime(ctx, l, 0, now) }
		}
		bad(255, "CreatePassword, Subject", password(func(p *store.Password) { p.Subject = text }), nil)
		bad(255, "CreatePassword, Name", password(func(p *store.Password) { p.Name = text }), nil)
		bad(1024, "CreatePassword, Hash", password(func(p *store.Password) { p.Hash = text }), nil)
		bad(1024, "ReplacePasswordHash, next", func() error { return s.ReplacePasswordHash(ctx, "ann", "", text, now) }, nil)
		bad(1024, "ReplacePasswordHash, old", func() error { return s.ReplacePasswordHash(ctx, "ann", text, "", now) }, store.ErrConflict)
		bad(255, "ReplacePasswordHash, subject", func() error { return s.ReplacePasswordHash(ctx, text, "", "", now) }, store.ErrConflict)
		bad(255, "PasswordByName", func() error { _, err := s.PasswordByName(ctx, text); return err }, store.ErrNotFound)
		bad(255, "PasswordBySubject", func() error { _, err := s.PasswordBySubject(ctx, text); return err }, store.ErrNotFound)
		if most == 0 || most >= 255 {
			wantErr(t, s.DeletePassword(ctx, text), nil)
		}
		bad(64, "CreateOneTime, Purpose", link(func(l *store.OneTimeToken) { l.Purpose = text }), nil)
		bad(255, "CreateOneTime, Subject", link(func(l *store.OneTimeToken) { l.Subject = text }), nil)
		bad(512, "CreateOneTime, Bound", link(func(l *store.OneTimeToken) { l.Bound = text }), nil)
		bad(255, "RevokeOneTimeOf", func() error { return s.RevokeOneTimeOf(ctx, text) }, nil)
	}
	for what, err := range map[string]error{
		"CreatePassword without a Subject": s.CreatePassword(ctx, store.Password{Name: "ann"}, now),
		"CreatePassword without a Name":    s.CreatePassword(ctx, store.Password{Subject: "ann"}, now),
		"CreateOneTime without a Purpose":  s.CreateOneTime(ctx, store.OneTimeToken{Subject: "ann", CreatedAt: now, ExpiresAt: now}, 0, now),
		"CreateOneTime without CreatedAt":  s.CreateOneTime(ctx, store.OneTimeToken{Purpose: "reset", ExpiresAt: now}, 0, now),
		"CreateOneTime without an end":     s.CreateOneTime(ctx, store.OneTimeToken{Purpose: "reset", CreatedAt: now}, 0, now),
	} {
		refused(what, err)
	}

	gcra, endless := redisGCRA("ann", 1), redisGCRA("ann", 1)
	gcra.Burst, endless.Burst, endless.Period = math.MaxInt, 2, math.MaxInt64
	for what, takes := range map[string][]store.LimitTake{
		"a burst of centuries": {gcra},
		"centuries for one":    {endless},
		"one counter twice":    {redisWindow("ann", 1), redisWindow("bob", 1), redisWindow("ann", 2)},
	} {
		_, err := takeOf(ctx, s, takes...)
		refused("TakeLimits of "+what, err)
	}
	twice := []store.AttemptTake{redisAttempt("ann", "a", 1), redisAttempt("ann", "a", 2)}
	_, err := s.ReserveAttempts(ctx, twice)
	refused("ReserveAttempts of one counter twice", err)
	refused("SettleAttempts of one counter twice", s.SettleAttempts(ctx, twice, true))
	unasked()
}

// D5, R8: names and values are bytes to Redis: none of them is a pattern, a hash
// tag or a length.
func TestRedisAwkwardAccounts(t *testing.T) {
	s := openRedis(t, redisCluster(t), redisstore.Config{})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	for i, text := range []string{
		"🔑 ключ", "{other slot}", "}{", "*", "a\r\nFLUSHALL\r\n", "]] redis.call('FLUSHALL') --[[", "%s%d", "<&>\"\\", "nan", "-1", "1:",
		"name:x", "\x01", " ", strings.Repeat("g", 64),
	} {
		p := store.Password{Subject: text, Name: text, Hash: text}
		wantErr(t, s.CreatePassword(ctx, p, now), nil)
		wantErr(t, s.CreatePassword(ctx, p, now), store.ErrExists)
		wantErr(t, s.ReplacePasswordHash(ctx, text, text, "", now), nil)
		wantErr(t, s.ReplacePasswordHash(ctx, text, "", text, now), nil)
		if got, err := s.PasswordByName(ctx, text); err != nil || got != p {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
		if got, err := s.PasswordBySubject(ctx, text); err != nil || got != p {
			t.Errorf("%q by subject: got %+v, %v", text, got, err)
		}
		link := redisOneTime(text, fmt.Sprint(i), now)
		link.Purpose, link.Bound = text, strings.Repeat(text, 512/len(text))
		wantErr(t, s.CreateOneTime(ctx, link, 1, now), nil)
		second := redisOneTime(text, fmt.Sprint(i, " second"), now)
		second.Purpose = text
		wantErr(t, s.CreateOneTime(ctx, second, 1, now), store.ErrLimit)
		if got, err := s.ClaimOneTime(ctx, link.Digest, now); err != nil || got != link {
			t.Errorf("%q: claimed %+v, %v, want %+v", text, got, err, link)
		}
		wantErr(t, s.CreateOneTime(ctx, second, 1, now), nil)
		wantErr(t, s.RevokeOneTimeOf(ctx, text), nil)
		_, err := s.OneTimeByDigest(ctx, second.Digest, now)
		wantErr(t, err, store.ErrNotFound)
		for _, name := range []string{text, text + "\x00", text + "\xff"} { // counters take all bytes
			l, a := redisWindow(name, 2), redisAttempt(name, name, 1)
			l.Policy, a.Policy = name, name
			wantTaken(t, s, []store.LimitTake{l}, 1)
			wantReserved(t, s, 0, a)
			wantReserved(t, s, 10*time.Minute, a)
		}
	}
}
