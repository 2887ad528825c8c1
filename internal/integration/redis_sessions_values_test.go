package integration_test

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// D5: a row keeps each field of an Identity but the two that are not kept, also
// those that it will have one day.
func TestRedisSessionsKeepTheWholeIdentity(t *testing.T) {
	s := openRedis(t, redisClient(t, nil), redisstore.Config{})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	values := map[reflect.Type]any{
		reflect.TypeFor[string]():            "text: 1:x",
		reflect.TypeFor[authn.Kind]():        authn.KindClient,
		reflect.TypeFor[[]string]():          []string{"one", "", "\xff\x00:"},
		reflect.TypeFor[[]authn.Factor]():    []authn.Factor{{Name: "pwd", At: now}, {Name: "otp"}},
		reflect.TypeFor[time.Time]():         now.Add(time.Hour),
		reflect.TypeFor[map[string]string](): map[string]string{"one": "1", "": ""},
	}
	n := redisSession("ann", "full", now)
	id := reflect.ValueOf(&n.Identity).Elem()
	for i := range id.NumField() {
		switch field := id.Type().Field(i); field.Name {
		case "Subject", "VerifiedAt", "Credential":
		default:
			value, ok := values[field.Type]
			if !ok {
				t.Fatalf("Identity.%s is a %v, of which this test has none", field.Name, field.Type)
			}
			id.Field(i).Set(reflect.ValueOf(value))
		}
	}
	want := n.Identity
	n.Identity.VerifiedAt, n.Identity.Credential = now, "secret"
	wantErr(t, redisLogin(ctx, s, n, store.SessionRef{}), nil)
	if got := wantSession(t, s, n.Ref, now, nil); !reflect.DeepEqual(got.Identity, want) {
		t.Errorf("got %+v, want %+v", got.Identity, want)
	}
	next := redisRotation(n, "whole")
	wantErr(t, s.RotateSession(ctx, n.Ref, next, now), nil)
	if got := wantSession(t, s, refAfter(n, next), now, nil); !reflect.DeepEqual(got.Identity, want) {
		t.Errorf("after a rotation: got %+v, want %+v", got.Identity, want)
	}
}

// D5, D8, S13: a row that cannot be read is store.ErrDamaged, never a session,
// and can be deleted and revoked.
func TestRedisDamagedSessions(t *testing.T) {
	c := redisClient(t, nil)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "damage:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	base := "damage:{" + store.TagOf("ann") + "}"
	for what, damage := range map[string]func(row string) string{
		"empty":               func(string) string { return "" },
		"cut in SeenAt":       func(row string) string { return row[:10] },
		"cut in Revision":     func(row string) string { return row[:79] },
		"without a login":     func(row string) string { return row[:80] },
		"cut in the login":    func(row string) string { return row[:100] },
		"cut in the Identity": func(row string) string { return row[:strings.Index(row, "password")] },
		"SeenAt":              func(row string) string { return strings.Repeat("x", 20) + row[20:] },
		"IdleUntil":           func(row string) string { return row[:20] + strings.Repeat("x", 20) + row[40:] },
		"ExpiresAt":           func(row string) string { return row[:40] + strings.Repeat("x", 20) + row[60:] },
		"Revision":            func(row string) string { return row[:60] + strings.Repeat("0", 20) + row[80:] },
		"a long login":        func(row string) string { return row[:80] + "99999999999999999999:" + row[80:] },
		"a negative length":   func(row string) string { return row[:80] + "-1:" + row[80:] },
		"Kind":                func(row string) string { return strings.Replace(row, "4:user", "4:oops", 1) },
		"CreatedAt": func(row string) string {
			return strings.Replace(row, ":"+fmt.Sprint(now.UnixMicro()), ":oops567890123456", 1)
		},
		"JSON": func(string) string { return `{"id":"damaged"}` },
	} {
		t.Run(what, func(t *testing.T) {
			for _, end := range []func(n store.Session) error{
				func(n store.Session) error { return s.DeleteSession(ctx, n.Ref) },
				func(n store.Session) error { return s.RevokeSession(ctx, "ann", n.ID, now) },
				func(store.Session) error { return s.RevokeSessionsOf(ctx, "ann", "") },
				func(n store.Session) error { // by a login
					return redisLogin(ctx, s, redisSession("ann", "after "+what, now), n.Ref)
				},
			} {
				n := redisSession("ann", "damaged", now)
				wantErr(t, redisLogin(ctx, s, n, store.SessionRef{}), nil)
				key := base + "session:" + n.Ref.Token.String()
				row, err := c.Get(ctx, key).Result()
				wantErr(t, err, nil)
				wantErr(t, c.Set(ctx, key, damage(row), 0).Err(), nil)
				_, err = s.SessionByRef(ctx, n.Ref, now)
				wantErr(t, err, store.ErrDamaged)
				wantOutage(t, err)
				_, _, err = s.ListSessions(ctx, "ann", store.Page{}, now)
				wantErr(t, err, store.ErrDamaged)
				wantErr(t, end(n), nil)
				wantSession(t, s, n.Ref, now, store.ErrNotFound)
				wantErr(t, s.RevokeSessionsOf(ctx, "ann", ""), nil)
			}
		})
	}

	n := redisSession("ann", "list", now)
	wantErr(t, c.LPush(ctx, base+"session:"+n.Ref.Token.String(), "x").Err(), nil)
	_, err := s.SessionByRef(ctx, n.Ref, now)
	wantErr(t, err, store.ErrDamaged)
	wantErr(t, s.DeleteSession(ctx, n.Ref), nil)
	wantSession(t, s, n.Ref, now, store.ErrNotFound)

	for _, bad := range []string{"oops", "", "x X", "1"} {
		wantErr(t, c.Set(ctx, base+"session-revoked:ann", bad, 0).Err(), nil)
		wantOutage(t, redisLogin(ctx, s, n, store.SessionRef{}))
		wantErr(t, s.RevokeSessionsOf(ctx, "ann", ""), nil) // mends it
		wantErr(t, s.CreateSession(ctx, n, store.SessionRef{}, 0, time.Hour, now), store.ErrConflict)
	}
}

// D5: what the contract rules out is refused before the server sees it; looked
// up, it is not there.
func TestRedisRefusesSessionsThatNoStoreTakes(t *testing.T) {
	s, refused, unasked := redisRefusals(t)
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)

	for what, change := range map[string]func(n *store.Session){
		"no ID":                func(n *store.Session) { n.ID = "" },
		"a long ID":            func(n *store.Session) { n.ID = strings.Repeat("x", 65) },
		"NUL in the ID":        func(n *store.Session) { n.ID = "a\x00" },
		"a long subject":       func(n *store.Session) { n.Identity.Subject = strings.Repeat("x", 256) },
		"another tag":          func(n *store.Session) { n.Ref.Tag = store.TagOf("bob") },
		"a short tag":          func(n *store.Session) { n.Identity.Subject, n.Ref.Tag = "", "short" },
		"a tag with braces":    func(n *store.Session) { n.Identity.Subject, n.Ref.Tag = "", "}aaaaaa{" },
		"a long UserAgent":     func(n *store.Session) { n.UserAgent = strings.Repeat("x", 256) },
		"a broken UserAgent":   func(n *store.Session) { n.UserAgent = "\xff" },
		"long Data":            func(n *store.Session) { n.Data = make([]byte, 64<<10+1) },
		"no revision":          func(n *store.Session) { n.Revision = 0 },
		"no CreatedAt":         func(n *store.Session) { n.CreatedAt = time.Time{} },
		"no SeenAt":            func(n *store.Session) { n.SeenAt = time.Time{} },
		"no IdleUntil":         func(n *store.Session) { n.IdleUntil = time.Time{} },
		"no ExpiresAt":         func(n *store.Session) { n.ExpiresAt = time.Time{} },
		"IdleUntil at the end": func(n *store.Session) { n.IdleUntil = n.ExpiresAt.Add(time.Microsecond) },
		"a bad Kind":           func(n *store.Session) { n.Identity.Kind = 77 },
	} {
		n := redisSession("ann", "bad", now)
		change(&n)
		refused("CreateSession with "+what, s.CreateSession(ctx, n, store.SessionRef{}, 0, 0, now))
	}
	n := redisSession("ann", "n", now)
	for what, change := range map[string]func(next *store.SessionRotation){
		"a long subject": func(next *store.SessionRotation) { next.Identity.Subject = strings.Repeat("x", 256) },
		"no SeenAt":      func(next *store.SessionRotation) { next.SeenAt = time.Time{} },
		"no IdleUntil":   func(next *store.SessionRotation) { next.IdleUntil = time.Time{} },
		"an early end":   func(next *store.SessionRotation) { next.ExpiresAt = next.IdleUntil.Add(-1000) },
		"a bad Kind":     func(next *store.SessionRotation) { next.Identity.Kind = 77 },
	} {
		next := redisRotation(n, "bad")
		change(&next)
		refused("RotateSession with "+what, s.RotateSession(ctx, n.Ref, next, now))
	}
	refused("UpdateSessionData with much", s.UpdateSessionData(ctx, n.Ref, 1, make([]byte, 64<<10+1), now))
	for _, tag := range []string{"", "short", "too long a tag", "}aaaaaa{", "{}{}{}{}", "other}xx"} {
		ref := store.SessionRef{Tag: tag, Token: n.Ref.Token}
		wantSession(t, s, ref, now, store.ErrNotFound)
		wantErr(t, s.RotateSession(ctx, ref, redisRotation(n, "bad"), now), store.ErrNotFound)
		wantErr(t, s.UpdateSessionData(ctx, ref, 1, nil, now), store.ErrNotFound)
		wantErr(t, s.TouchSession(ctx, ref, now, now), nil)
		wantErr(t, s.DeleteSession(ctx, ref), nil)
	}
	for text, long := range map[string]int{"nul\x00in it": 0, "\xff\xfe not UTF-8": 0, strings.Repeat("é", 128): 255, strings.Repeat("x", 65): 64} {
		wantErr(t, s.RevokeSession(ctx, "ann", text, now), store.ErrNotFound)
		if long != 64 {
			wantErr(t, s.RevokeSession(ctx, text, "n", now), store.ErrNotFound)
			refused("RevokeSessionsOf a bad subject", s.RevokeSessionsOf(ctx, text, ""))
			_, _, err := s.ListSessions(ctx, text, store.Page{}, now)
			wantErr(t, err, store.ErrNotFound)
		}
	}
	tag, digits := store.TagOf("ann"), strings.Repeat("0", 20)
	for _, cursor := range []string{
		"x", tag, tag + ".", tag + "." + digits, tag + "." + digits[1:] + ".n", tag + ".-" + digits[1:] + ".n",
		tag + "." + digits + ".\x00", store.TagOf("bob") + "." + digits + ".n",
	} {
		_, _, err := s.ListSessions(ctx, "ann", store.Page{Cursor: cursor}, now)
		wantErr(t, err, store.ErrNotFound)
	}
	unasked()
}

// D5: names and values are bytes to Redis: none of them is a pattern, a hash
// tag or a length.
func TestRedisAwkwardSessions(t *testing.T) {
	s := openRedis(t, redisCluster(t), redisstore.Config{})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	for i, text := range []string{
		"🔑 ключ", "{other slot}", "}{", "*", "a\r\nFLUSHALL\r\n", "]] redis.call('FLUSHALL') --[[", "%s%d", "<&>\"\\", "nan", "-1", "1:", "7:x.y.z",
	} {
		n := redisSession(text, fmt.Sprint(i, " . ", text[:1]), now)
		n.ID = strings.ToValidUTF8(n.ID, "?")
		n.UserAgent, n.Data, n.Addr = text, []byte(`"`+text+`"`), netip.MustParseAddr("fe80::1%eth0")
		n.Identity.Roles, n.Identity.Attributes = []string{text, "", "\xff\x00"}, map[string]string{text: text, "": ""}
		wantErr(t, redisLogin(ctx, s, n, store.SessionRef{}), nil)
		got := wantSession(t, s, n.Ref, now, nil)
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", n) {
			t.Errorf("%q: got %+v, want %+v", text, got, n)
		}
		second := redisSession(text, "second", now.Add(time.Second))
		wantErr(t, redisLogin(ctx, s, second, store.SessionRef{}), nil)
		page, next, err := s.ListSessions(ctx, text, store.Page{Limit: 1}, now)
		if err != nil || len(page) != 1 || page[0].ID != "second" {
			t.Errorf("%q: the first page is %+v, %v", text, page, err)
		}
		page, next, err = s.ListSessions(ctx, text, store.Page{Limit: 1, Cursor: next}, now)
		if err != nil || len(page) != 1 || page[0].ID != n.ID || next != "" {
			t.Errorf("%q: the second page is %+v and %q, %v", text, page, next, err)
		}
		rotation := redisRotation(n, "awkward"+text)
		wantErr(t, s.RotateSession(ctx, n.Ref, rotation, now), nil)
		n.Ref, n.SeenAt, n.IdleUntil, n.ExpiresAt = refAfter(n, rotation), rotation.SeenAt, rotation.IdleUntil, rotation.ExpiresAt
		wantErr(t, s.UpdateSessionData(ctx, n.Ref, 1, []byte("1:\x00"), now), nil)
		n.Data, n.Revision = []byte("1:\x00"), 2
		wantErr(t, s.TouchSession(ctx, n.Ref, n.IdleUntil.Add(time.Hour), now.Add(time.Hour)), nil)
		n.SeenAt, n.IdleUntil = now.Add(time.Hour), n.IdleUntil.Add(time.Hour)
		if got := wantSession(t, s, n.Ref, now, nil); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", n) {
			t.Errorf("%q, changed: got %+v, want %+v", text, got, n)
		}
		wantErr(t, s.RevokeSession(ctx, text, n.ID, now), nil)
		wantSessions(t, s, text, now, "second")
		wantErr(t, s.RevokeSessionsOf(ctx, text, ""), nil)
		wantSession(t, s, second.Ref, now, store.ErrNotFound)
	}
}

// S7: when what a login replaces cannot be deleted in its own slot the login is
// an outage, and the old session stays as it was.
func TestRedisLoginThatCannotEndTheOldSession(t *testing.T) {
	cluster := servers.OwnRedisCluster(t)
	c := clusterOf(t, cluster)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "replace:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	basket := redisSession("", "basket", now)
	wantErr(t, redisLogin(ctx, s, basket, store.SessionRef{}), nil)
	m := newSlotMove(t, cluster, c, "replace:{"+basket.Ref.Tag+"}")
	m.begin(t) // scripts of that slot are outages
	err := redisLogin(ctx, s, redisSession("ann", "n", now), basket.Ref)
	if wantOutage(t, err); errors.Is(err, store.ErrDamaged) {
		t.Error(err)
	}
	wantSession(t, s, basket.Ref, now, nil)
}
