package integration_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// D5: guesses are counted in Lua as store.Guesses.Count does it, to the
// microsecond, whatever came before.
func TestRedisCountsGuessesAsTheContract(t *testing.T) {
	count, err := os.ReadFile("../../store/redisstore/scripts/guesses.lua")
	wantErr(t, err, nil)
	c, ctx := redisClient(t, nil), t.Context()
	script := string(count) + `
local answer = {}
for i = 1, #ARGV, 11 do
  local v = {}
  for j = 0, 10 do v[j] = tonumber(ARGV[i + j]) end
  local g = { row = v[0], recent = v[1], recent_at = v[2], wait_until = v[3] }
  local wait = count(g, { free = v[4], wait = v[5], max_wait = v[6], max_row = v[7], max_recent = v[8], recent_for = v[9] }, v[10])
  answer[#answer + 1] = string.format('%.0f %.0f %.0f %.0f %.0f', wait or -1, g.row, g.recent, g.recent_at, g.wait_until)
end
return answer`
	r := rand.New(rand.NewPCG(6238, 4226))
	micro := time.UnixMicro
	pick := func(ns ...int64) int64 { return ns[r.IntN(len(ns))] }
	near := func(n int64) int64 { return n + pick(-1, 0, 1) }
	const second, day, century = int64(1e6), 24 * 3600 * int64(1e6), 100 * 365 * 24 * 3600 * int64(1e6)
	refused := make(map[bool]int)
	for range 40 {
		const batch = 500
		var args []any
		var want []string
		for range batch {
			now := 1_700_000_000*second + r.Int64N(20*365*day)
			p := []int64{
				pick(0, 1, 4, 1000), pick(1000, 1001, 30*second, 1+r.Int64N(day)+1000), pick(0, 1000, 15*60*second, r.Int64N(century), century),
				0, 0, pick(1, 30*day, 1+r.Int64N(century)),
			}
			row, recent := pick(0, 1, r.Int64N(10), p[0], p[0]+1, r.Int64N(2000)), pick(0, 1, r.Int64N(10), r.Int64N(2000))
			p[3], p[4] = pick(0, 0, 0, -1, row, row+1, row+2), pick(0, 0, 0, -1, recent, recent+1)
			recentAt := pick(now, near(now-p[5]), near(now), now-r.Int64N(day))
			if recent == 0 {
				recentAt = pick(0, recentAt)
			}
			waitUntil := pick(0, 0, near(now), now-r.Int64N(day), now+r.Int64N(day))

			g := store.Guesses{Row: int(row), Recent: int(recent)}
			if recentAt != 0 {
				g.RecentAt = micro(recentAt)
			}
			if waitUntil != 0 {
				g.WaitUntil = micro(waitUntil)
			}
			next, wait, err := g.Count(store.GuessPolicy{
				Free: int(p[0]), Wait: time.Duration(p[1]) * time.Microsecond, MaxWait: time.Duration(p[2]) * time.Microsecond,
				MaxRow: int(p[3]), MaxRecent: int(p[4]), RecentFor: time.Duration(p[5]) * time.Microsecond,
			}, micro(now))
			refused[err != nil]++
			left := int64(-1)
			if err != nil {
				left = wait.Microseconds()
			}
			at := func(t time.Time) int64 {
				if t.IsZero() {
					return 0
				}
				return t.UnixMicro()
			}
			want = append(want, fmt.Sprint(left, next.Row, next.Recent, at(next.RecentAt), at(next.WaitUntil)))
			args = append(args, row, recent, recentAt, waitUntil, p[0], p[1], p[2], p[3], p[4], p[5], now)
		}
		got, err := c.Eval(ctx, script, nil, args...).StringSlice()
		wantErr(t, err, nil)
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("of %v Lua makes %s, and Go %s", args[11*i:11*i+11], got[i], want[i])
			}
		}
	}
	if refused[true] < 1000 || refused[false] < 1000 {
		t.Errorf("%v: refused or not, this shows little", refused)
	}
}

// D5, D8: damaged rows are errors, and never an open door; they can be deleted and
// disabled.
func TestRedisDamagedTOTPs(t *testing.T) {
	c := redisClient(t, nil)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "hurt:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	row := "hurt:{" + store.TagOf("ann") + "}totp:ann"
	for field, values := range map[string][]string{
		"codes":    {"", "x", "1 2 3", "1 2 3 x", "1 2 3 4", "-1 2 3 4 ", "1 2 3 x "},
		"backup":   {"x", "99999999999999999999 1 1 1 "},
		"step":     {"x"},
		"epoch":    {"x"},
		"enrolled": {"x"},
		"until":    {"x"},
		"recovery": {"x", strings.Repeat("x", 33)},
	} {
		for _, bad := range values {
			wantErr(t, c.Del(ctx, row).Err(), nil)
			wantErr(t, redisEnrol(ctx, s, "ann", "a", now), nil)
			wantErr(t, s.BeginTOTP(ctx, "ann", redisSealed("a"), redisSealed("b"), now.Add(time.Hour)), nil)
			wantErr(t, c.HSet(ctx, row, field, bad).Err(), nil)
			_, err := s.TOTP(ctx, "ann")
			if wantErr(t, err, store.ErrDamaged); t.Failed() {
				t.Fatalf("with the %s %q", field, bad)
			}
			switch field {
			case "codes":
				_, _, err = s.ReserveTOTP(ctx, "ann", redisGuesses)
				wantOutage(t, err)
				wantOutage(t, s.AcceptTOTP(ctx, "ann", redisSealed("a"), 11, nil))
			case "until":
				wantOutage(t, s.ConfirmTOTP(ctx, "ann", redisSealed("b"), 11, nil, now))
			case "step": // it is beyond all
				wantErr(t, s.AcceptTOTP(ctx, "ann", redisSealed("a"), 11, nil), store.ErrConflict)
			}
			if field != "epoch" {
				wantErr(t, s.DeleteTOTP(ctx, "ann", true), nil)
				wantErr(t, s.AcceptTOTP(ctx, "ann", redisSealed("a"), 12, nil), store.ErrConflict)
			}
		}
	}

	const prefix = "hurt:{hurt:oauthclients}client:"
	for i, bad := range []string{
		"id=", "created=", "created=x", "revision=x", "revision=0", "disabled=x", "scopes=9:x", "audience=x", "serves=-1:",
		"secrets=x", "secrets=x  \n", "secrets=" + store.DigestOf("").String() + " x \n", "secrets=" + store.DigestOf("").String() + " 1 x\n",
	} {
		id := fmt.Sprint("client ", i)
		wantErr(t, s.CreateOAuthClient(ctx, redisOAuthClient(id, now)), nil)
		field, value, _ := strings.Cut(bad, "=")
		wantErr(t, c.HSet(ctx, prefix+id, field, value).Err(), nil)
		_, err := s.OAuthClient(ctx, id)
		if wantErr(t, err, store.ErrDamaged); t.Failed() {
			t.Fatalf("with %q", bad)
		}
		_, _, err = s.ListOAuthClients(ctx, store.Page{})
		wantErr(t, err, store.ErrDamaged)
		wantErr(t, s.DisableOAuthClient(ctx, id, now), nil)
		wantErr(t, c.Del(ctx, prefix+id).Err(), nil)
		wantErr(t, c.ZRem(ctx, "hurt:{hurt:oauthclients}ids", id).Err(), nil)
	}
}

// D5: what the contract rules out is refused before the server sees it; looked
// up, it is not there.
func TestRedisRefusesTOTPsThatNoStoreTakes(t *testing.T) {
	s, refused, unasked := redisRefusals(t)
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	sealed, later := redisSealed("a"), now.Add(time.Hour)
	many := make([]store.Digest, store.MaxRecoveryCodes+1)
	for _, text := range []string{"nul\x00in it", "\xff\xfe not UTF-8", strings.Repeat("é", 128)} {
		_, err := s.TOTP(ctx, text)
		wantErr(t, err, store.ErrNotFound)
		refused("BeginTOTP, subject", s.BeginTOTP(ctx, text, nil, sealed, later))
		wantErr(t, s.ConfirmTOTP(ctx, text, sealed, 10, nil, now), store.ErrConflict)
		_, _, err = s.ReserveTOTP(ctx, text, redisGuesses)
		wantErr(t, err, store.ErrNotFound)
		wantErr(t, s.AcceptTOTP(ctx, text, sealed, 10, nil), store.ErrConflict)
		_, err = s.TakeRecoveryCode(ctx, text, store.Digest{})
		wantErr(t, err, store.ErrNotFound)
		wantErr(t, s.ReplaceRecoveryCodes(ctx, text, sealed, nil), store.ErrConflict)
		wantErr(t, s.ForgetTOTPDevices(ctx, text), nil)
		wantErr(t, s.DeleteTOTP(ctx, text, true), nil)

		_, err = s.OAuthClient(ctx, text)
		wantErr(t, err, store.ErrNotFound)
		bad := redisOAuthClient(text, now)
		wantErr(t, s.UpdateOAuthClient(ctx, bad), store.ErrNotFound)
		wantErr(t, s.RotateOAuthSecret(ctx, text, redisSecret("x", now), later, now), store.ErrNotFound)
		wantErr(t, s.DisableOAuthClient(ctx, text, now), store.ErrNotFound)
		_, _, err = s.ListOAuthClients(ctx, store.Page{Cursor: text})
		wantErr(t, err, store.ErrNotFound)
		refused("CreateOAuthClient, ID", s.CreateOAuthClient(ctx, bad))

		for _, name := range [][2]string{{text, "google"}, {"ann", text}} {
			_, err = s.ProviderToken(ctx, name[0], name[1])
			wantErr(t, err, store.ErrNotFound)
			refused("PutProviderToken, name", s.PutProviderToken(ctx, name[0], name[1], sealed))
			wantErr(t, s.ReplaceProviderToken(ctx, name[0], name[1], sealed, sealed), store.ErrConflict)
			wantErr(t, s.DeleteProviderToken(ctx, name[0], name[1]), nil)
		}
		wantErr(t, s.DeleteProviderTokensOf(ctx, text), nil)
	}
	for _, step := range []int64{0, -1} {
		wantErr(t, s.ConfirmTOTP(ctx, "ann", sealed, step, nil, now), store.ErrConflict)
		wantErr(t, s.AcceptTOTP(ctx, "ann", sealed, step, nil), store.ErrConflict)
	}
	for what, bad := range map[string][]byte{"none": {}, "too long": make([]byte, 256)} {
		refused("BeginTOTP, sealed is "+what, s.BeginTOTP(ctx, "ann", nil, bad, later))
		refused("AcceptTOTP, reseal is "+what, s.AcceptTOTP(ctx, "ann", sealed, 11, bad))
	}
	refused("ConfirmTOTP, codes", s.ConfirmTOTP(ctx, "ann", sealed, 10, many, now))
	refused("ReplaceRecoveryCodes, codes", s.ReplaceRecoveryCodes(ctx, "ann", sealed, many))
	for what, p := range map[string]store.GuessPolicy{
		"Free": {Free: -1, Wait: time.Second, RecentFor: 1}, "Wait": {Wait: time.Microsecond, RecentFor: 1}, "RecentFor": {Wait: time.Second},
	} {
		_, _, err := s.ReserveTOTP(ctx, "ann", p)
		refused("ReserveTOTP, "+what, err)
	}

	long := strings.Repeat("x", 64<<10)
	for what, change := range map[string]func(c *store.OAuthClient){
		"AuthMethod":         func(c *store.OAuthClient) { c.AuthMethod = long[:65] },
		"an empty ID":        func(c *store.OAuthClient) { c.ID = "" },
		"CreatedAt":          func(c *store.OAuthClient) { c.CreatedAt = time.Time{} },
		"Secrets":            func(c *store.OAuthClient) { c.Secrets = make([]store.ClientSecret, 3) },
		"Name":               func(c *store.OAuthClient) { c.Name = long[:256] },
		"Name, NUL":          func(c *store.OAuthClient) { c.Name = "\x00" },
		"JWKS":               func(c *store.OAuthClient) { c.JWKS = []byte(long + "x") },
		"CertSubject":        func(c *store.OAuthClient) { c.CertSubject = long[:1025] },
		"a scope":            func(c *store.OAuthClient) { c.Scopes = []string{"\xff"} },
		"an audience":        func(c *store.OAuthClient) { c.Audience = []string{"\x00"} },
		"lists, too long":    func(c *store.OAuthClient) { c.Scopes, c.Serves = []string{long}, []string{"x"} },
		"one that it serves": func(c *store.OAuthClient) { c.Serves = []string{"\x00"} },
	} {
		c := redisOAuthClient("bad", now)
		change(&c)
		refused("CreateOAuthClient, "+what, s.CreateOAuthClient(ctx, c))
		switch what {
		case "AuthMethod", "an empty ID", "CreatedAt", "Secrets": // which stay as they are
		default:
			refused("UpdateOAuthClient, "+what, s.UpdateOAuthClient(ctx, c))
		}
	}

	refused("PutProviderToken, provider", s.PutProviderToken(ctx, "ann", long[:65], sealed))
	for what, bad := range map[string][]byte{"none": nil, "too long": make([]byte, 32<<10+1)} {
		refused("PutProviderToken, "+what, s.PutProviderToken(ctx, "ann", "google", bad))
		refused("ReplaceProviderToken, "+what, s.ReplaceProviderToken(ctx, "ann", "google", sealed, bad))
	}
	unasked()
}

// D5: names and values are bytes to Redis: none of them is a pattern, a hash tag,
// a length or the end of a line.
func TestRedisAwkwardTOTPs(t *testing.T) {
	s := openRedis(t, redisCluster(t), redisstore.Config{})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	for _, text := range []string{
		"🔑 ключ", "{other slot}", "}{", "*", "a\r\nFLUSHALL\r\n", "]] redis.call('FLUSHALL') --[[", "%s%d", "<&>\"\\", "nan", "-1", "1:", "(a", "[a",
		"totp:x", "\x01", " ", "ids", strings.Repeat("g", 64),
	} {
		for _, sealed := range [][]byte{[]byte(text), {0}, bytes.Repeat([]byte{0xff, '\n', 0}, 85)} {
			wantErr(t, s.DeleteTOTP(ctx, text, true), nil)
			step := wantStep(s, t, text) + 1
			wantErr(t, s.BeginTOTP(ctx, text, nil, sealed, now.Add(time.Hour)), nil)
			wantErr(t, s.ConfirmTOTP(ctx, text, sealed, step, redisCodes(text), now), nil)
			wantErr(t, s.AcceptTOTP(ctx, text, sealed, step+1, []byte(text)), nil)
			got := wantTOTP(t, s, text)
			got.DeviceEpoch = 0
			want := store.TOTP{Subject: text, Secret: []byte(text), EnrolledAt: now, Step: step + 1, Recovery: redisCodes(text)}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%q: got %+v, want %+v", text, got, want)
			}
		}
		c := redisOAuthClient(text, now)
		c.Name, c.AuthMethod, c.JWKS, c.CertSubject = text, text, []byte(text), text
		c.Scopes, c.Audience, c.Serves = []string{text, "", text}, []string{""}, []string{text + "\n"}
		wantErr(t, s.CreateOAuthClient(ctx, c), nil)
		wantErr(t, s.CreateOAuthClient(ctx, c), store.ErrExists)
		if got := wantOAuthClient(t, s, text); !reflect.DeepEqual(got, c) {
			t.Errorf("%q: got %+v, want %+v", text, got, c)
		}
		for _, provider := range []string{text, "google"} {
			wantErr(t, s.PutProviderToken(ctx, text, provider, []byte{0}), nil)
			wantErr(t, s.ReplaceProviderToken(ctx, text, provider, []byte{0}, []byte(provider)), nil)
		}
		wantProviderToken(t, s, text, text, text)
		wantErr(t, s.DeleteProviderToken(ctx, text, text), nil)
		wantProviderToken(t, s, text, text, "")
		wantProviderToken(t, s, text, "google", "google")
		wantErr(t, s.DeleteProviderTokensOf(ctx, text), nil)
		wantProviderToken(t, s, text, "google", "")
	}
	all, next, err := s.ListOAuthClients(ctx, store.Page{})
	if err != nil || len(all) != 18 || next != "" {
		t.Errorf("a list of %d clients, %q, %v, want 18", len(all), next, err)
	}

	// A step is compared as a whole, and not as a double.
	last := int64(1)<<62 + 1
	wantErr(t, redisEnrol(ctx, s, "far", "far", now), nil)
	wantErr(t, s.AcceptTOTP(ctx, "far", redisSealed("far"), last, nil), nil)
	wantErr(t, s.AcceptTOTP(ctx, "far", redisSealed("far"), last, nil), store.ErrConflict)
	wantErr(t, s.AcceptTOTP(ctx, "far", redisSealed("far"), last+1, nil), nil)
	if got := wantTOTP(t, s, "far").Step; got != last+1 {
		t.Errorf("the step is %s", strconv.FormatInt(got, 10))
	}
}

// wantStep is the last step of who may have none.
func wantStep(s store.TOTPs, t *testing.T, subject string) int64 {
	t.Helper()
	got, err := s.TOTP(t.Context(), subject)
	if err != nil {
		wantErr(t, err, store.ErrNotFound)
	}
	return got.Step
}
