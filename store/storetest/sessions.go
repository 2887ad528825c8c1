package storetest

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

type sessionCase = testCase[store.Sessions]

// sessionCases are of the files sessions_*.go, by theme.
func sessionCases() []sessionCase {
	return slices.Concat(sessionCreateCases(), sessionReplaceCases(), sessionProofCases(), sessionCapCases(), sessionCapOwedCases(), sessionReadCases(),
		sessionNameCases(), sessionUpdateCases(), sessionTouchCases(), sessionRotateCases(), sessionRevokeCases(), sessionRevokeAllCases(),
		sessionListCases(), sessionRaceCases(), sessionRotateRaceCases(), sessionRevokeRaceCases(),
		[]sessionCase{{
			name: "session_calls_with_an_ended_context",
			rule: "a context that has ended is no reason to panic; any answer will do",
			test: sessionCallsWithAnEndedContext,
		}})
}

// nothing is what most sessions replace.
var nothing store.SessionRef

// newSession is a live session, as a login at now makes it. now is the
// store's, too.
func newSession(subject, id string, now time.Time) store.Session {
	return store.Session{
		Ref: store.SessionRef{Tag: store.TagOf(subject), Token: digest("token of " + subject + "/" + id)},
		ID:  id,
		Identity: authn.Identity{
			Subject: subject, Kind: authn.KindUser, Method: "password", Scopes: []string{"orders:read"}, Roles: []string{"clerk"},
			Factors:    []authn.Factor{{Name: "pwd", At: now.Add(-time.Minute)}},
			Attributes: map[string]string{"team": "blue"},
		},
		Data: []byte(`{"basket":[1,2]}`), Revision: 1, UserAgent: "Mozilla/5.0 (X11; Linux x86_64)", Addr: home,
		CreatedAt: now, SeenAt: now, IdleUntil: now.Add(idle), ExpiresAt: now.Add(life),
	}
}

// newAnonymous is nobody's session.
func newAnonymous(id string, now time.Time) store.Session {
	s := newSession("", id, now)
	s.Ref.Tag = store.TagOf("anonymous " + id)
	s.Identity = authn.Identity{}
	return s
}

// login creates n for someone who has proven just now who it is, without a
// cap.
func login(t *testing.T, s store.Sessions, n store.Session, replaces store.SessionRef) error {
	t.Helper()
	return s.CreateSession(t.Context(), n, replaces, 0, 0, n.CreatedAt)
}

// createSessions inserts each of sessions, or ends the test.
func createSessions(t *testing.T, s store.Sessions, sessions ...store.Session) {
	t.Helper()
	for _, n := range sessions {
		must(t, login(t, s, n, nothing), "CreateSession %q of %q", n.ID, n.Identity.Subject)
	}
}

// wantSession says when what is kept of want is not want, at now.
func wantSession(t *testing.T, s store.Sessions, want store.Session, now time.Time, what string) {
	t.Helper()
	got, err := s.SessionByRef(t.Context(), want.Ref, now)
	if err != nil {
		t.Errorf("SessionByRef of %q of %q: got error %v, want it there: %s", want.ID, want.Identity.Subject, err, what)
		return
	}
	if d := diffSession(got, want); d != "" {
		t.Errorf("session %q of %q: %s: %s", want.ID, want.Identity.Subject, d, what)
	}
}

// noSession says when a session is found by its token or in its subject's
// list, at now.
func noSession(t *testing.T, s store.Sessions, n store.Session, now time.Time, what string) {
	t.Helper()
	noToken(t, s, n.Ref, now, what)
	if slices.Contains(sessionIDs(listSessions(t, s, n.Identity.Subject, now)), n.ID) {
		t.Errorf("session %q is in the list of %q: %s", n.ID, n.Identity.Subject, what)
	}
}

// noToken says when ref finds a session, at now.
func noToken(t *testing.T, s store.Sessions, ref store.SessionRef, now time.Time, what string) {
	t.Helper()
	got, err := s.SessionByRef(t.Context(), ref, now)
	wantErr(t, err, store.ErrNotFound, "SessionByRef %+v, which answered %q: %s", ref, got.ID, what)
}

// listSessions answers all sessions of subject, or ends the test.
func listSessions(t *testing.T, s store.Sessions, subject string, now time.Time) []store.Session {
	t.Helper()
	ss, next, err := s.ListSessions(t.Context(), subject, store.Page{Limit: 1000}, now)
	must(t, err, "ListSessions of %q", subject)
	if next != "" {
		t.Fatalf("ListSessions of %q: %d sessions and a next page, with Limit 1000", subject, len(ss))
	}
	return ss
}

func sessionIDs(ss []store.Session) []string {
	all := make([]string, len(ss))
	for i, n := range ss {
		all[i] = n.ID
	}
	return all
}

// wantList says when the list of subject has not these IDs, at now.
func wantList(t *testing.T, s store.Sessions, subject string, now time.Time, want []string, what string) {
	t.Helper()
	if got := sessionIDs(listSessions(t, s, subject, now)); !slices.Equal(got, want) {
		t.Errorf("ListSessions of %q: got %q, want %q: %s", subject, got, want, what)
	}
}

// update writes data over the revision that n has, and answers n as it is
// then.
func update(t *testing.T, s store.Sessions, n store.Session, data string, now time.Time) store.Session {
	t.Helper()
	must(t, s.UpdateSessionData(t.Context(), n.Ref, n.Revision, []byte(data), now), "UpdateSessionData of %q", n.ID)
	n.Data = []byte(data)
	n.Revision++
	return n
}

// rotationOf is a rotation of n an hour after it was created; to names the new
// token.
func rotationOf(n store.Session, to string) store.SessionRotation {
	id := *n.Identity.Clone()
	id.Factors = append(id.Factors, authn.Factor{Name: "otp", At: n.CreatedAt.Add(time.Hour)})
	return store.SessionRotation{
		Token: digest("token " + to), Identity: id, SeenAt: n.CreatedAt.Add(time.Hour),
		IdleUntil: n.IdleUntil.Add(time.Minute), ExpiresAt: n.ExpiresAt.Add(time.Hour),
	}
}

// rotated is n after a rotation.
func rotated(n store.Session, next store.SessionRotation) store.Session {
	n.Ref.Token, n.Identity = next.Token, next.Identity
	n.SeenAt, n.IdleUntil, n.ExpiresAt = next.SeenAt, next.IdleUntil, next.ExpiresAt
	return n
}

// rotateSession gives n a new token, or ends the test, and answers n as it is
// then.
func rotateSession(t *testing.T, s store.Sessions, n store.Session, to string, now time.Time) store.Session {
	t.Helper()
	next := rotationOf(n, to)
	must(t, s.RotateSession(t.Context(), n.Ref, next, now), "RotateSession of %q", n.ID)
	return rotated(n, next)
}

// refuseWrites says when a session that is dead at now takes a write, or one
// brings it back at any time of reads.
func refuseWrites(t *testing.T, s store.Sessions, n store.Session, now time.Time, what string, reads ...time.Time) {
	t.Helper()
	next := rotationOf(n, fmt.Sprint("after the end of ", n.ID, " ", n.Ref.Token, now.UnixMicro()))
	next.IdleUntil, next.ExpiresAt = now.Add(idle), now.Add(life)
	wantErr(t, s.UpdateSessionData(t.Context(), n.Ref, n.Revision, []byte(`"late"`), now), store.ErrNotFound, "UpdateSessionData of %q: %s", n.ID, what)
	wantErr(t, s.RotateSession(t.Context(), n.Ref, next, now), store.ErrNotFound, "RotateSession of %q: %s", n.ID, what)
	wantErr(t, s.TouchSession(t.Context(), n.Ref, now.Add(idle), now), nil, "TouchSession of %q: %s", n.ID, what)
	for _, at := range append(reads, now) {
		noToken(t, s, n.Ref, at, what+", and there were writes")
		noToken(t, s, store.SessionRef{Tag: n.Ref.Tag, Token: next.Token}, at, what+", and it was rotated")
	}
}

// diffSession says in which fields got is not want, "" if in none.
func diffSession(got, want store.Session) string {
	var f fields
	f.text("Ref.Tag", got.Ref.Tag, want.Ref.Tag)
	f.any("Ref.Token", got.Ref.Token == want.Ref.Token, got.Ref.Token, want.Ref.Token)
	f.text("ID", got.ID, want.ID)
	f.identity(got.Identity, want.Identity)
	f.text("Data", string(got.Data), string(want.Data))
	f.any("Revision", got.Revision == want.Revision, got.Revision, want.Revision)
	f.any("Remember", got.Remember == want.Remember, got.Remember, want.Remember)
	f.text("UserAgent", got.UserAgent, want.UserAgent)
	f.any("Addr", got.Addr == want.Addr, got.Addr, want.Addr)
	f.at("CreatedAt", got.CreatedAt, want.CreatedAt)
	f.at("SeenAt", got.SeenAt, want.SeenAt)
	f.at("IdleUntil", got.IdleUntil, want.IdleUntil)
	f.at("ExpiresAt", got.ExpiresAt, want.ExpiresAt)
	return f.String()
}

func sessionCallsWithAnEndedContext(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "n", now)
	n.Addr = netip.IPv6Loopback()
	createSessions(t, s, n)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = s.CreateSession(ctx, newSession("ann", "new", now), n.Ref, 1, time.Hour, now)
	_, _ = s.SessionByRef(ctx, n.Ref, now)
	_ = s.RotateSession(ctx, n.Ref, rotationOf(n, "next"), now)
	_ = s.UpdateSessionData(ctx, n.Ref, 1, []byte("{}"), now)
	_ = s.TouchSession(ctx, n.Ref, now.Add(time.Hour), now)
	_ = s.DeleteSession(ctx, n.Ref)
	_ = s.RevokeSession(ctx, "ann", "n", now)
	_ = s.RevokeSessionsOf(ctx, "ann", "n")
	_, _, _ = s.ListSessions(ctx, "ann", store.Page{}, now)
	after := newSession("bob", "after", now)
	createSessions(t, s, after)
	wantSession(t, s, after, now, "calls before it had an ended context")
}
