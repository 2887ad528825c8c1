package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/store"
)

func familyNameCases() []tokenCase {
	return []tokenCase{
		{
			name: "family_keeps_awkward_text",
			rule: "an ID has up to 64 bytes, a Subject and a ClientID up to 255, and they are kept as they are",
			test: familyKeepsAwkwardText,
		},
		{
			name: "family_ids_compare_bytewise",
			rule: "an ID is unique, compared bytewise",
			test: familyIDsCompareBytewise,
		},
	}
}

func familyKeepsAwkwardText(t *testing.T, s store.Tokens) {
	now := today()
	for i, text := range []string{
		"'; DROP TABLE authn_families; --", `"quoted" \back\slash`, "100%_?*[a-z]", "$1 :name @p1 {ann}",
		"🔑 ключ 鍵", "e\u0301", "line\nbreak\ttab", " spaces around ", `{"json":[true]}`, "<b>&amp;</b>", "\u2028",
		strings.Repeat("x", 255), strings.Repeat("é", 127) + "!", strings.Repeat("🔑", 63) + "abc",
	} {
		f := newFamily(text, fmt.Sprint("id ", i), now)
		f.ClientID = text
		f.Identity.Method, f.Identity.Issuer, f.Identity.CredentialID = text, text, text
		f.Identity.Roles, f.Identity.Attributes = []string{text}, map[string]string{text: text}
		f.Scopes, f.Audience = []string{text}, []string{text, text}
		createFamilies(t, s, f)
		wantUnchanged(t, s, f)
		got := advance(t, s, f.Ref, use(f, 1))
		f.Generation, f.KeyID, f.RotatedAt, f.IdleUntil = 2, "key 2", got.RotatedAt, got.IdleUntil
		wantFamily(t, got, f)
		wantUnchanged(t, s, f)
		wantLive(t, s, tokenOf(f), now, "nothing is revoked")
	}
}

func familyIDsCompareBytewise(t *testing.T, s store.Tokens) {
	now := today()
	long := strings.Repeat("x", 63)
	for _, pair := range [][2]string{
		{"Bob", "bob"}, {"eve", "eve "}, {"ann%", "ann_"}, {"7", "07"}, {"a-b", "a_b"}, {"{x}", "x"}, {long + "a", long + "b"}, {long, long + "c"},
	} {
		mine, theirs := newFamily("ann", pair[0], now), newFamily("ann", pair[1], now)
		createFamilies(t, s, mine, theirs)
		must(t, s.RevokeFamily(t.Context(), mine.Ref, now), "RevokeFamily")
		wantUnchanged(t, s, theirs)
		mine.RevokedAt = now
		wantUnchanged(t, s, mine)
		wantDead(t, s, tokenOf(mine), now, store.TokenRevokedByFamily, "its family is revoked")
		wantLive(t, s, tokenOf(theirs), now, fmt.Sprintf("the family %q is revoked", pair[0]))
		advance(t, s, theirs.Ref, use(theirs, 1))
		wantUnchanged(t, s, mine)
	}
}
