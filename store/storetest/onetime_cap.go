package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func oneTimeCapCases() []oneTimeCase {
	return []oneTimeCase{
		{
			name: "one_time_cap_refuses_one_more",
			rule: "CreateOneTime answers ErrLimit when the subject has max live tokens of the purpose or more; zero is no cap",
			test: oneTimeCapRefusesOneMore,
		},
		{
			name: "one_time_cap_is_of_a_subject_and_a_purpose",
			rule: "max is how many live tokens of one purpose a subject may have: others' and other purposes' do not count, and both compare bytewise",
			test: oneTimeCapIsOfASubjectAndAPurpose,
		},
		{
			name: "one_time_cap_counts_live_tokens",
			rule: "max counts tokens that are live at now, the caller's: not those that have ended, were claimed or were revoked",
			test: oneTimeCapCountsLiveTokens,
		},
		{
			name: "one_time_cap_holds_in_a_race",
			rule: "of concurrent CreateOneTime no more win than max has room for, the others get ErrLimit",
			test: oneTimeCapHoldsInARace,
		},
	}
}

// link says when one token more is not answered want.
func link(t *testing.T, s store.OneTime, k store.OneTimeToken, most int, now time.Time, want error, what string) {
	t.Helper()
	wantErr(t, s.CreateOneTime(t.Context(), k, most, now), want, "one token more for %q of %q, %s", k.Purpose, k.Subject, what)
}

func oneTimeCapRefusesOneMore(t *testing.T, s store.OneTime) {
	now := today()
	for i := range 3 {
		link(t, s, newOneTime("ann", fmt.Sprint(i), now), 3, now, nil, "who has fewer than 3 of 3")
	}
	more := newOneTime("ann", "more", now)
	for most := 1; most <= 3; most++ {
		link(t, s, more, most, now, store.ErrLimit, fmt.Sprintf("who has 3 of %d", most))
	}
	noOneTime(t, s, more.Digest, now, "it was refused")
	for i := range 3 {
		wantOneTime(t, s, newOneTime("ann", fmt.Sprint(i), now), now)
	}
	link(t, s, more, 4, now, nil, "who has 3 of 4")
	link(t, s, newOneTime("ann", "last", now), 0, now, nil, "without a cap")
	wantClaimed(t, s, more, now)
}

func oneTimeCapIsOfASubjectAndAPurpose(t *testing.T, s store.OneTime) {
	now := today()
	createOneTimes(t, s, newOneTime("ann", "a", now), newOneTime("ann", "b", now))
	link(t, s, newOneTime("una", "c", now), 1, now, nil, "who has none")
	link(t, s, oneTimeOf("ann", "magic", "d", now), 1, now, nil, "who has none for that")
	link(t, s, newOneTime("ann", "e", now), 1, now, store.ErrLimit, "who has two")
	for i, pair := range alike {
		mine, theirs := pair[0], pair[1]
		link(t, s, newOneTime(mine, fmt.Sprint("mine ", i), now), 1, now, nil, "who has none")
		link(t, s, newOneTime(theirs, fmt.Sprint("theirs ", i), now), 1, now, nil, fmt.Sprintf("when %q has one", mine))
		link(t, s, newOneTime(theirs, fmt.Sprint("more ", i), now), 1, now, store.ErrLimit, "who has one")
		link(t, s, oneTimeOf("eve", mine, fmt.Sprint("mine for ", i), now), 1, now, nil, "who has none for that")
		link(t, s, oneTimeOf("eve", theirs, fmt.Sprint("theirs for ", i), now), 1, now, nil, fmt.Sprintf("who has one for %q", mine))
		link(t, s, oneTimeOf("eve", theirs, fmt.Sprint("more for ", i), now), 1, now, store.ErrLimit, "who has one for that")
	}
	// Names that are equal when they are joined.
	link(t, s, oneTimeOf("b:c", "a", "joined 1", now), 1, now, nil, "who has none")
	link(t, s, oneTimeOf("c", "a:b", "joined 2", now), 1, now, nil, "who has none")
}

func oneTimeCapCountsLiveTokens(t *testing.T, s store.OneTime) {
	now := today()
	claimed, ended := newOneTime("claimed", "claimed", now), newOneTime("ended", "ended", now.Add(-2*time.Hour))
	createOneTimes(t, s, claimed, newOneTime("revoked", "revoked", now), newOneTime("ending", "ending", now))
	link(t, s, ended, 1, now, nil, "who has none")
	wantClaimed(t, s, claimed, now)
	revokeOneTimes(t, s, "revoked")
	for _, subject := range []string{"claimed", "revoked", "ended"} {
		link(t, s, newOneTime(subject, subject+" 2", now), 1, now, nil, "who has a dead one")
		link(t, s, newOneTime(subject, subject+" 3", now), 1, now, store.ErrLimit, "who has a dead and a live one")
	}
	end := now.Add(time.Hour)
	link(t, s, newOneTime("ending", "ending 2", now), 1, end.Add(-time.Microsecond), store.ErrLimit, "a microsecond before the end of the first")
	link(t, s, newOneTime("ending", "ending 2", end), 1, end, nil, "at the end of the first")
}

func oneTimeCapHoldsInARace(t *testing.T, s store.OneTime) {
	now := today()
	for round := range 6 {
		subject := fmt.Sprint("user ", round)
		createOneTimes(t, s,
			newOneTime(subject, subject+" dead", now.Add(-2*time.Hour)), newOneTime(subject, subject+" first", now),
			oneTimeOf(subject, "magic", subject+" magic", now))
		one := func(i int) store.OneTimeToken { return newOneTime(subject, fmt.Sprint(subject, " ", i), now) }
		won := winners(t, 20, store.ErrLimit, func(i int) error { return s.CreateOneTime(t.Context(), one(i), 5, now) })
		if len(won) != 4 {
			t.Errorf("%d of 20 tokens at once were answered nil, want 4: max is 5 and one token was live", len(won))
		}
		for _, i := range won {
			wantClaimed(t, s, one(i), now)
		}
	}
}
