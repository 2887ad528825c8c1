package integration_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// aKey is a key that needs no more than a number to be unique.
func aKey(owner string, n int) store.APIKey {
	id := fmt.Sprintf("%s-%d", owner, n)
	return store.APIKey{
		ID: id, Owner: owner, Name: "deploys", Prefix: "test", LastFour: "wxyz", Digest: store.DigestOf(id),
		Scopes: []string{"orders:read", "orders:write"}, Metadata: map[string]string{"team": "shipping"},
		CreatedAt: time.Now().UTC().Truncate(time.Microsecond),
	}
}

// D9: what runs on each request, or for a batch of them, is one statement and
// one round trip, however many connections, retries or uses there are. MySQL's
// UPDATE answers no rows: there a batch of uses is two in a transaction, and a
// refresh is three; a logout is three there, too, so that it does not deadlock.
func TestHotCallsAreOneStatement(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		ctx := t.Context()
		db, schema, r := b.record(t)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		if err := st.Open(ctx); err != nil {
			t.Fatal(err)
		}
		now := time.Now()
		var uses []store.APIKeyUse
		for n := range 500 {
			k := aKey("ann", n)
			if err := st.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now); err != nil {
				t.Fatal(err)
			}
			uses = append(uses, store.APIKeyUse{ID: k.ID, N: 1, At: now, Addr: netip.MustParseAddr("192.0.2.1")})
		}
		claims, generation, revision := 0, int64(0), int64(0)
		f := raceFamily("trips", 1)
		if err := st.CreateFamily(ctx, f); err != nil {
			t.Fatal(err)
		}
		if err := st.AddSigningKey(ctx, raceSigningKey("trips", 1, 0), "", time.Time{}); err != nil {
			t.Fatal(err)
		}
		session, out := createSession(t, st, "trips", 1), createSession(t, st, "out", 1)
		token := raceToken("trips", 1)
		token.Family = f.Ref.ID
		calls := []struct {
			name string
			call func() error
			want int
		}{
			{"APIKeyByDigest", func() error { _, err := st.APIKeyByDigest(ctx, store.DigestOf("ann-7")); return err }, 1},
			{"ClaimOnce", func() error {
				claims++
				return st.ClaimOnce(ctx, "jti", store.DigestOf(fmt.Sprint(claims)), now.Add(time.Hour), now)
			}, 1},
			{"ClaimOnce, refused", func() error {
				err := st.ClaimOnce(ctx, "jti", store.DigestOf("1"), now.Add(time.Hour), now)
				if errors.Is(err, store.ErrExists) {
					return nil
				}
				return fmt.Errorf("claimed twice: %w", err)
			}, 1},
			{"RecordAPIKeyUses of 1", func() error { _, err := st.RecordAPIKeyUses(ctx, uses[:1]); return err }, 1},
			{"RecordAPIKeyUses of 500", func() error { _, err := st.RecordAPIKeyUses(ctx, uses); return err }, 1},
			{"TokenRevoked", func() error { _, err := st.TokenRevoked(ctx, token, now); return err }, 1},
			{"RevokeToken", func() error { return st.RevokeToken(ctx, token, now) }, 1},
			{"TokenVersion", func() error { _, err := st.TokenVersion(ctx, f.Subject, time.Hour); return err }, 1},
			{"Family", func() error { _, err := st.Family(ctx, f.Ref); return err }, 1},
			{"AdvanceFamily", func() error {
				generation++
				_, err := st.AdvanceFamily(ctx, f.Ref, raceAdvance(generation, 0, 0))
				return err
			}, 1},
			{"SessionByRef", func() error { _, err := st.SessionByRef(ctx, session.Ref, now); return err }, 1},
			{"TouchSession", func() error { return st.TouchSession(ctx, session.Ref, now.Add(time.Hour), now) }, 1},
			{"UpdateSessionData", func() error {
				revision++
				return st.UpdateSessionData(ctx, session.Ref, revision, []byte("{}"), now)
			}, 1},
			{"DeleteSession", func() error { return st.DeleteSession(ctx, out.Ref) }, 1},
			{"ListSessions", func() error {
				_, _, err := st.ListSessions(ctx, session.Identity.Subject, store.Page{}, now)
				return err
			}, 1},
			{"ListSigningKeys", func() error { _, err := st.ListSigningKeys(ctx, now); return err }, 1},
		}
		for _, c := range calls {
			if b.dialect == sqlstore.MySQL && strings.HasPrefix(c.name, "RecordAPIKeyUses") {
				c.want = 2
			}
			if b.dialect == sqlstore.MySQL && c.name == "DeleteSession" {
				c.want = 2 // the second time, when it is gone
			}
			if b.dialect == sqlstore.MySQL && c.name == "AdvanceFamily" {
				c.want = 3
			}
			if err := c.call(); err != nil { // prepares
				t.Fatal(err)
			}
			all, turns := r.during(func() {
				if err := c.call(); err != nil {
					t.Fatal(err)
				}
			})
			n := 0
			for _, s := range all {
				if s.isQuery() {
					n++
				}
			}
			t.Logf("%s: %d statements, %d round trips", c.name, n, turns)
			if n != c.want {
				t.Errorf("%s says %d statements, want %d: %v", c.name, n, c.want, all)
			}
			if c.want == 1 && turns > 1 {
				t.Errorf("%s takes %d round trips", c.name, turns)
			}
		}
	})
}
