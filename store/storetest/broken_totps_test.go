package storetest_test

import (
	"bytes"
	"context"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenTOTPs = []brokenStore{
	{"sealed secrets end at a NUL", "TOTPs/totp_keeps_every_field", codesWith(func(s *plainTOTPs) {
		s.read = func(t *store.TOTP) { t.Unconfirmed, _, _ = bytes.Cut(t.Unconfirmed, []byte{0}) }
	})},
	{"enrolled in whole seconds", "TOTPs/totp_keeps_every_field", codesWith(func(s *plainTOTPs) {
		s.read = func(t *store.TOTP) { t.EnrolledAt = t.EnrolledAt.Truncate(time.Second) }
	})},
	{"steps of 32 bits", "TOTPs/totp_keeps_every_field", codesWith(func(s *plainTOTPs) {
		s.read = func(t *store.TOTP) { t.Step = int64(int32(t.Step)) }
	})},
	{"ten recovery codes at most", "TOTPs/totp_keeps_every_field", codesAfter("confirm", func(_ store.TOTP, is *store.TOTP) {
		is.Recovery = is.Recovery[:min(len(is.Recovery), 10)]
	})},
	{"deleting makes a record", "TOTPs/missing_totps", func(e *edited) any { return &deletesNobody{newPlainTOTPs(e.offset)} }},
	{"subjects in any case", "TOTPs/totp_subjects_compare_bytewise", codesWith(func(s *plainTOTPs) { s.key = strings.ToLower })},
	{"subjects without spaces at the end", "TOTPs/totp_subjects_compare_bytewise", codesWith(func(s *plainTOTPs) {
		s.key = func(subject string) string { return strings.TrimRight(subject, " ") }
	})},
	{"answers what is kept itself", "TOTPs/totp_answers_do_not_change", codesWith(func(s *plainTOTPs) { s.shared = true })},
	{"forgets no device", "TOTPs/forget_totp_devices", codesAfter("forget", func(was store.TOTP, is *store.TOTP) { *is = was })},
	{"forgets guesses with the devices", "TOTPs/forget_totp_devices", codesAfter("forget", func(_ store.TOTP, is *store.TOTP) { is.Codes = store.Guesses{} })},
	{"deletes the step", "TOTPs/delete_totp", codesAfter("delete", func(_ store.TOTP, is *store.TOTP) { is.Step = 0 })},
	{"deletes the epoch", "TOTPs/delete_totp", codesAfter("delete", func(_ store.TOTP, is *store.TOTP) { is.DeviceEpoch = 0 })},
	{"deleting forgives", "TOTPs/delete_totp", codesAfter("delete", func(_ store.TOTP, is *store.TOTP) { is.Codes, is.Backup = store.Guesses{}, store.Guesses{} })},
	{"deleting leaves what waits", "TOTPs/delete_totp", codesAfter("delete", func(was store.TOTP, is *store.TOTP) {
		is.Unconfirmed, is.BeginsUntil = was.Unconfirmed, was.BeginsUntil
	})},
	{"deleting never forgives", "TOTPs/delete_totp_that_forgives", codesAfter("delete", func(was store.TOTP, is *store.TOTP) { is.Codes, is.Backup = was.Codes, was.Backup })},
	{"forgiving deletes the step", "TOTPs/delete_totp_that_forgives", codesAfter("delete", func(_ store.TOTP, is *store.TOTP) {
		if is.Codes == (store.Guesses{}) {
			is.Step = 0
		}
	})},
	{"cleans what was deleted", "TOTPs/cleaning_spares_totps", func(e *edited) any { return &cleansTOTPs{newPlainTOTPs(e.offset)} }},
	{"totp calls panic without a context", "TOTPs/totp_calls_with_an_ended_context", func(e *edited) any { return &panicsOnTOTP{newPlainTOTPs(e.offset)} }},

	{"beginning ends the enrolment", "TOTPs/begin_totp_changes_nothing_else", codesAfter("begin", func(_ store.TOTP, is *store.TOTP) { is.Secret = nil })},
	{"beginning forgets guesses", "TOTPs/begin_totp_changes_nothing_else", codesAfter("begin", func(_ store.TOTP, is *store.TOTP) { is.Codes.Row = 0 })},
	{"begins once", "TOTPs/begin_totp_changes_nothing_else", codesAfter("begin", func(was store.TOTP, is *store.TOTP) {
		if was.Unconfirmed != nil {
			*is = was
		}
	})},
	{"begins whatever is there", "TOTPs/begin_totp_compares_the_secret", codesWith(func(s *plainTOTPs) {
		s.says["begin"] = func(store.TOTP, error) error { return nil }
	})},
	{"compares secrets in any case", "TOTPs/begin_totp_compares_the_secret", codesWith(func(s *plainTOTPs) { s.secret = bytes.EqualFold })},
	{"confirming leaves what waits", "TOTPs/confirm_totp", codesAfter("confirm", func(was store.TOTP, is *store.TOTP) { is.Unconfirmed = was.Unconfirmed })},
	{"confirming leaves devices good", "TOTPs/confirm_totp", codesAfter("confirm", func(was store.TOTP, is *store.TOTP) { is.DeviceEpoch = was.DeviceEpoch })},
	{"confirming keeps recovery codes", "TOTPs/confirm_totp", codesAfter("confirm", func(was store.TOTP, is *store.TOTP) {
		is.Recovery = append(is.Recovery, was.Recovery...)
	})},
	{"confirming forgets all guesses", "TOTPs/confirm_totp", codesAfter("confirm", func(_ store.TOTP, is *store.TOTP) { is.Codes = store.Guesses{} })},
	{"confirming leaves the wait", "TOTPs/confirm_totp", codesAfter("confirm", func(was store.TOTP, is *store.TOTP) { is.Codes.WaitUntil = was.Codes.WaitUntil })},
	{"confirms at the end", "TOTPs/confirm_totp_refuses", func(e *edited) any { return &confirmsLate{newPlainTOTPs(e.offset)} }},
	{"a refused confirm changes something", "TOTPs/confirm_totp_refuses", codesWith(func(s *plainTOTPs) {
		s.then["confirm"] = func(was store.TOTP, is *store.TOTP, err error) {
			if step := is.Step; err != nil {
				*is = was
				is.Step = max(is.Step, step)
			}
		}
	})},
	{"looks, then confirms", "TOTPs/confirm_totp_has_one_winner", codesWith(func(s *plainTOTPs) { s.races = "confirm" })},

	{"answers what was before the guess", "TOTPs/reserve_totp_counts_first", func(e *edited) any { return &answersBefore{newPlainTOTPs(e.offset)} }},
	{"counts guesses at secrets only", "TOTPs/reserve_totp_counts_first", codesWith(func(s *plainTOTPs) {
		s.then["reserve"] = func(was store.TOTP, is *store.TOTP, _ error) {
			if is.Secret == nil {
				*is = was
			}
		}
	})},
	{"one counter of codes and recovery codes", "TOTPs/codes_and_recovery_codes_count_apart", codesAfter("reserve", func(_ store.TOTP, is *store.TOTP) {
		row := max(is.Codes.Row, is.Backup.Row)
		is.Codes.Row, is.Backup.Row = row, row
	})},
	{"waits without doubling", "TOTPs/reserve_totp_waits", countsWith(func(g store.Guesses, p store.GuessPolicy, now time.Time) (store.Guesses, time.Duration, error) {
		p.MaxWait = p.Wait
		return g.Count(p, now)
	})},
	{"waits without an end", "TOTPs/reserve_totp_waits", countsWith(func(g store.Guesses, p store.GuessPolicy, now time.Time) (store.Guesses, time.Duration, error) {
		p.MaxWait = 1000 * time.Hour
		return g.Count(p, now)
	})},
	{"free guesses are one more", "TOTPs/reserve_totp_waits", countsWith(func(g store.Guesses, p store.GuessPolicy, now time.Time) (store.Guesses, time.Duration, error) {
		p.Free++
		return g.Count(p, now)
	})},
	{"waits by another clock", "TOTPs/reserve_totp_waits", countsWith(func(g store.Guesses, p store.GuessPolicy, _ time.Time) (store.Guesses, time.Duration, error) {
		return g.Count(p, time.Now())
	})},
	{"a refused guess counts", "TOTPs/refused_guess_changes_nothing", codesWith(func(s *plainTOTPs) {
		s.then["reserve"] = func(_ store.TOTP, is *store.TOTP, err error) {
			if err != nil {
				is.Codes.Row++
			}
		}
	})},
	{"a refused guess prolongs the wait", "TOTPs/refused_guess_changes_nothing", countsWith(func(g store.Guesses, p store.GuessPolicy, now time.Time) (store.Guesses, time.Duration, error) {
		next, wait, err := g.Count(p, now)
		if err != nil && wait > 0 {
			next.WaitUntil = now.Add(p.Wait)
		}
		return next, wait, err
	})},
	{"stops after one more", "TOTPs/guesses_in_a_row_stop", countsWith(func(g store.Guesses, p store.GuessPolicy, now time.Time) (store.Guesses, time.Duration, error) {
		p.MaxRow++
		return g.Count(p, now)
	})},
	{"stops for a week", "TOTPs/guesses_in_a_row_stop", countsWith(func(g store.Guesses, p store.GuessPolicy, now time.Time) (store.Guesses, time.Duration, error) {
		if g.Stopped(p) && now.After(g.RecentAt.Add(168*time.Hour)) {
			g = store.Guesses{}
		}
		return g.Count(p, now)
	})},
	{"a right code clears all guesses", "TOTPs/recent_guesses_stop", codesAfter("accept", func(_ store.TOTP, is *store.TOTP) { is.Codes.Recent = 0 })},
	{"stops while guesses are recent", "TOTPs/recent_guesses_stop", countsWith(func(g store.Guesses, p store.GuessPolicy, now time.Time) (store.Guesses, time.Duration, error) {
		if !now.Before(g.RecentAt.Add(p.RecentFor)) {
			g.Recent = 0
		}
		return g.Count(p, now)
	})},
	{"counts recent guesses for ever", "TOTPs/recent_guesses_begin_anew", countsWith(func(g store.Guesses, p store.GuessPolicy, now time.Time) (store.Guesses, time.Duration, error) {
		p.RecentFor = 1e6 * time.Hour
		return g.Count(p, now)
	})},
	{"counts recent guesses since a right one", "TOTPs/recent_guesses_begin_anew", countsWith(func(g store.Guesses, p store.GuessPolicy, now time.Time) (store.Guesses, time.Duration, error) {
		began := g.RecentAt
		next, wait, err := g.Count(p, now)
		if now.Before(began.Add(p.RecentFor)) {
			next.RecentAt = began
		}
		return next, wait, err
	})},
	{"each guess makes the others recent", "TOTPs/recent_guesses_begin_anew", countsWith(func(g store.Guesses, p store.GuessPolicy, now time.Time) (store.Guesses, time.Duration, error) {
		next, wait, err := g.Count(p, now)
		next.RecentAt = now
		return next, wait, err
	})},
	{"looks at a counter, then counts", "TOTPs/guesses_are_exact_in_a_race", codesWith(func(s *plainTOTPs) { s.races = "reserve" })},

	{"a right code leaves the wait", "TOTPs/accept_totp", codesAfter("accept", func(was store.TOTP, is *store.TOTP) { is.Codes.WaitUntil = was.Codes.WaitUntil })},
	{"a right code clears recovery codes' guesses", "TOTPs/accept_totp", codesAfter("accept", func(_ store.TOTP, is *store.TOTP) { is.Backup = store.Guesses{} })},
	{"fewer guesses than none", "TOTPs/accept_totp", codesAfter("accept", func(was store.TOTP, is *store.TOTP) { is.Codes.Recent = was.Codes.Recent - 1 })},
	{"steps go on by one", "TOTPs/accept_totp", codesAfter("accept", func(was store.TOTP, is *store.TOTP) { is.Step = was.Step + 1 })},
	{"accepts a step again", "TOTPs/accept_totp_refuses", codesWith(func(s *plainTOTPs) {
		s.says["accept"] = func(store.TOTP, error) error { return nil }
	})},
	{"a refused code goes back", "TOTPs/accept_totp_refuses", codesWith(func(s *plainTOTPs) {
		s.then["accept"] = func(store.TOTP, *store.TOTP, error) {}
	})},
	{"accepts codes of any secret", "TOTPs/accept_totp_refuses", codesWith(func(s *plainTOTPs) { s.secret = func(_, _ []byte) bool { return true } })},
	{"seals nothing again", "TOTPs/accept_totp_seals_again", codesAfter("accept", func(was store.TOTP, is *store.TOTP) { is.Secret = was.Secret })},
	{"looks at the step, then accepts", "TOTPs/accept_totp_has_one_winner", codesWith(func(s *plainTOTPs) { s.races = "accept" })},

	{"a recovery code stays", "TOTPs/take_recovery_code", codesAfter("take", func(was store.TOTP, is *store.TOTP) { is.Recovery = was.Recovery })},
	{"a recovery code leaves the guesses", "TOTPs/take_recovery_code", codesAfter("take", func(was store.TOTP, is *store.TOTP) { is.Codes = was.Codes })},
	{"a recovery code uses up all", "TOTPs/take_recovery_code", codesAfter("take", func(_ store.TOTP, is *store.TOTP) { is.Recovery = nil })},
	{"a wrong recovery code forgives", "TOTPs/unknown_recovery_code", codesWith(func(s *plainTOTPs) {
		s.then["take"] = func(store.TOTP, *store.TOTP, error) {}
	})},
	{"looks for a recovery code, then takes it", "TOTPs/take_recovery_code_has_one_winner", codesWith(func(s *plainTOTPs) { s.races = "take" })},
	{"adds recovery codes", "TOTPs/replace_recovery_codes", codesAfter("replace", func(was store.TOTP, is *store.TOTP) { is.Recovery = append(is.Recovery, was.Recovery...) })},
	{"new recovery codes forgive", "TOTPs/replace_recovery_codes", codesAfter("replace", func(_ store.TOTP, is *store.TOTP) { is.Codes = store.Guesses{} })},
	{"recovery codes of any secret", "TOTPs/replace_recovery_codes_compares_the_secret", codesWith(func(s *plainTOTPs) {
		s.says["replace"] = func(store.TOTP, error) error { return nil }
	})},
}

// countsWith is a plainTOTPs that counts otherwise.
func countsWith(count func(g store.Guesses, p store.GuessPolicy, now time.Time) (store.Guesses, time.Duration, error)) func(*edited) any {
	return codesWith(func(s *plainTOTPs) {
		s.count = count
		s.then["reserve"] = func(store.TOTP, *store.TOTP, error) {}
	})
}

type deletesNobody struct{ *plainTOTPs }

func (s *deletesNobody) DeleteTOTP(_ context.Context, subject string, _ bool) error {
	return s.change("delete", subject, nil, true, func(*store.TOTP) error { return nil })
}

// cleansTOTPs deletes what has been deleted for a quarter, when it is asked.
type cleansTOTPs struct{ *plainTOTPs }

func (s *cleansTOTPs) TOTP(ctx context.Context, subject string) (store.TOTP, error) {
	t, err := s.plainTOTPs.TOTP(ctx, subject)
	if err == nil && t.Secret == nil && s.now().Sub(t.Codes.RecentAt) > 90*24*time.Hour {
		return store.TOTP{}, store.ErrNotFound
	}
	return t, err
}

type confirmsLate struct{ *plainTOTPs }

func (s *confirmsLate) ConfirmTOTP(ctx context.Context, subject string, sealed []byte, step int64, codes []store.Digest, now time.Time) error {
	return s.plainTOTPs.ConfirmTOTP(ctx, subject, sealed, step, codes, now.Add(-time.Microsecond))
}

type answersBefore struct{ *plainTOTPs }

func (s *answersBefore) ReserveTOTP(ctx context.Context, subject string, p store.GuessPolicy) (store.TOTP, time.Duration, error) {
	was, _ := s.TOTP(ctx, subject)
	_, wait, err := s.plainTOTPs.ReserveTOTP(ctx, subject, p)
	return was, wait, err
}

type panicsOnTOTP struct{ *plainTOTPs }

func (s *panicsOnTOTP) TOTP(ctx context.Context, subject string) (store.TOTP, error) {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	return s.plainTOTPs.TOTP(ctx, subject)
}
