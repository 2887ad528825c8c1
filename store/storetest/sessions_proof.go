package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func sessionProofCases() []sessionCase {
	return []sessionCase{
		{
			name:   "login_needs_a_later_proof",
			rule:   "CreateSession answers ErrConflict when RevokeSessionsOf was called for the subject proofAge ago or less, by the store's clock",
			moving: loginNeedsALaterProof,
		},
		{
			name:   "last_revocation_counts_for_a_login",
			rule:   "CreateSession looks at the last of several RevokeSessionsOf, whatever they spared",
			moving: lastRevocationCountsForALogin,
		},
		{
			name:   "proof_age_of_a_login_is_not_negative",
			rule:   "a proofAge below 0 counts as 0",
			moving: proofAgeOfALoginIsNotNegative,
		},
		{
			name:   "slow_clock_lets_no_login_in",
			rule:   "RevokeSessionsOf at a clock that has been set back does not let in a login that one before it refuses",
			moving: slowClockLetsNoLoginIn,
		},
		{
			name:   "login_after_a_revocation_lives",
			rule:   "RevokeSessionsOf ends sessions that are there; one that is created later lives, whatever its CreatedAt by the caller's clock",
			moving: loginAfterARevocationLives,
		},
		{
			name:   "revocation_is_remembered",
			rule:   "a CreateSession whose proof is older than RevokeSessionsOf fails from then on, when cleaning has long deleted the sessions",
			moving: revocationIsRemembered,
		},
		{
			name: "anonymous_session_needs_no_proof",
			rule: "proofAge is not looked at where s is anonymous",
			test: anonymousSessionNeedsNoProof,
		},
	}
}

func revokeSessionsOf(t *testing.T, s store.Sessions, subject, except string) {
	t.Helper()
	must(t, s.RevokeSessionsOf(t.Context(), subject, except), "RevokeSessionsOf %q but %q", subject, except)
}

// wantLogin says when a login at now, proven proofAge ago, is not answered
// with want.
func wantLogin(t *testing.T, s store.Sessions, subject string, proofAge time.Duration, now time.Time, want error) {
	t.Helper()
	n := newSession(subject, fmt.Sprint("proven ", proofAge, " before ", now.UnixMicro()), now)
	err := s.CreateSession(t.Context(), n, nothing, 0, proofAge, now)
	wantErr(t, err, want, "CreateSession of %q, proven %v ago", subject, proofAge)
	if want != nil {
		noSession(t, s, n, now, fmt.Sprintf("its CreateSession answered %v", err))
		return
	}
	wantSession(t, s, n, now, "it was created")
	must(t, s.DeleteSession(t.Context(), n.Ref), "DeleteSession")
}

func loginNeedsALaterProof(t *testing.T, s store.Sessions, c *clock) {
	now := today()
	for _, age := range []time.Duration{0, time.Hour, 10_000 * time.Hour} {
		wantLogin(t, s, "ann", age, now, nil)
	}
	revokeSessionsOf(t, s, "ann", "")
	for _, ago := range []time.Duration{time.Hour, 30 * day} {
		c.set(ago)
		at := now.Add(ago)
		wantLogin(t, s, "ann", ago+time.Minute, at, store.ErrConflict)
		wantLogin(t, s, "ann", 1000*ago, at, store.ErrConflict)
		wantLogin(t, s, "ann", ago-time.Microsecond, at, nil)
		wantLogin(t, s, "ann", time.Minute, at, nil)
		wantLogin(t, s, "bob", 1000*ago, at, nil)
	}
}

func lastRevocationCountsForALogin(t *testing.T, s store.Sessions, c *clock) {
	now := today()
	stays := newSession("ann", "stays", now)
	createSessions(t, s, stays)
	for i := range 4 {
		c.set(time.Duration(i) * time.Hour)
		revokeSessionsOf(t, s, "ann", []string{"", "stays", "missing", ""}[i])
	}
	c.set(4 * time.Hour)
	wantLogin(t, s, "ann", 61*time.Minute, now, store.ErrConflict)
	wantLogin(t, s, "ann", 4*time.Hour, now, store.ErrConflict)
	wantLogin(t, s, "ann", 59*time.Minute, now, nil)
}

func proofAgeOfALoginIsNotNegative(t *testing.T, s store.Sessions, c *clock) {
	now := today()
	revokeSessionsOf(t, s, "ann", "")
	c.set(-time.Hour) // the revocation is an hour ahead
	for _, age := range []time.Duration{0, -time.Microsecond, -2 * time.Hour} {
		wantLogin(t, s, "ann", age, now, store.ErrConflict)
	}
	c.set(time.Minute)
	for _, age := range []time.Duration{0, -time.Microsecond, -2 * time.Hour} {
		wantLogin(t, s, "ann", age, now, nil)
	}
}

func slowClockLetsNoLoginIn(t *testing.T, s store.Sessions, c *clock) {
	now := today()
	c.set(2 * time.Hour)
	revokeSessionsOf(t, s, "ann", "")
	c.set(0)
	revokeSessionsOf(t, s, "ann", "")
	c.set(3 * time.Hour)
	wantLogin(t, s, "ann", 90*time.Minute, now, store.ErrConflict)
	wantLogin(t, s, "ann", 30*time.Minute, now, nil)
}

func loginAfterARevocationLives(t *testing.T, s store.Sessions, c *clock) {
	now := today()
	old := newSession("ann", "old", now)
	createSessions(t, s, old)
	revokeSessionsOf(t, s, "ann", "")
	c.set(time.Minute)
	for i, created := range []time.Time{now.Add(time.Minute), now, now.Add(-time.Hour)} {
		n := newSession("ann", fmt.Sprint("new ", i), created)
		must(t, s.CreateSession(t.Context(), n, nothing, 0, time.Second, now), "CreateSession after RevokeSessionsOf")
		wantSession(t, s, n, now, "it was created after RevokeSessionsOf")
		n = rotateSession(t, s, update(t, s, n, "{}", now), fmt.Sprint("next ", i), now)
		wantSession(t, s, n, now, "it was created after RevokeSessionsOf")
	}
	noSession(t, s, old, now, "RevokeSessionsOf ended it")
	wantList(t, s, "ann", now, []string{"new 0", "new 1", "new 2"}, "they were created after RevokeSessionsOf")
}

func revocationIsRemembered(t *testing.T, s store.Sessions, c *clock) {
	now := today()
	createSessions(t, s, newSession("ann", "n", now))
	revokeSessionsOf(t, s, "ann", "")
	for _, ago := range []time.Duration{2 * day, 400 * day} {
		c.set(ago)
		clean(t, s)
		for i := range 20 { // some stores delete when they insert
			createSessions(t, s, newSession("bob", fmt.Sprint("session ", ago, i), now.Add(ago)))
		}
		wantLogin(t, s, "ann", ago+time.Hour, now.Add(ago), store.ErrConflict)
		wantLogin(t, s, "ann", time.Hour, now.Add(ago), nil)
	}
}

func anonymousSessionNeedsNoProof(t *testing.T, s store.Sessions) {
	now := today()
	for _, subject := range []string{"", "ann"} {
		_ = s.RevokeSessionsOf(t.Context(), subject, "")
		n := newAnonymous("after "+subject, now)
		n.Ref.Tag = store.TagOf(subject)
		wantErr(t, s.CreateSession(t.Context(), n, nothing, 0, 1000*time.Hour, now), nil, "CreateSession of an anonymous one after RevokeSessionsOf %q", subject)
		wantSession(t, s, n, now, "it was created")
		revokeSessionsOf(t, s, "ann", "")
		wantSession(t, s, n, now, "RevokeSessionsOf never touches an anonymous one, of whatever Tag")
	}
}
