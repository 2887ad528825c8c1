package storetest

import (
	"fmt"
	"testing"

	"github.com/gatehouse-go/authn/store"
)

func providerTokenDeleteCases() []providerTokenCase {
	return []providerTokenCase{
		{
			name: "deleted_provider_token_is_gone",
			rule: "DeleteProviderToken deletes one token, and deleting what is gone is fine; one may be put again",
			test: deletedProviderTokenIsGone,
		},
		{
			name: "delete_provider_tokens_of",
			rule: "DeleteProviderTokensOf deletes the tokens of subject at all providers, and there may be none; those that are put later stay",
			test: deleteProviderTokensOf,
		},
		{
			name: "delete_provider_tokens_of_nobody_else",
			rule: "DeleteProviderTokensOf deletes nobody else's tokens; subjects compare bytewise",
			test: deleteProviderTokensOfNobodyElse,
		},
		{
			name: "replace_brings_no_provider_token_back",
			rule: "of ReplaceProviderToken and a concurrent DeleteProviderToken or DeleteProviderTokensOf neither undoes the other: the token is gone",
			test: replaceBringsNoProviderTokenBack,
		},
	}
}

func deletedProviderTokenIsGone(t *testing.T, s store.ProviderTokens) {
	ann, others := owned{"ann", "google"}, []owned{{"ann", "github"}, {"bob", "google"}, {"google", "ann"}}
	putSealed(t, s, ann, sealedToken("a"))
	for _, at := range others {
		putSealed(t, s, at, sealedToken("of "+at.subject))
	}
	for _, at := range []owned{{"nobody", "google"}, {"ann", "gitlab"}, {"Ann", "google"}, {"ann", "Google"}, {"ann ", "google"}, {"ann", ""}, {"", "google"}, {"%", "%"}, {"ann", "g*"}} {
		wantErr(t, s.DeleteProviderToken(t.Context(), at.subject, at.provider), nil, "DeleteProviderToken of %q at %q, which is not there", at.subject, at.provider)
	}
	wantSealed(t, s, ann, sealedToken("a"), "after others were deleted")
	for range 2 {
		wantErr(t, s.DeleteProviderToken(t.Context(), "ann", "google"), nil, "DeleteProviderToken")
		noSealed(t, s, ann, "it was deleted")
		wantErr(t, replaceSealed(t, s, ann, sealedToken("a"), sealedToken("b")), store.ErrConflict, "ReplaceProviderToken of one that was deleted")
		noSealed(t, s, ann, "it was deleted, and replacing it was refused")
	}
	for _, at := range others {
		wantSealed(t, s, at, sealedToken("of "+at.subject), "who is another")
	}
	putSealed(t, s, ann, sealedToken("again"))
	wantErr(t, replaceSealed(t, s, ann, sealedToken("a"), sealedToken("b")), store.ErrConflict, "ReplaceProviderToken of the one that was deleted")
	wantSealed(t, s, ann, sealedToken("again"), "put again")
}

func deleteProviderTokensOf(t *testing.T, s store.ProviderTokens) {
	ctx := t.Context()
	wantErr(t, s.DeleteProviderTokensOf(ctx, "ann"), nil, "DeleteProviderTokensOf who has none")
	providers := []string{"google", "github", "%", "ann", "a:b", "é", "Google"}
	for range 2 {
		for _, provider := range providers {
			putSealed(t, s, owned{"ann", provider}, sealedToken("of "+provider))
		}
		for range 2 {
			wantErr(t, s.DeleteProviderTokensOf(ctx, "ann"), nil, "DeleteProviderTokensOf")
			for _, provider := range providers {
				noSealed(t, s, owned{"ann", provider}, "all were deleted")
				wantErr(t, replaceSealed(t, s, owned{"ann", provider}, sealedToken("of "+provider), sealedToken("next")), store.ErrConflict, "ReplaceProviderToken of one that was deleted")
			}
		}
	}
	putSealed(t, s, owned{"ann", "google"}, sealedToken("later"))
	wantSealed(t, s, owned{"ann", "google"}, sealedToken("later"), "put after all were deleted")
	noSealed(t, s, owned{"ann", "github"}, "all were deleted, and another was put")
}

func deleteProviderTokensOfNobodyElse(t *testing.T, s store.ProviderTokens) {
	for _, pair := range alike {
		for _, provider := range []string{"google", pair[1]} {
			putSealed(t, s, owned{pair[0], provider}, sealedToken("mine at "+provider))
			putSealed(t, s, owned{pair[1], provider}, sealedToken("theirs at "+provider))
		}
		must(t, s.DeleteProviderTokensOf(t.Context(), pair[1]), "DeleteProviderTokensOf %q", pair[1])
		for _, provider := range []string{"google", pair[1]} {
			noSealed(t, s, owned{pair[1], provider}, "all were deleted")
		}
	}
	putSealed(t, s, owned{"a:b", "c"}, sealedToken("joined"))
	for _, subject := range []string{"", "%", "*", "google", "nobody", "a", "a:", "a:b:c"} {
		must(t, s.DeleteProviderTokensOf(t.Context(), subject), "DeleteProviderTokensOf %q", subject)
	}
	wantSealed(t, s, owned{"a:b", "c"}, sealedToken("joined"), "whose name begins with another's")
	for _, pair := range alike {
		for _, provider := range []string{"google", pair[1]} {
			wantSealed(t, s, owned{pair[0], provider}, sealedToken("mine at "+provider), "who is another")
		}
	}
}

func replaceBringsNoProviderTokenBack(t *testing.T, s store.ProviderTokens) {
	for round := range 40 {
		at, kept := owned{fmt.Sprint("user ", round), "google"}, owned{fmt.Sprint("user ", round), "github"}
		putSealed(t, s, at, sealedToken("old"))
		putSealed(t, s, kept, sealedToken("kept"))
		var replaced error
		race(t, 2, func(i int) {
			switch {
			case i == round%2:
				replaced = replaceSealed(t, s, at, sealedToken("old"), sealedToken("refreshed"))
			case round < 20:
				wantErr(t, s.DeleteProviderToken(t.Context(), at.subject, at.provider), nil, "DeleteProviderToken beside ReplaceProviderToken")
			default:
				wantErr(t, s.DeleteProviderTokensOf(t.Context(), at.subject), nil, "DeleteProviderTokensOf beside ReplaceProviderToken")
			}
		})
		if replaced != nil {
			wantErr(t, replaced, store.ErrConflict, "ReplaceProviderToken beside a deletion")
		}
		noSealed(t, s, at, "it was deleted while it was replaced")
		if round < 20 {
			wantSealed(t, s, kept, sealedToken("kept"), "at another provider")
		} else {
			noSealed(t, s, kept, "all were deleted")
		}
	}
}
