package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// S13, D4: a row that somebody damaged is said to be so, with its ID; it can be
// revoked all the same. What is only shown does not damage it.
func TestDamagedSessionRowsAreSaid(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		ctx := t.Context()
		if err := st.Open(ctx); err != nil {
			t.Fatal(err)
		}
		damage := map[string]bool{
			`identity = '{'`: true, `identity = ''`: true, `identity = 'null'`: true, `identity = '[]'`: true,
			`identity = '{"subject":"eve","kind":"user"}'`: true, `identity = '{"subject":"x","kind":"root"}'`: true,
			`subject = 'eve'`: true, `addr = 'at home'`: false, `user_agent = ''`: false, `data = '{'`: false,
		}
		switch b.dialect {
		case sqlstore.MySQL:
			damage[`remember = 7`] = true
		case sqlstore.SQLite:
			delete(damage, `data = '{'`) // a column of BLOBs takes none
			damage[`remember = 7`], damage[`expires_at = 'tomorrow'`], damage[`seen_at = ''`] = true, true, true
		}
		n := 0
		for set, damaged := range damage {
			n++
			s := createSession(t, st, "ann", n)
			if _, err := db.ExecContext(ctx, "UPDATE "+b.table(schema, "sessions")+" SET "+set+" WHERE subject = '"+s.Identity.Subject+"'"); err != nil {
				t.Fatal(err)
			}
			_, err := st.SessionByRef(ctx, s.Ref, s.CreatedAt)
			if errors.Is(err, store.ErrDamaged) != damaged || !damaged && err != nil || damaged && !strings.Contains(err.Error(), `"`+s.ID+`"`) {
				t.Errorf("%s: %v", set, err)
			}
			subject := s.Identity.Subject
			if strings.HasPrefix(set, "subject") {
				subject = "eve"
			}
			if _, _, err := st.ListSessions(ctx, subject, store.Page{}, s.CreatedAt); errors.Is(err, store.ErrDamaged) != damaged {
				t.Errorf("%s: list: %v", set, err)
			}
			if err := st.RevokeSessionsOf(ctx, subject, ""); err != nil {
				t.Errorf("%s: revoke: %v", set, err)
			}
			if _, err := st.SessionByRef(ctx, s.Ref, s.CreatedAt); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: after it was revoked: %v", set, err)
			}
		}
	})
}

// S13: that a request ends while its session is read is an outage, and never a
// damaged record, which would be nobody.
func TestEndedContextIsNoDamage(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, _ := b.open(t, nil)
		s := createSession(t, st, "ann", 1)
		ended := 0
		for n := range 400 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(n)*20*time.Microsecond)
			_, err := st.SessionByRef(ctx, s.Ref, s.CreatedAt)
			cancel()
			if err != nil {
				ended++
				wantSQLOutage(t, "read", err)
			}
		}
		t.Logf("%d of 400 calls ended early", ended)
	})
}

// D4: what a column would change, cut or not take is refused before the
// database, and what no row can have is not there.
func TestHostileSessionValues(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, _ := b.open(t, nil)
		ctx := t.Context()
		good := raceSession("ann", 1)
		now := good.CreatedAt
		create := func(s store.Session) error {
			return st.CreateSession(ctx, s, store.SessionRef{}, 0, 0, now)
		}
		for _, text := range hostileTexts {
			long := len(text) == 300
			for field, change := range map[string]func(s *store.Session){
				"Ref.Tag":   func(s *store.Session) { s.Identity, s.Ref.Tag = authn.Identity{}, text },
				"ID":        func(s *store.Session) { s.ID = text },
				"UserAgent": func(s *store.Session) { s.UserAgent = text },
				"Subject":   func(s *store.Session) { s.Identity.Subject, s.Ref.Tag = text, store.TagOf(text) },
			} {
				s := good
				change(&s)
				wantRefusedHere(t, fmt.Sprintf("%s %.20q", field, text), create(s))
			}
			for field, change := range map[string]func(id *authn.Identity){
				"Pending":    func(id *authn.Identity) { id.Pending = []string{text} },
				"Roles":      func(id *authn.Identity) { id.Roles = []string{text} },
				"Attributes": func(id *authn.Identity) { id.Attributes = map[string]string{text: "x"} },
			} {
				s := good
				s.Identity = *good.Identity.Clone()
				change(&s.Identity)
				if !long { // there they may be as long
					wantRefusedHere(t, fmt.Sprintf("%s %.20q", field, text), create(s))
					wantRefusedHere(t, fmt.Sprintf("rotation with %s %.20q", field, text), st.RotateSession(ctx, good.Ref, rotationOf(s, "next"), now))
				}
			}
			ref := store.SessionRef{Tag: text, Token: good.Ref.Token}
			_, err := st.SessionByRef(ctx, ref, now)
			wantAbsent(t, "SessionByRef", err)
			wantAbsent(t, "UpdateSessionData", st.UpdateSessionData(ctx, ref, 1, nil, now))
			wantAbsent(t, "RotateSession", st.RotateSession(ctx, ref, rotationOf(good, "next"), now))
			wantAbsent(t, "RevokeSession", st.RevokeSession(ctx, text, "id", now))
			wantAbsent(t, "RevokeSession", st.RevokeSession(ctx, good.Identity.Subject, text, now))
			for _, p := range []store.Page{{Cursor: text}, {Cursor: good.Ref.Tag + ".1." + text}} {
				_, _, err = st.ListSessions(ctx, good.Identity.Subject, p, now)
				wantAbsent(t, "ListSessions", err)
			}
			_, _, err = st.ListSessions(ctx, text, store.Page{}, now)
			wantAbsent(t, "ListSessions", err)
			wantRefusedHere(t, "RevokeSessionsOf", st.RevokeSessionsOf(ctx, text, ""))
			// They name nothing, and that is fine.
			err = errors.Join(st.TouchSession(ctx, ref, now, now), st.DeleteSession(ctx, ref), st.RevokeSessionsOf(ctx, "nobody", text))
			if err != nil {
				t.Errorf("%.20q: %v", text, err)
			}
		}
		far := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
		for what, change := range map[string]func(s *store.Session){
			"no ID":               func(s *store.Session) { s.ID = "" },
			"no tag":              func(s *store.Session) { s.Identity, s.Ref.Tag = authn.Identity{}, "" },
			"another's tag":       func(s *store.Session) { s.Ref.Tag = store.TagOf("bob") },
			"an invalid kind":     func(s *store.Session) { s.Identity.Kind = 99 },
			"revision 0":          func(s *store.Session) { s.Revision = 0 },
			"long data":           func(s *store.Session) { s.Data = make([]byte, 64<<10+1) },
			"idle after the end":  func(s *store.Session) { s.IdleUntil = s.ExpiresAt.Add(1) },
			"no CreatedAt":        func(s *store.Session) { s.CreatedAt = time.Time{} },
			"no SeenAt":           func(s *store.Session) { s.SeenAt = time.Time{} },
			"no IdleUntil":        func(s *store.Session) { s.IdleUntil = time.Time{} },
			"the year 10000":      func(s *store.Session) { s.ExpiresAt = far },
			"an identity of 16 M": func(s *store.Session) { s.Identity.Issuer = strings.Repeat("<", 3<<20) },
		} {
			s := good
			change(&s)
			wantRefusedHere(t, what, create(s))
		}
		if alive(t, st, good.Ref) {
			t.Error("something was written")
		}
		for what, change := range map[string]func(r *store.SessionRotation){
			"the old token":      func(r *store.SessionRotation) { r.Token = good.Ref.Token },
			"idle after the end": func(r *store.SessionRotation) { r.IdleUntil = r.ExpiresAt.Add(1) },
			"no SeenAt":          func(r *store.SessionRotation) { r.SeenAt = time.Time{} },
			"no end":             func(r *store.SessionRotation) { r.IdleUntil, r.ExpiresAt = time.Time{}, time.Time{} },
		} {
			r := rotationOf(good, "next")
			change(&r)
			wantRefusedHere(t, "rotation with "+what, st.RotateSession(ctx, good.Ref, r, now))
		}
		wantRefusedHere(t, "long data", st.UpdateSessionData(ctx, good.Ref, 1, make([]byte, 64<<10+1), now))
		wantRefusedHere(t, "touch at no time", st.TouchSession(ctx, good.Ref, now, time.Time{}))

		// A link-local address keeps its zone; any bytes are data, and none, too.
		good.Addr, good.Data = netip.MustParseAddr("fe80::1%eth0"), []byte("\x00\xff\xed\xa0\x80")
		if err := create(good); err != nil {
			t.Fatal(err)
		}
		if got, err := st.SessionByRef(ctx, good.Ref, now); err != nil || got.Addr != good.Addr || string(got.Data) != string(good.Data) {
			t.Errorf("%+v, %v", got, err)
		}
		if err := errors.Join(st.UpdateSessionData(ctx, good.Ref, 1, nil, now), st.TouchSession(ctx, good.Ref, far, now), st.TouchSession(ctx, good.Ref, time.Time{}, now)); err != nil {
			t.Fatal(err)
		}
		if got, err := st.SessionByRef(ctx, good.Ref, now); err != nil || len(got.Data) != 0 || !got.IdleUntil.Equal(good.ExpiresAt) {
			t.Errorf("%+v, %v", got, err)
		}
		another := rotationOf(good, "next")
		another.Identity.Subject = "bob"
		wantAbsent(t, "a rotation to another subject", st.RotateSession(ctx, good.Ref, another, now))
	})
}
