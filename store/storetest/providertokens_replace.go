package storetest

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/gatehouse-go/authn/store"
)

func providerTokenReplaceCases() []providerTokenCase {
	return []providerTokenCase{
		{
			name: "replace_provider_token",
			rule: "ReplaceProviderToken keeps sealed in place of old, and changes nothing else",
			test: replaceProviderToken,
		},
		{
			name: "replace_of_another_provider_token",
			rule: "ReplaceProviderToken answers ErrConflict when old is not what is there, all its bytes, and changes nothing",
			test: replaceOfAnotherProviderToken,
		},
		{
			name: "replace_of_a_missing_provider_token",
			rule: "ReplaceProviderToken answers ErrConflict when nothing is there, and puts nothing",
			test: replaceOfAMissingProviderToken,
		},
		{
			name: "replace_provider_token_has_one_winner",
			rule: "of concurrent ReplaceProviderToken of one old one wins, the others get ErrConflict",
			test: replaceProviderTokenHasOneWinner,
		},
		{
			name: "replace_undoes_no_put",
			rule: "of ReplaceProviderToken and a concurrent PutProviderToken either is first, and what was put is there",
			test: replaceUndoesNoPut,
		},
	}
}

func replaceProviderToken(t *testing.T, s store.ProviderTokens) {
	ann, others := owned{"ann", "google"}, []owned{{"ann", "github"}, {"bob", "google"}}
	last := sealedToken("first")
	putSealed(t, s, ann, last)
	for _, at := range others {
		putSealed(t, s, at, sealedToken("of "+at.subject+at.provider))
	}
	for i, next := range [][]byte{
		sealedToken("second"), {0}, {0, 0}, bytes.Repeat([]byte{0xff}, 32<<10), sealedToken("Third"), sealedToken("third"), sealedToken("third "),
	} {
		wantErr(t, replaceSealed(t, s, ann, last, next), nil, "ReplaceProviderToken, call %d", i+1)
		wantSealed(t, s, ann, next, "replaced %d times", i+1)
		last = next
	}
	for _, at := range others {
		wantSealed(t, s, at, sealedToken("of "+at.subject+at.provider), "who is another")
	}
}

func replaceOfAnotherProviderToken(t *testing.T, s store.ProviderTokens) {
	at, is := owned{"ann", "google"}, sealedToken("Token")
	putSealed(t, s, owned{"ann", "github"}, sealedToken("of github"))
	putSealed(t, s, at, sealedToken("put before"))
	putSealed(t, s, at, is)
	last := bytes.Clone(is)
	last[len(last)-1] ^= 1
	first := bytes.Clone(is)
	first[0] ^= 0x80
	near := [][]byte{first, last, is[:1], is[1:], append([]byte{' '}, is...), bytes.Repeat(is, 100), []byte("\x00"), []byte("%"), nil, {}}
	for _, name := range []string{"token", "Toke", "Token ", "Token\x00", "put before", "of github", "next", ""} {
		near = append(near, sealedToken(name))
	}
	for i, old := range near {
		wantErr(t, replaceSealed(t, s, at, old, sealedToken("next")), store.ErrConflict, "ReplaceProviderToken, near miss %d, of %s", i, short(old))
		wantSealed(t, s, at, is, "after near miss %d", i)
	}
	must(t, replaceSealed(t, s, at, is, sealedToken("next")), "ReplaceProviderToken")
	wantErr(t, replaceSealed(t, s, at, is, sealedToken("last")), store.ErrConflict, "ReplaceProviderToken of the token before the last")
	wantSealed(t, s, at, sealedToken("next"), "replaced once")

	long := bytes.Repeat([]byte{'x'}, 32<<10) // databases that compare a prefix
	putSealed(t, s, at, long)
	other := bytes.Clone(long)
	other[len(other)-1] = 'y'
	wantErr(t, replaceSealed(t, s, at, other, sealedToken("last")), store.ErrConflict, "ReplaceProviderToken of 32 KiB of which one byte differs")
	wantSealed(t, s, at, long, "of 32 KiB")
}

func replaceOfAMissingProviderToken(t *testing.T, s store.ProviderTokens) {
	putSealed(t, s, owned{"ann", "google"}, sealedToken("a"))
	for _, at := range []owned{{"ann", "github"}, {"bob", "google"}, {"Ann", "google"}, {"ann", "google "}, {"ann", ""}, {"google", "ann"}} {
		for _, old := range [][]byte{sealedToken("a"), nil, {}, sealedToken("next")} {
			wantErr(t, replaceSealed(t, s, at, old, sealedToken("next")), store.ErrConflict, "ReplaceProviderToken of %q at %q, which is not there", at.subject, at.provider)
			noSealed(t, s, at, "it was refused")
		}
	}
	wantSealed(t, s, owned{"ann", "google"}, sealedToken("a"), "who is another")
}

func replaceProviderTokenHasOneWinner(t *testing.T, s store.ProviderTokens) {
	at, last := owned{"ann", "google"}, sealedToken("first")
	putSealed(t, s, at, last)
	for round := range 4 {
		const n = 50
		next := func(i int) []byte { return sealedToken(fmt.Sprint(round, " ", i)) }
		won := winners(t, n, store.ErrConflict, func(i int) error { return replaceSealed(t, s, at, last, next(i)) })
		if len(won) != 1 {
			t.Fatalf("%d of %d replacements of one token at once were answered nil, want 1", len(won), n)
		}
		last = next(won[0])
		wantSealed(t, s, at, last, "replaced in a race")
	}
}

func replaceUndoesNoPut(t *testing.T, s store.ProviderTokens) {
	for round := range 40 {
		at := owned{fmt.Sprint("user ", round), "google"}
		putSealed(t, s, at, sealedToken("old"))
		var replaced error
		race(t, 2, func(i int) {
			if i == round%2 {
				replaced = replaceSealed(t, s, at, sealedToken("old"), sealedToken("refreshed"))
			} else {
				wantErr(t, s.PutProviderToken(t.Context(), at.subject, at.provider, sealedToken("put")), nil, "PutProviderToken beside ReplaceProviderToken")
			}
		})
		if replaced != nil {
			wantErr(t, replaced, store.ErrConflict, "ReplaceProviderToken beside PutProviderToken")
		}
		wantSealed(t, s, at, sealedToken("put"), "put while it was replaced")
	}
}
