package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// D5, D8: damaged rows are errors, and never lives or "not revoked".
func TestRedisDamagedTokenRows(t *testing.T) {
	c := redisClient(t, nil)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "rows:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	for field, bad := range map[string]string{
		"version": "", "generation": "oops", "rotated": "", "idle": "never", "expires": "", "scopes": "9:x", "identity": "{", "subject": "",
	} {
		f := redisFamily("ann", "damaged "+field, now)
		wantErr(t, s.CreateFamily(ctx, f), nil)
		key := "rows:{" + f.Ref.Tag + "}family:" + f.Ref.ID
		if bad == "" {
			wantErr(t, c.HDel(ctx, key, field).Err(), nil)
		} else {
			wantErr(t, c.HSet(ctx, key, field, bad).Err(), nil)
		}
		_, err := s.Family(ctx, f.Ref)
		wantOutage(t, err)
		_, err = s.AdvanceFamily(ctx, f.Ref, redisUse(f, 1))
		wantOutage(t, err)
		if t.Failed() {
			t.Fatalf("with a damaged %s", field)
		}
		wantErr(t, s.RevokeFamily(ctx, f.Ref, now), nil)
	}

	token := store.TokenRef{Issuer: "i", ID: "t", Subject: "bob", Version: 1}
	f := redisFamily("bob", "f", now)
	wantErr(t, s.CreateFamily(ctx, f), nil)
	wantErr(t, s.RevokeToken(ctx, token, now.Add(time.Hour)), nil)
	tag := "rows:{" + f.Ref.Tag + "}"
	wantErr(t, c.Set(ctx, tag+"token:"+token.Digest().String(), "oops", 0).Err(), nil)
	_, err := s.TokenRevoked(ctx, token, now)
	wantOutage(t, err)
	token.ID = "another"
	for _, bad := range []string{"oops", "", "0 1 X", "2", "2 x X", "-1 1 X"} {
		wantErr(t, c.Set(ctx, tag+"version:bob", bad, 0).Err(), nil)
		_, err := s.TokenRevoked(ctx, token, now)
		wantOutage(t, err)
		_, err = s.TokenVersion(ctx, "bob", 0)
		wantOutage(t, err)
		_, err = s.AdvanceFamily(ctx, f.Ref, redisUse(f, 1))
		wantOutage(t, err)
		wantOutage(t, s.RevokeTokensOf(ctx, "bob"))
		if got, err := c.Get(ctx, tag+"version:bob").Result(); err != nil || got != bad {
			t.Errorf("RevokeTokensOf made %q of a version that is %q, %v", got, bad, err)
		}
	}

	ring := "rows:{rows:signingkeys}"
	good := `{"order":"1","created":"1","from":"1","call":"X"}`
	for _, bad := range []string{
		"", "oops", "5", "null", "[]", "{}", `{"order":"x","created":"1","from":"1"}`, `{"order":"1","created":"1"}`,
		`{"order":"1","created":"1","from":"1","public":"?"}`, `{"order":1,"created":1,"from":1}`,
	} {
		wantErr(t, c.HSet(ctx, ring, "bad", bad, "good", good).Err(), nil)
		_, err := s.ListSigningKeys(ctx, now)
		wantOutage(t, err)
		if t.Failed() {
			t.Fatalf("with the row %q", bad)
		}
	}
	wantErr(t, c.HSet(ctx, ring, "bad", "oops").Err(), nil)
	wantOutage(t, s.AddSigningKey(ctx, redisSigningKey("new", now), "good", now))
	wantOutage(t, s.ExpireSigningKey(ctx, "bad", now))
	if n, err := c.HLen(ctx, ring).Result(); err != nil || n != 2 {
		t.Errorf("next to a damaged row the ring has %d keys, %v, want 2", n, err)
	}
}

// D5: what the contract rules out is refused before the server sees it; looked
// up, it is not there.
func TestRedisRefusesTokensThatNoStoreTakes(t *testing.T) {
	s, refused, unasked := redisRefusals(t)
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)

	for text, most := range map[string]int{
		"nul\x00in it": 0, "\xff\xfe not UTF-8": 0, strings.Repeat("é", 128): 255, strings.Repeat("x", 65): 64, strings.Repeat("x", 17): 16,
	} {
		for field, limit := range map[string]int{"Subject": 255, "ClientID": 255, "ID": 64, "Confirm": 64, "KeyID": 16} {
			if limit > most && most > 0 {
				continue
			}
			f := redisFamily("ann", "bad", now)
			switch field {
			case "Subject":
				f = redisFamily(text, "bad", now)
				refused("RevokeToken of a bad subject", s.RevokeToken(ctx, redisToken(f), now))
				refused("RevokeTokensOf a bad subject", s.RevokeTokensOf(ctx, text))
				_, err := s.TokenVersion(ctx, text, 0)
				refused("TokenVersion of a bad subject", err)
				_, err = s.TokenRevoked(ctx, redisToken(f), now)
				refused("TokenRevoked of a bad subject", err)
			case "ID":
				f.Ref.ID = text
				_, err := s.Family(ctx, f.Ref)
				wantErr(t, err, store.ErrNotFound)
				_, err = s.AdvanceFamily(ctx, f.Ref, redisUse(f, 1))
				wantErr(t, err, store.ErrNotFound)
				wantErr(t, s.RevokeFamily(ctx, f.Ref, now), store.ErrNotFound)
				wantErr(t, wantRevoked(ctx, s, redisToken(f), now, store.TokenRevokedByFamily), nil)
				k := redisSigningKey(text, now)
				refused("AddSigningKey with a bad ID", s.AddSigningKey(ctx, k, "", now))
				wantErr(t, s.AddSigningKey(ctx, redisSigningKey("k", now), text, now), store.ErrConflict)
				wantErr(t, s.ExpireSigningKey(ctx, text, now), store.ErrNotFound)
			case "ClientID":
				f.ClientID = text
				_, err := s.AdvanceFamily(ctx, f.Ref, redisUse(f, 1))
				wantErr(t, err, store.ErrNotFound)
			case "Confirm":
				f.Confirm = text
				_, err := s.AdvanceFamily(ctx, f.Ref, redisUse(f, 1))
				wantErr(t, err, store.ErrNotFound)
			case "KeyID":
				f.KeyID = text
				a := redisUse(f, 1)
				a.KeyID = text
				_, err := s.AdvanceFamily(ctx, f.Ref, a)
				refused("AdvanceFamily with a bad KeyID", err)
			}
			refused(fmt.Sprintf("CreateFamily, %s %q", field, text), s.CreateFamily(ctx, f))
		}
	}
	for what, change := range map[string]func(f *store.RefreshFamily){
		"no ID":         func(f *store.RefreshFamily) { f.Ref.ID = "" },
		"no subject":    func(f *store.RefreshFamily) { f.Subject, f.Ref.Tag = "", store.TagOf("") },
		"another tag":   func(f *store.RefreshFamily) { f.Ref.Tag = store.TagOf("bob") },
		"no version":    func(f *store.RefreshFamily) { f.Version = 0 },
		"no generation": func(f *store.RefreshFamily) { f.Generation = 0 },
		"no RotatedAt":  func(f *store.RefreshFamily) { f.RotatedAt = time.Time{} },
		"no IdleUntil":  func(f *store.RefreshFamily) { f.IdleUntil = time.Time{} },
		"no ExpiresAt":  func(f *store.RefreshFamily) { f.ExpiresAt = time.Time{} },
		"bad Kind":      func(f *store.RefreshFamily) { f.Identity.Kind = 77 },
	} {
		f := redisFamily("ann", "bad", now)
		change(&f)
		refused("CreateFamily with "+what, s.CreateFamily(ctx, f))
	}
	f := redisFamily("ann", "f", now)
	_, err := s.AdvanceFamily(ctx, f.Ref, redisUse(f, 0))
	refused("AdvanceFamily of generation 0", err)
	for _, tag := range []string{"", "short", "too long a tag", "}aaaaaa{", "{}{}{}{}", "other}xx"} {
		ref := store.FamilyRef{Tag: tag, ID: "f"}
		_, err := s.Family(ctx, ref)
		wantErr(t, err, store.ErrNotFound)
		_, err = s.AdvanceFamily(ctx, ref, redisUse(f, 1))
		wantErr(t, err, store.ErrNotFound)
		wantErr(t, s.RevokeFamily(ctx, ref, now), store.ErrNotFound)
	}
	for what, change := range map[string]func(k *store.SigningKey){
		"no ID":          func(k *store.SigningKey) { k.ID = "" },
		"bad Algorithm":  func(k *store.SigningKey) { k.Algorithm = "\xff" },
		"long Public":    func(k *store.SigningKey) { k.Public = make([]byte, 16<<10+1) },
		"long Sealed":    func(k *store.SigningKey) { k.Sealed = make([]byte, 16<<10+1) },
		"no CreatedAt":   func(k *store.SigningKey) { k.CreatedAt = time.Time{} },
		"no SignFrom":    func(k *store.SigningKey) { k.SignFrom = time.Time{} },
		"an endless old": nil,
	} {
		k := redisSigningKey("k", now)
		if change == nil {
			refused("AddSigningKey with "+what, s.AddSigningKey(ctx, k, "old", time.Time{}))
			continue
		}
		change(&k)
		refused("AddSigningKey with "+what, s.AddSigningKey(ctx, k, "", now))
	}
	unasked()
}

// D5: names are bytes to Redis: none of them is a pattern or a hash tag.
func TestRedisAwkwardTokens(t *testing.T) {
	s := openRedis(t, redisCluster(t), redisstore.Config{})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	for i, text := range []string{"🔑 ключ", "{other slot}", "}{", "*", "a\r\nFLUSHALL\r\n", "]] redis.call('FLUSHALL') --[[", "%s%d", "<&>\"\\", "nan", "-1"} {
		f := redisFamily(text, fmt.Sprint(i, text), now)
		f.ClientID, f.Confirm, f.KeyID = text, text, fmt.Sprint("k", i)
		f.Scopes, f.Audience = []string{text, "", "\xff\x00"}, []string{"", text}
		f.Identity.Attributes = map[string]string{text: text, "": ""}
		wantErr(t, s.CreateFamily(ctx, f), nil)
		got, err := s.Family(ctx, f.Ref)
		wantErr(t, err, nil)
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", f) {
			t.Errorf("%q: got %+v, want %+v", text, got, f)
		}
		token := redisToken(f)
		wantErr(t, wantRevoked(ctx, s, token, now, ""), nil)
		_, err = s.AdvanceFamily(ctx, f.Ref, redisUse(f, 1))
		wantErr(t, err, nil)
		wantErr(t, s.RevokeToken(ctx, token, now.Add(time.Hour)), nil)
		wantErr(t, wantRevoked(ctx, s, token, now, store.TokenRevokedByID), nil)
		wantErr(t, s.RevokeTokensOf(ctx, text), nil)
		_, err = s.AdvanceFamily(ctx, f.Ref, redisUse(f, 2))
		wantErr(t, err, store.ErrNotFound)
		k := redisSigningKey(text, now.Add(time.Duration(i)*time.Second))
		k.Algorithm, k.Public, k.Sealed = text, []byte(text), []byte("\x00\xff"+strings.Repeat(text, 100))
		wantErr(t, s.AddSigningKey(ctx, k, newestKey(t, s, now), now.Add(time.Hour)), nil)
		keys, err := s.ListSigningKeys(ctx, now)
		wantErr(t, err, nil)
		if len(keys) != i+1 || fmt.Sprintf("%+v", keys[0]) != fmt.Sprintf("%+v", k) {
			t.Errorf("%q: the ring is %+v, want %+v first", text, keys, k)
		}
	}
}
