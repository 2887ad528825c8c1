package storetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/store"
)

type providerTokenCase = testCase[store.ProviderTokens]

// providerTokenCases are of the files providertokens_*.go, by theme.
func providerTokenCases() []providerTokenCase {
	return slices.Concat(providerTokenReplaceCases(), providerTokenDeleteCases(), []providerTokenCase{
		{
			name: "provider_token_keeps_every_byte",
			rule: "ProviderToken answers what was put: any bytes, up to 32 KiB",
			test: providerTokenKeepsEveryByte,
		},
		{
			name: "missing_provider_tokens",
			rule: "ProviderToken answers ErrNotFound where nothing was put",
			test: missingProviderTokens,
		},
		{
			name: "put_provider_token_replaces",
			rule: "PutProviderToken keeps sealed in place of whatever is there, and nobody else's",
			test: putProviderTokenReplaces,
		},
		{
			name: "provider_tokens_are_by_subject_and_provider",
			rule: "a token is of a subject and a provider: another of either is another token; both compare bytewise",
			test: providerTokensAreBySubjectAndProvider,
		},
		{
			name: "provider_token_keeps_copies",
			rule: "values are copied when they are written: what the caller does with them afterwards has no effect",
			test: providerTokenKeepsCopies,
		},
		{
			name: "provider_token_answers_do_not_change",
			rule: "a token that was read stays as it was read, whatever is written afterwards",
			test: providerTokenAnswersDoNotChange,
		},
		{
			name: "put_provider_token_is_seen_whole",
			rule: "a reader sees all of PutProviderToken or nothing: one token or the other, never a part or none",
			test: putProviderTokenIsSeenWhole,
		},
		{
			name:   "cleaning_spares_provider_tokens",
			rule:   "Run deletes what expired over a day ago; a provider's token does not expire",
			moving: cleaningSparesProviderTokens,
		},
		{
			name: "provider_token_calls_with_an_ended_context",
			rule: "a context that has ended is no reason to panic; any answer will do",
			test: providerTokenCallsWithAnEndedContext,
		},
	})
}

// sealedToken is no UTF-8, and holds a NUL and a quote.
func sealedToken(name string) []byte { return append([]byte{2, 0, 0xff, '\'', '\\'}, name...) }

// owned is a token's place.
type owned struct{ subject, provider string }

func putSealed(t *testing.T, s store.ProviderTokens, at owned, sealed []byte) {
	t.Helper()
	must(t, s.PutProviderToken(t.Context(), at.subject, at.provider, sealed), "PutProviderToken of %.40q at %q", at.subject, at.provider)
}

func replaceSealed(t *testing.T, s store.ProviderTokens, at owned, old, sealed []byte) error {
	t.Helper()
	return s.ReplaceProviderToken(t.Context(), at.subject, at.provider, old, sealed)
}

// wantSealed says when the token there is not want.
func wantSealed(t *testing.T, s store.ProviderTokens, at owned, want []byte, what string, args ...any) {
	t.Helper()
	got, err := s.ProviderToken(t.Context(), at.subject, at.provider)
	wantErr(t, err, nil, "ProviderToken of %.40q at %q, %s", at.subject, at.provider, fmt.Sprintf(what, args...))
	if err == nil && !bytes.Equal(got, want) {
		t.Errorf("token of %.40q at %q, %s: got %s, want %s", at.subject, at.provider, fmt.Sprintf(what, args...), short(got), short(want))
	}
}

// noSealed says when there is a token.
func noSealed(t *testing.T, s store.ProviderTokens, at owned, why string) {
	t.Helper()
	_, err := s.ProviderToken(t.Context(), at.subject, at.provider)
	wantErr(t, err, store.ErrNotFound, "ProviderToken of %.40q at %q: %s", at.subject, at.provider, why)
}

func providerTokenKeepsEveryByte(t *testing.T, s store.ProviderTokens) {
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	tokens := [][]byte{every, bytes.Repeat(every, 128), bytes.Repeat([]byte{0xff}, 32<<10-1)}
	for _, text := range []string{"\x00", "\xff", " ", " a ", "a\x00", "\x00\x00\x00", "'; DROP TABLE authn_provider_tokens; --", "\r\n", `\x6162`, "{}", "null"} {
		tokens = append(tokens, []byte(text))
	}
	texts := []string{
		"'; DROP TABLE authn_provider_tokens; --", `"quoted" \back\slash`, "100%_?*[a-z]", "$1 :name @p1 {ann}", "🔑 ключ 鍵", "e\u0301",
		"line\nbreak\ttab", " spaces around ", "a:b:c{d}", strings.Repeat("é", 32), strings.Repeat("x", 64), "google", "0", `{"json":[true]}`,
	}
	places := make([]owned, len(tokens))
	for i, sealed := range tokens {
		places[i] = owned{texts[i], texts[(i+1)%len(texts)]}
		if i%3 == 0 {
			places[i].subject = fmt.Sprintf("%-255d", i)
		}
		putSealed(t, s, places[i], sealed)
	}
	for range 2 {
		for i, at := range places {
			wantSealed(t, s, at, tokens[i], "as it was put")
		}
	}
}

func missingProviderTokens(t *testing.T, s store.ProviderTokens) {
	all := []owned{{"ann", "google"}, {"bob", "github"}, {"ann", ""}, {"", "google"}, {"ann", "%"}, {"%", "google"}, {"*", "*"}, {"google", "ann"}}
	for _, at := range all {
		noSealed(t, s, at, "nothing was put")
	}
	putSealed(t, s, owned{"ann", "github"}, sealedToken("a"))
	putSealed(t, s, owned{"bob", "google"}, sealedToken("b"))
	for _, at := range all {
		noSealed(t, s, at, "others were put")
	}
}

func putProviderTokenReplaces(t *testing.T, s store.ProviderTokens) {
	ann, others := owned{"ann", "google"}, []owned{{"ann", "github"}, {"bob", "google"}, {"bob", "github"}}
	for i, at := range others {
		putSealed(t, s, at, sealedToken(fmt.Sprint("other ", i)))
	}
	for i, sealed := range [][]byte{
		sealedToken("first"), sealedToken("second"), {0}, bytes.Repeat([]byte{1}, 32<<10), {2}, sealedToken("first again"),
	} {
		putSealed(t, s, ann, sealed)
		wantSealed(t, s, ann, sealed, "after %d calls of PutProviderToken", i+1)
	}
	for i, at := range others {
		wantSealed(t, s, at, sealedToken(fmt.Sprint("other ", i)), "who is another")
	}
}

func providerTokensAreBySubjectAndProvider(t *testing.T, s store.ProviderTokens) {
	places := []owned{
		{"ab", "c"}, {"a", "bc"}, {"c", "ab"}, {strings.Repeat("s", 255), "p"}, {strings.Repeat("s", 254), "sp"}, {"1:a", "c"}, {"1", "a:c"},
	}
	for _, sep := range []string{":", "/", " ", "|"} { // names that are equal when they are joined
		places = append(places, owned{"a" + sep + "b", "c"}, owned{"a", "b" + sep + "c"})
	}
	for _, pair := range alike {
		places = append(places, owned{pair[0], "google"}, owned{pair[1], "google"}, owned{"ann", pair[0]}, owned{"ann", pair[1]})
	}
	for i, at := range places {
		noSealed(t, s, at, "only others were put")
		putSealed(t, s, at, sealedToken(fmt.Sprint(i)))
	}
	for i, at := range places {
		wantSealed(t, s, at, sealedToken(fmt.Sprint(i)), "beside others that are alike")
		wantErr(t, replaceSealed(t, s, at, sealedToken(fmt.Sprint(i)), sealedToken(fmt.Sprint("next ", i))), nil, "ReplaceProviderToken of %.40q at %q", at.subject, at.provider)
	}
	for i, at := range places {
		wantSealed(t, s, at, sealedToken(fmt.Sprint("next ", i)), "replaced, beside others that are alike")
	}
}

func providerTokenKeepsCopies(t *testing.T, s store.ProviderTokens) {
	at := owned{"ann", "google"}
	sealed := sealedToken("a")
	putSealed(t, s, at, sealed)
	clear(sealed)
	wantSealed(t, s, at, sealedToken("a"), "whose caller overwrote what it had put")
	next := sealedToken("b")
	must(t, replaceSealed(t, s, at, sealedToken("a"), next), "ReplaceProviderToken")
	clear(next)
	wantSealed(t, s, at, sealedToken("b"), "whose caller overwrote what it had replaced it by")
}

func providerTokenAnswersDoNotChange(t *testing.T, s store.ProviderTokens) {
	at := owned{"ann", "google"}
	putSealed(t, s, at, sealedToken("1"))
	for i, write := range []func() error{
		func() error { return s.PutProviderToken(t.Context(), "ann", "google", sealedToken("2")) },
		func() error { return replaceSealed(t, s, at, sealedToken("2"), sealedToken("3")) },
		func() error { return s.DeleteProviderToken(t.Context(), "ann", "google") },
		func() error { return s.PutProviderToken(t.Context(), "ann", "google", sealedToken("4")) },
	} {
		was, err := s.ProviderToken(t.Context(), "ann", "google")
		kept := bytes.Clone(was)
		must(t, write(), "write %d", i+1)
		if err == nil && !bytes.Equal(was, kept) {
			t.Errorf("a token that was read before write %d has changed: %s, was %s", i+1, short(was), short(kept))
		}
	}
}

func putProviderTokenIsSeenWhole(t *testing.T, s store.ProviderTokens) {
	at := owned{"ann", "google"}
	token := func(i int) []byte { return bytes.Repeat([]byte{byte(i + 1)}, 8<<10) }
	putSealed(t, s, at, token(0))
	read := func() {
		got, err := s.ProviderToken(t.Context(), at.subject, at.provider)
		wantErr(t, err, nil, "ProviderToken beside PutProviderToken")
		if err == nil && (len(got) == 0 || !bytes.Equal(got, token(int(got[0])-1))) {
			t.Errorf("ProviderToken beside PutProviderToken: got %s, want one token", short(got))
		}
	}
	for round := range 15 {
		during(t,
			func() {
				wantErr(t, s.PutProviderToken(t.Context(), at.subject, at.provider, token(2*round+1)), nil, "PutProviderToken")
				wantErr(t, replaceSealed(t, s, at, token(2*round+1), token(2*round+2)), nil, "ReplaceProviderToken")
			},
			read, read,
		)
	}
}

func cleaningSparesProviderTokens(t *testing.T, s store.ProviderTokens, c *clock) {
	at := owned{"ann", "google"}
	putSealed(t, s, at, sealedToken("a"))
	c.set(10 * 365 * day)
	clean(t, s)
	putSealed(t, s, owned{"bob", "google"}, sealedToken("b")) // some stores delete when they insert
	wantSealed(t, s, at, sealedToken("a"), "ten years later")
	wantErr(t, replaceSealed(t, s, at, sealedToken("a"), sealedToken("next")), nil, "ReplaceProviderToken, ten years later")
}

func providerTokenCallsWithAnEndedContext(t *testing.T, s store.ProviderTokens) {
	at := owned{"ann", "google"}
	putSealed(t, s, at, sealedToken("a"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = s.ProviderToken(ctx, at.subject, at.provider)
	_ = s.PutProviderToken(ctx, "bob", at.provider, sealedToken("b"))
	_ = s.ReplaceProviderToken(ctx, at.subject, at.provider, sealedToken("a"), sealedToken("next"))
	_ = s.DeleteProviderToken(ctx, at.subject, at.provider)
	_ = s.DeleteProviderTokensOf(ctx, at.subject)
	putSealed(t, s, at, sealedToken("after"))
	wantSealed(t, s, at, sealedToken("after"), "put after calls with an ended context")
}
