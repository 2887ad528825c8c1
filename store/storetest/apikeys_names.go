package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// nameCases are about the text that names things: what a database may read as
// its own, or find equal to another.
func nameCases() []apiKeyCase {
	return []apiKeyCase{
		{
			name: "keeps_awkward_text",
			rule: "an ID has up to 64 bytes, an Owner and a Name up to 255, and they are kept as they are",
			test: keepsAwkwardText,
		},
		{
			name: "owners_compare_bytewise",
			rule: "an Owner is compared bytewise",
			test: ownersCompareBytewise,
		},
		{
			name: "ids_compare_bytewise",
			rule: "an ID is unique, compared bytewise",
			test: idsCompareBytewise,
		},
		{
			name: "digests_compare_bytewise",
			rule: "a Digest is unique, and all its 32 bytes count",
			test: digestsCompareBytewise,
		},
	}
}

func keepsAwkwardText(t *testing.T, s store.APIKeys) {
	now := today()
	texts := []string{
		"'; DROP TABLE authn_api_keys; --", `"quoted" \back\slash`, "100%_?*[a-z]", "$1 :name @p1 {ann}",
		"🔑 ключ 鍵", "e\u0301", "line\nbreak\ttab", " spaces around ", `{"json":[true]}`, "<b>&amp;</b>",
		strings.Repeat("é", 32), strings.Repeat("x", 255), strings.Repeat("é", 127) + "!", strings.Repeat("🔑", 63) + "abc",
	}
	for i, text := range texts {
		k := newKey(text, fmt.Sprint("id ", i), now)
		k.Name = text
		k.Metadata = map[string]string{text: text}
		if len(text) <= 64 {
			k.ID = text
		}
		create(t, s, k)
		wantKey(t, read(t, s, text, k.ID), k)
		got, err := s.APIKeyByDigest(t.Context(), k.Digest)
		wantErr(t, err, nil, "APIKeyByDigest of %q", k.ID)
		wantKey(t, got, k)
		wantIDs(t, list(t, s, text), []string{k.ID}, "ListAPIKeys of %q", text)
	}
}

// alike are pairs that collations, trimming or Unicode find equal.
var alike = [][2]string{
	{"Bob", "bob"},
	{"eve", "eve "},
	{"\u00e9", "e\u0301"}, // é composed and decomposed
	{"zoe", "zoé"},
	{"strasse", "straße"},
	{"k", "\u212a"}, // the Kelvin sign
	{"ann%", "ann_"},
	{"7", "07"},
}

func ownersCompareBytewise(t *testing.T, s store.APIKeys) {
	now := today()
	for i, pair := range alike {
		mine, theirs := pair[0], pair[1]
		k := newKey(mine, fmt.Sprint("mine ", i), now)
		create(t, s, k)
		_, err := s.APIKey(t.Context(), theirs, k.ID)
		wantErr(t, err, store.ErrNotFound, "key of %q, read as %q", mine, theirs)
		wantIDs(t, list(t, s, theirs), []string{}, "list of %q, when %q has a key", theirs, mine)
		wantErr(t, s.RevokeAPIKey(t.Context(), theirs, k.ID, now), store.ErrNotFound, "key of %q, revoked as %q", mine, theirs)
		next := newKey(theirs, fmt.Sprint("next ", i), now)
		wantErr(t, rotate(t, s, theirs, k.ID, next, now, now), store.ErrNotFound, "key of %q, rotated as %q", mine, theirs)
		must(t, s.RevokeAPIKeysOf(t.Context(), theirs, now), "RevokeAPIKeysOf")

		one := store.APIKeyLimits{MaxLive: 1}
		other := newKey(theirs, fmt.Sprint("theirs ", i), now)
		wantErr(t, s.CreateAPIKey(t.Context(), other, one, now), nil, "first key of %q, when %q has one", theirs, mine)
		wantKey(t, read(t, s, mine, k.ID), k)
		wantKey(t, read(t, s, theirs, other.ID), other)
	}
}

func idsCompareBytewise(t *testing.T, s store.APIKeys) {
	now := today()
	for i, pair := range alike {
		first, second := newKey("ann", pair[0], now), newKey("ann", pair[1], now)
		create(t, s, first, second)
		wantKey(t, read(t, s, "ann", first.ID), first)
		must(t, s.RevokeAPIKey(t.Context(), "ann", second.ID, now), "RevokeAPIKey %q", second.ID)
		wantKey(t, read(t, s, "ann", first.ID), first)

		next := newKey("ann", fmt.Sprint("next ", i), now)
		must(t, rotate(t, s, "ann", first.ID, next, now.Add(time.Hour), now), "RotateAPIKey %q", first.ID)
		second.RevokedAt = now
		wantKey(t, read(t, s, "ann", second.ID), second)
	}
}

func digestsCompareBytewise(t *testing.T, s store.APIKeys) {
	now := today()
	var keys []store.APIKey
	for i, d := range nearDigests() {
		k := newKey("ann", fmt.Sprint("k", i), now)
		k.Digest = d
		keys = append(keys, k)
	}
	create(t, s, keys...)
	for _, k := range keys {
		got, err := s.APIKeyByDigest(t.Context(), k.Digest)
		wantErr(t, err, nil, "APIKeyByDigest %v", k.Digest)
		wantKey(t, got, k)
	}
}
