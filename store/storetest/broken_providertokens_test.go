package storetest_test

import (
	"bytes"
	"context"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-go/authn/store"
)

var brokenProviderTokens = []brokenStore{
	{"tokens of providers end at a NUL", "ProviderTokens/provider_token_keeps_every_byte", tokensWith(func(s *plainTokens) {
		s.answered = func(sealed []byte) []byte {
			before, _, _ := bytes.Cut(sealed, []byte{0})
			return before
		}
	})},
	{"tokens of providers are text", "ProviderTokens/provider_token_keeps_every_byte", tokensWith(func(s *plainTokens) {
		s.answered = func(sealed []byte) []byte { return bytes.ToValidUTF8(sealed, []byte{utf8.RuneSelf - 1}) }
	})},
	{"tokens of providers have 16 KiB", "ProviderTokens/provider_token_keeps_every_byte", tokensWith(func(s *plainTokens) {
		s.answered = func(sealed []byte) []byte { return sealed[:min(len(sealed), 16<<10)] }
	})},
	{"no token is an empty one", "ProviderTokens/missing_provider_tokens", tokensWith(func(s *plainTokens) {
		s.says["read"] = func(bool, error) error { return nil }
	})},
	{"any provider's token will do", "ProviderTokens/missing_provider_tokens", tokensWith(func(s *plainTokens) {
		s.at = func(p place) place {
			if _, ok := s.rows[p]; !ok && p.provider == "" {
				for there := range s.rows {
					if there.subject == p.subject {
						return there
					}
				}
			}
			return p
		}
	})},
	{"putting inserts", "ProviderTokens/put_provider_token_replaces", tokensWith(func(s *plainTokens) {
		s.says["put"] = func(there bool, err error) error {
			if there {
				return store.ErrExists
			}
			return err
		}
	})},
	{"the first token stays", "ProviderTokens/put_provider_token_replaces", func(*edited) any { return insertsTokens{newPlainTokens()} }},
	{"joins subject and provider", "ProviderTokens/provider_tokens_are_by_subject_and_provider", tokensWith(func(s *plainTokens) {
		s.at = func(p place) place { return place{p.subject + ":" + p.provider, ""} }
	})},
	{"providers in any case", "ProviderTokens/provider_tokens_are_by_subject_and_provider", tokensWith(func(s *plainTokens) {
		s.at = func(p place) place { return place{p.subject, strings.ToLower(p.provider)} }
	})},
	{"users of providers in any case", "ProviderTokens/provider_tokens_are_by_subject_and_provider", tokensWith(func(s *plainTokens) {
		s.at = func(p place) place { return place{strings.ToLower(p.subject), p.provider} }
	})},
	{"keeps the caller's token", "ProviderTokens/provider_token_keeps_copies", tokensWith(func(s *plainTokens) {
		s.kept = func(sealed []byte) []byte { return sealed }
	})},
	{"writes a token in place", "ProviderTokens/provider_token_answers_do_not_change", func(*edited) any { return writesInPlace{newPlainTokens()} }},
	{"deletes, then puts", "ProviderTokens/put_provider_token_is_seen_whole", tokensWith(func(s *plainTokens) {
		s.half = func(_, _ []byte) []byte { return nil }
	})},
	{"puts a token in two writes", "ProviderTokens/put_provider_token_is_seen_whole", tokensWith(func(s *plainTokens) {
		s.half = func(was, is []byte) []byte { return append(bytes.Clone(is[:len(is)/2]), was[len(was)/2:]...) }
	})},
	{"cleans tokens of providers", "ProviderTokens/cleaning_spares_provider_tokens", func(e *edited) any { return cleansTokens{newPlainTokens(), e} }},
	{"provider token calls panic without a context", "ProviderTokens/provider_token_calls_with_an_ended_context", func(*edited) any { return panicsOnTokens{newPlainTokens()} }},

	{"replaces all of a subject", "ProviderTokens/replace_provider_token", func(*edited) any { return replacesAll{newPlainTokens()} }},
	{"replaces no token of one byte", "ProviderTokens/replace_provider_token", tokensWith(func(s *plainTokens) {
		s.same = func(there, old []byte) bool { return bytes.Equal(there, old) && len(old) > 1 }
	})},
	{"replaces tokens in any case", "ProviderTokens/replace_of_another_provider_token", tokensWith(func(s *plainTokens) { s.same = bytes.EqualFold })},
	{"replaces tokens padded by NUL", "ProviderTokens/replace_of_another_provider_token", tokensWith(func(s *plainTokens) {
		s.same = func(there, old []byte) bool { return bytes.Equal(there, bytes.TrimRight(old, "\x00")) }
	})},
	{"compares the beginning of a token", "ProviderTokens/replace_of_another_provider_token", tokensWith(func(s *plainTokens) {
		s.same = func(there, old []byte) bool {
			return bytes.Equal(there[:min(len(there), 1024)], old[:min(len(old), 1024)])
		}
	})},
	{"replaces whatever token is there", "ProviderTokens/replace_of_another_provider_token", tokensWith(func(s *plainTokens) {
		s.same = func(_, _ []byte) bool { return true }
	})},
	{"no old token replaces any", "ProviderTokens/replace_of_another_provider_token", tokensWith(func(s *plainTokens) {
		s.same = func(there, old []byte) bool { return len(old) == 0 || bytes.Equal(there, old) }
	})},
	{"replacing nothing is not found", "ProviderTokens/replace_of_a_missing_provider_token", tokensWith(func(s *plainTokens) {
		s.says["replace"] = func(there bool, err error) error {
			if !there {
				return store.ErrNotFound
			}
			return err
		}
	})},
	{"replacing nothing puts", "ProviderTokens/replace_of_a_missing_provider_token", tokensWith(func(s *plainTokens) {
		s.says["replace"] = func(there bool, err error) error {
			if !there {
				return nil
			}
			return err
		}
	})},
	{"looks, then replaces a token", "ProviderTokens/replace_provider_token_has_one_winner", tokensWith(func(s *plainTokens) { s.races = true })},
	{"replacing overwrites what is put", "ProviderTokens/replace_undoes_no_put", tokensWith(func(s *plainTokens) { s.races = true })},

	{"deleting no token is not found", "ProviderTokens/deleted_provider_token_is_gone", tokensWith(func(s *plainTokens) {
		s.says["delete"] = func(there bool, err error) error {
			if !there {
				return store.ErrNotFound
			}
			return err
		}
	})},
	{"deletes at all providers", "ProviderTokens/deleted_provider_token_is_gone", func(*edited) any { return deletesAll{newPlainTokens()} }},
	{"deletes an empty token", "ProviderTokens/deleted_provider_token_is_gone", func(*edited) any { return deletesNone{newPlainTokens()} }},
	{"deleting none is not found", "ProviderTokens/delete_provider_tokens_of", tokensWith(func(s *plainTokens) {
		s.says["delete all"] = func(there bool, err error) error {
			if !there {
				return store.ErrNotFound
			}
			return err
		}
	})},
	{"deletes one token of a subject", "ProviderTokens/delete_provider_tokens_of", tokensWith(func(s *plainTokens) {
		s.of = func(p place, subject string) bool { return p.subject == subject && p.provider != "github" }
	})},
	{"deletes whose names begin so", "ProviderTokens/delete_provider_tokens_of_nobody_else", tokensWith(func(s *plainTokens) {
		s.of = func(p place, subject string) bool { return strings.HasPrefix(p.subject, subject) }
	})},
	{"deletes of subjects in any case", "ProviderTokens/delete_provider_tokens_of_nobody_else", tokensWith(func(s *plainTokens) {
		s.of = func(p place, subject string) bool { return strings.EqualFold(p.subject, subject) }
	})},
	{"deletes at the provider of that name", "ProviderTokens/delete_provider_tokens_of_nobody_else", tokensWith(func(s *plainTokens) {
		s.of = func(p place, subject string) bool { return p.subject == subject || p.provider == subject }
	})},
	{"replacing brings a token back", "ProviderTokens/replace_brings_no_provider_token_back", tokensWith(func(s *plainTokens) { s.races = true })},
}

type insertsTokens struct{ *plainTokens }

func (s insertsTokens) PutProviderToken(ctx context.Context, subject, provider string, sealed []byte) error {
	if _, err := s.ProviderToken(ctx, subject, provider); err == nil {
		return nil
	}
	return s.plainTokens.PutProviderToken(ctx, subject, provider, sealed)
}

// writesInPlace has one piece of memory for each token.
type writesInPlace struct{ *plainTokens }

func (s writesInPlace) ProviderToken(_ context.Context, subject, provider string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sealed, ok := s.rows[place{subject, provider}]; ok {
		return sealed, nil
	}
	return nil, store.ErrNotFound
}

func (s writesInPlace) PutProviderToken(_ context.Context, subject, provider string, sealed []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := place{subject, provider}
	s.rows[p] = append(s.rows[p][:0], sealed...)
	return nil
}

// cleansTokens deletes all when its clock is a year ahead.
type cleansTokens struct {
	*plainTokens
	e *edited
}

func (s cleansTokens) Run(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.e.offset().Hours() > 365*24 {
		clear(s.rows)
	}
	return nil
}

type panicsOnTokens struct{ *plainTokens }

func (s panicsOnTokens) DeleteProviderTokensOf(ctx context.Context, subject string) error {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	return s.plainTokens.DeleteProviderTokensOf(ctx, subject)
}

type replacesAll struct{ *plainTokens }

func (s replacesAll) ReplaceProviderToken(ctx context.Context, subject, provider string, old, sealed []byte) error {
	err := s.plainTokens.ReplaceProviderToken(ctx, subject, provider, old, sealed)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		for p := range s.rows {
			if p.subject == subject {
				s.rows[p] = bytes.Clone(sealed)
			}
		}
	}
	return err
}

type deletesAll struct{ *plainTokens }

func (s deletesAll) DeleteProviderToken(ctx context.Context, subject, _ string) error {
	return s.DeleteProviderTokensOf(ctx, subject)
}

// deletesNone leaves a token of no bytes.
type deletesNone struct{ *plainTokens }

func (s deletesNone) DeleteProviderToken(ctx context.Context, subject, provider string) error {
	if _, err := s.ProviderToken(ctx, subject, provider); err != nil {
		return nil
	}
	return s.PutProviderToken(ctx, subject, provider, nil)
}
