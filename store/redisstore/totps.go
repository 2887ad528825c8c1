package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/store"
)

// TOTP is of [store.TOTPs], as are the methods below. It is one HGETALL.
func (s *Store) TOTP(ctx context.Context, subject string) (store.TOTP, error) {
	if err := checkTOTPSubject(subject, store.ErrNotFound); err != nil {
		return store.TOTP{}, err
	}
	row, err := s.client.HGetAll(ctx, s.ofTag(store.TagOf(subject))+"totp:"+subject).Result()
	if err != nil {
		return store.TOTP{}, failed("read a TOTP", err)
	}
	if len(row) == 0 {
		return store.TOTP{}, store.ErrNotFound
	}
	return totpOf(subject, row)
}

func (s *Store) BeginTOTP(ctx context.Context, subject string, secret, sealed []byte, until time.Time) error {
	err := errors.Join(checkText("the subject", subject, maxOwner), checkSealed("what waits for its Confirm", sealed, maxSealed))
	if err != nil {
		return failed("begin a TOTP", err)
	}
	answer, err := s.changeTOTP(ctx, s.run, beginTOTPScript, subject, secret, sealed, micros(until))
	if err != nil {
		return failed("begin a TOTP", err)
	}
	return refusal(answer)
}

func (s *Store) ConfirmTOTP(ctx context.Context, subject string, sealed []byte, step int64, codes []store.Digest, now time.Time) error {
	if err := errors.Join(checkRecovery(codes), checkTOTPSubject(subject, store.ErrConflict)); err != nil {
		return err
	}
	if step <= 0 {
		return store.ErrConflict
	}
	answer, err := s.changeTOTP(ctx, s.deny, confirmTOTPScript, subject, sealed, fixedInt(step), joinDigests(codes), micros(now))
	if err != nil {
		return failed("confirm a TOTP", err)
	}
	return refusal(answer)
}

// ReserveTOTP does not wait for the replicas of Config.Wait: after a failover the
// last guesses may be forgotten. Replayed by the client it counts twice if others
// guess in between.
func (s *Store) ReserveTOTP(ctx context.Context, subject string, p store.GuessPolicy) (t store.TOTP, wait time.Duration, err error) {
	if err := errors.Join(checkGuessPolicy(p), checkTOTPSubject(subject, store.ErrNotFound)); err != nil {
		return store.TOTP{}, 0, err
	}
	counter := "codes"
	if p.Backup {
		counter = "backup"
	}
	answer, err := s.changeTOTP(ctx, s.run, reserveTOTPScript, subject, counter, s.clockOffset().Microseconds(),
		p.Free, microsUp(p.Wait), microsUp(p.MaxWait), p.MaxRow, p.MaxRecent, microsUp(p.RecentFor))
	if err != nil {
		return store.TOTP{}, 0, failed("reserve a guess at a TOTP", err)
	}
	list, ok := answer.([]any)
	if !ok || len(list) != 1 {
		return store.TOTP{}, 0, refusal(answer)
	}
	if left, ok := list[0].(int64); ok {
		return store.TOTP{}, ofMicros(left), store.ErrLimit
	}
	row := fieldsOf(list[0])
	if len(row) == 0 { // deleted before the replay
		return store.TOTP{}, 0, store.ErrNotFound
	}
	t, err = totpOf(subject, row)
	return t, 0, err
}

// AcceptTOTP replayed by the client answers ErrConflict where another code was
// accepted in between.
func (s *Store) AcceptTOTP(ctx context.Context, subject string, secret []byte, step int64, reseal []byte) error {
	if reseal != nil {
		if err := checkSealed("what is sealed again", reseal, maxSealed); err != nil {
			return failed("accept a code", err)
		}
	}
	if err := checkTOTPSubject(subject, store.ErrConflict); err != nil {
		return err
	}
	if step <= 0 {
		return store.ErrConflict
	}
	answer, err := s.changeTOTP(ctx, s.deny, acceptTOTPScript, subject, secret, fixedInt(step), reseal)
	if err != nil {
		return failed("accept a code", err)
	}
	return refusal(answer)
}

func (s *Store) TakeRecoveryCode(ctx context.Context, subject string, d store.Digest) (left int, err error) {
	if err := checkTOTPSubject(subject, store.ErrNotFound); err != nil {
		return 0, err
	}
	answer, err := s.changeTOTP(ctx, s.deny, takeRecoveryCodeScript, subject, d[:])
	if err != nil {
		return 0, failed("take a recovery code", err)
	}
	if list, ok := answer.([]any); ok && len(list) == 1 {
		if left, ok := list[0].(int64); ok {
			return int(left), nil
		}
	}
	return 0, refusal(answer)
}

func (s *Store) ReplaceRecoveryCodes(ctx context.Context, subject string, secret []byte, codes []store.Digest) error {
	if err := errors.Join(checkRecovery(codes), checkTOTPSubject(subject, store.ErrConflict)); err != nil {
		return err
	}
	answer, err := s.changeTOTP(ctx, s.deny, replaceRecoveryCodesScript, subject, secret, joinDigests(codes))
	if err != nil {
		return failed("replace recovery codes", err)
	}
	return refusal(answer)
}

func (s *Store) ForgetTOTPDevices(ctx context.Context, subject string) error {
	if checkText("", subject, maxOwner) != nil {
		return nil // nobody has this name
	}
	answer, err := s.changeTOTP(ctx, s.deny, forgetTOTPDevicesScript, subject)
	if err != nil {
		return failed("forget the devices of a TOTP", err)
	}
	return refusal(answer)
}

// DeleteTOTP keeps what is left for 13 months, and anew each time.
func (s *Store) DeleteTOTP(ctx context.Context, subject string, forgive bool) error {
	if checkText("", subject, maxOwner) != nil {
		return nil // nobody has this name
	}
	answer, err := s.changeTOTP(ctx, s.deny, deleteTOTPScript, subject, forgive)
	if err != nil {
		return failed("delete a TOTP", err)
	}
	return refusal(answer)
}

// changeTOTP runs a script of what is kept of subject.
func (s *Store) changeTOTP(ctx context.Context, send sender, script *redis.Script, subject string, args ...any) (any, error) {
	return remembered(ctx, send, script, s.declaredOf(store.TagOf(subject)), append([]any{subject}, args...)...)
}

// joinDigests is all of ds, one after the other.
func joinDigests(ds []store.Digest) []byte {
	b := make([]byte, 0, len(ds)*len(store.Digest{}))
	for _, d := range ds {
		b = append(b, d[:]...)
	}
	return b
}

// totpOf reads a row, of which scripts/totps.lua has the format.
func totpOf(subject string, row map[string]string) (store.TOTP, error) {
	r := reader{row: row}
	t := store.TOTP{
		Subject: subject, Secret: optional(row["secret"]), Unconfirmed: optional(row["unconfirmed"]),
		EnrolledAt: r.at("enrolled"), BeginsUntil: r.at("until"), Step: r.int("step"), Recovery: r.digests("recovery"),
		Codes: r.guesses("codes"), Backup: r.guesses("backup"), DeviceEpoch: r.int("epoch"),
	}
	if r.err != nil {
		return store.TOTP{}, fmt.Errorf("authn/redisstore: %w: a TOTP: %w", store.ErrDamaged, r.err)
	}
	return t, nil
}

// optional is nil for "".
func optional(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}

func (r *reader) digests(field string) (ds []store.Digest) {
	text := r.row[field]
	for len(text) >= len(store.Digest{}) {
		ds = append(ds, store.Digest([]byte(text[:len(store.Digest{})])))
		text = text[len(store.Digest{}):]
	}
	if text != "" && r.err == nil {
		r.err = errors.New("a digest is cut off")
	}
	return ds
}

func (r *reader) guesses(field string) (g store.Guesses) {
	text, ok := r.row[field]
	if !ok || r.err != nil {
		return g
	}
	var n [4]int64
	for i := range n {
		var part string
		if part, text, ok = strings.Cut(text, " "); !ok {
			r.err = errors.New("guesses are cut off")
			return g
		}
		u, err := strconv.ParseUint(part, 10, 63)
		n[i], r.err = int64(u), errors.Join(r.err, err)
	}
	return store.Guesses{Row: int(n[0]), Recent: int(n[1]), RecentAt: timeOr0(n[2]), WaitUntil: timeOr0(n[3])}
}

// timeOr0 is the zero time for 0.
func timeOr0(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}
