package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

func familyCases() []tokenCase {
	return []tokenCase{
		{
			name: "family_keeps_every_field",
			rule: "CreateFamily inserts f, all of it; times keep microseconds",
			test: familyKeepsEveryField,
		},
		{
			name: "family_keeps_no_verified_at",
			rule: "VerifiedAt and Credential of a family's Identity are not kept",
			test: familyKeepsNoVerifiedAt,
		},
		{
			name: "family_keeps_copies",
			rule: "values are copied when they are written: what the caller does with them afterwards has no effect",
			test: familyKeepsCopies,
		},
		{
			name: "missing_family_is_not_found",
			rule: "what names one record answers ErrNotFound when there is none",
			test: missingFamilyIsNotFound,
		},
		{
			name: "family_of_another_tag_is_not_found",
			rule: "a family is found by its Tag and its ID: with another Tag it answers ErrNotFound, and nothing changes",
			test: familyOfAnotherTagIsNotFound,
		},
		{
			name: "dead_families_are_read",
			rule: "Family answers dead ones, too",
			test: deadFamiliesAreRead,
		},
		{
			name: "create_family_refuses_a_known_id",
			rule: "CreateFamily answers ErrExists when the ID is there already, dead or not, and changes nothing",
			test: createFamilyRefusesAKnownID,
		},
		{
			name: "create_family_refuses_another_version",
			rule: "CreateFamily answers ErrConflict when the subject's version is not f.Version, lower or higher, and inserts nothing",
			test: createFamilyRefusesAnotherVersion,
		},
		{
			name: "family_ids_are_unique_in_a_race",
			rule: "of concurrent CreateFamily with one ID one wins, the others get ErrExists",
			test: familyIDsAreUniqueInARace,
		},
		{
			name:   "cleaning_spares_families",
			rule:   "only what expired over a day ago is deleted: the day is a margin for clocks that differ",
			moving: cleaningSparesFamilies,
		},
	}
}

func familyKeepsEveryField(t *testing.T, s store.Tokens) {
	now := today().Truncate(time.Second).Add(time.Microsecond)
	full := newFamily("ann", "full", now)
	full.ClientID = "spa"
	full.Identity = authn.Identity{
		Subject: "ann", Kind: authn.KindClient, Method: "session", Issuer: "https://login.example", CredentialID: "credential 7",
		Scopes: []string{"z:last", "a:first", "orders:read,write", "*"}, // in this order
		Roles:  []string{"clerk", "admin"},
		Factors: []authn.Factor{
			{Name: "pwd", At: now.Add(-3 * time.Hour).In(time.FixedZone("", 2*60*60))},
			{Name: "otp", At: now.Add(-time.Minute + 123_456*time.Microsecond)},
		},
		Pending: []string{"hwk", "face"}, ExpiresAt: now.Add(time.Hour + 7*time.Microsecond),
		Attributes: map[string]string{"team": "blue", "empty": "", "ключ": "🔑"},
	}
	full.Scopes, full.Audience = []string{"z", "a", "m,n"}, []string{"https://b.example", "https://a.example"}
	full.Confirm = strings.Repeat("c", 64)
	full.Generation = 1<<53 + 1 // no float64
	full.KeyID = strings.Repeat("k", 16)
	full.RotatedAt = now.Add(-time.Hour + 999_998*time.Microsecond).In(time.FixedZone("", -7*60*60))
	full.IdleUntil = now.Add(time.Hour + 999_999*time.Microsecond)
	full.ExpiresAt = now.Add(2*time.Hour + time.Microsecond)
	full.RevokedAt = now.Add(-time.Minute + 3*time.Microsecond)
	bare := store.RefreshFamily{
		Ref: store.FamilyRef{Tag: store.TagOf("bob"), ID: "bare"}, Subject: "bob", Identity: authn.Identity{Subject: "bob", Kind: authn.KindUser},
		Version: 1, Generation: 1, KeyID: "k", RotatedAt: now, IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour),
	}
	empty := bare
	empty.Ref.ID = "empty"
	empty.Scopes, empty.Audience = []string{}, []string{}
	empty.Identity.Scopes, empty.Identity.Factors, empty.Identity.Attributes = []string{}, []authn.Factor{}, map[string]string{}
	far := newFamily("ann", "far", now)
	far.IdleUntil = time.Date(9999, 12, 31, 23, 59, 59, 999_998_000, time.UTC)
	far.ExpiresAt = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)

	want := []store.RefreshFamily{full, bare, empty, far}
	createFamilies(t, s, want...)
	for _, f := range want {
		wantUnchanged(t, s, f)
	}
	revokeTokensOf(t, s, "eve")
	second := newFamily("eve", "second", now)
	second.Version = 2
	createFamilies(t, s, second)
	wantUnchanged(t, s, second)
}

func familyKeepsNoVerifiedAt(t *testing.T, s store.Tokens) {
	now := today()
	f := newFamily("ann", "f", now)
	f.Identity.VerifiedAt, f.Identity.Credential = now, &f
	createFamilies(t, s, f)
	wantUnchanged(t, s, f)
	wantFamily(t, advance(t, s, f.Ref, use(f, 1)), readFamily(t, s, f.Ref))
}

func familyKeepsCopies(t *testing.T, s store.Tokens) {
	now := today()
	f := newFamily("ann", "f", now)
	f.Identity.Pending = []string{"otp"}
	createFamilies(t, s, f)
	f.Scopes[0], f.Audience[0] = "admin", "https://evil.example"
	f.Identity.Scopes[0], f.Identity.Roles[0], f.Identity.Pending[0] = "admin", "admin", "none"
	f.Identity.Factors[0] = authn.Factor{Name: "hwk", At: now.Add(time.Hour)}
	f.Identity.Attributes["team"], f.Identity.Attributes["more"] = "red", "yes"
	want := newFamily("ann", "f", now)
	want.Identity.Pending = []string{"otp"}
	wantUnchanged(t, s, want)
}

func missingFamilyIsNotFound(t *testing.T, s store.Tokens) {
	now := today()
	f := newFamily("ann", "missing", now)
	for _, there := range []bool{false, true} {
		what := fmt.Sprintf("subject with families: %v; ", there)
		if there {
			createFamilies(t, s, newFamily("ann", "another", now))
		}
		for _, ref := range []store.FamilyRef{f.Ref, {Tag: f.Ref.Tag}, {}} {
			absentFamily(t, s, ref)
			refuseAdvance(t, s, ref, use(f, 1), store.ErrNotFound, what+"no such family")
			wantErr(t, s.RevokeFamily(t.Context(), ref, now), store.ErrNotFound, "%sRevokeFamily %+v", what, ref)
			absentFamily(t, s, ref)
		}
	}
	wantUnchanged(t, s, newFamily("ann", "another", now))
}

func familyOfAnotherTagIsNotFound(t *testing.T, s store.Tokens) {
	now := today()
	f := newFamily("ann", "f", now)
	createFamilies(t, s, f, newFamily("bob", "bobs", now))
	tag := f.Ref.Tag
	for _, other := range []string{
		store.TagOf("bob"), store.TagOf("nobody"), "", strings.ToLower(tag), strings.ToUpper(tag), tag + " ", tag[:7], tag + "A",
	} {
		ref := store.FamilyRef{Tag: other, ID: f.Ref.ID}
		absentFamily(t, s, ref)
		refuseAdvance(t, s, ref, use(f, 1), store.ErrNotFound, "with another tag")
		wantErr(t, s.RevokeFamily(t.Context(), ref, now), store.ErrNotFound, "RevokeFamily %+v", ref)
	}
	wantUnchanged(t, s, f)
}

func deadFamiliesAreRead(t *testing.T, s store.Tokens) {
	now := today()
	idled, expired := newFamily("ann", "idled", now.Add(-time.Hour)), newFamily("ann", "expired", now.Add(-time.Hour))
	idled.IdleUntil = now.Add(-time.Minute)
	expired.IdleUntil, expired.ExpiresAt = now.Add(-time.Minute), now.Add(-time.Minute)
	revoked, outdated := newFamily("ann", "revoked", now), newFamily("bob", "outdated", now)
	createFamilies(t, s, idled, expired, revoked, outdated)
	must(t, s.RevokeFamily(t.Context(), revoked.Ref, now), "RevokeFamily")
	revoked.RevokedAt = now
	revokeTokensOf(t, s, "bob")
	for _, f := range []store.RefreshFamily{idled, expired, revoked} {
		wantUnchanged(t, s, f)
	}
	got := readFamily(t, s, outdated.Ref)
	got.RevokedAt = time.Time{} // a store may set it
	wantFamily(t, got, outdated)
}

func createFamilyRefusesAKnownID(t *testing.T, s store.Tokens) {
	now := today()
	f, idled := newFamily("ann", "f", now), newFamily("ann", "idled", now.Add(-time.Hour))
	idled.IdleUntil = now.Add(-time.Minute)
	createFamilies(t, s, f, idled)
	for _, revoked := range []bool{false, true} {
		if revoked {
			must(t, s.RevokeFamily(t.Context(), f.Ref, now), "RevokeFamily")
			f.RevokedAt = now
		}
		for _, first := range []store.RefreshFamily{f, idled} {
			second := newFamily("ann", first.Ref.ID, now)
			second.ClientID, second.KeyID, second.Generation = "other", "other", 7
			wantErr(t, s.CreateFamily(t.Context(), second), store.ErrExists, "CreateFamily with the ID of one that is there (revoked: %v)", revoked)
			wantUnchanged(t, s, first)
		}
	}
	wantDead(t, s, tokenOf(f), now, store.TokenRevokedByFamily, "the family is revoked, and a second was refused")
}

func createFamilyRefusesAnotherVersion(t *testing.T, s store.Tokens) {
	now := today()
	for current := int64(1); current <= 3; current++ {
		for n := int64(1); n <= 4; n++ {
			f := newFamily("ann", fmt.Sprint("version ", n, " of ", current), now)
			f.Version = n
			err := s.CreateFamily(t.Context(), f)
			if n == current {
				wantErr(t, err, nil, "CreateFamily with the subject's version, %d", n)
				wantUnchanged(t, s, f)
				continue
			}
			wantErr(t, err, store.ErrConflict, "CreateFamily with version %d, the subject's being %d", n, current)
			absentFamily(t, s, f.Ref)
			wantErr(t, s.CreateFamily(t.Context(), newFamily("bob", fmt.Sprint("bobs ", n, " of ", current), now)), nil, "CreateFamily of another subject")
		}
		revokeTokensOf(t, s, "ann")
	}
}

func familyIDsAreUniqueInARace(t *testing.T, s store.Tokens) {
	now := today()
	for round := range 5 {
		const n = 16
		families := make([]store.RefreshFamily, n)
		for i := range families {
			families[i] = newFamily("ann", fmt.Sprint("round ", round), now)
			families[i].KeyID = fmt.Sprint("key of ", i)
		}
		won := winners(t, n, store.ErrExists, func(i int) error { return s.CreateFamily(t.Context(), families[i]) })
		if len(won) != 1 {
			t.Fatalf("%d of %d CreateFamily at once with one ID were answered nil, want 1", len(won), n)
		}
		wantUnchanged(t, s, families[won[0]])
	}
}

// cleaningSparesFamilies: the store's clock is fast, not wrong by a day.
func cleaningSparesFamilies(t *testing.T, s store.Tokens, c *clock) {
	now := today()
	var families []store.RefreshFamily
	for _, end := range []time.Duration{time.Second, time.Minute, 12 * time.Hour, 30 * time.Hour} {
		idled, expired := newFamily("ann", fmt.Sprint("idle ", end), now), newFamily("ann", fmt.Sprint("end ", end), now)
		idled.IdleUntil = now.Add(end)
		expired.IdleUntil, expired.ExpiresAt = now.Add(end), now.Add(end)
		families = append(families, idled, expired)
	}
	used := newFamily("ann", "used", now)
	used.IdleUntil = now.Add(time.Minute)
	createFamilies(t, s, append(families, used)...)
	used = advance(t, s, used.Ref, use(used, 1))
	// A revoked one denies its access tokens, however short its refresh tokens were.
	revoked := newFamily("bob", "revoked", now)
	revoked.IdleUntil = now.Add(time.Minute)
	createFamilies(t, s, revoked)
	must(t, s.RevokeFamily(t.Context(), revoked.Ref, now), "RevokeFamily")
	revoked.RevokedAt = now

	for _, ahead := range []time.Duration{23 * time.Hour, 20 * day} {
		c.set(ahead)
		clean(t, s)
		for i := range 50 { // some stores delete when they insert
			createFamilies(t, s, newFamily("eve", fmt.Sprint("other ", ahead, i), now.Add(ahead)))
		}
		wantUnchanged(t, s, used)
		wantDead(t, s, tokenOf(revoked), now, store.TokenRevokedByFamily, "the family is revoked")
		if ahead < day {
			for _, f := range append(families, revoked) {
				wantUnchanged(t, s, f)
				wantErr(t, s.CreateFamily(t.Context(), f), store.ErrExists, "CreateFamily of %q again", f.Ref.ID)
			}
		}
	}
}
