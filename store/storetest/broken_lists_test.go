package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenLists = []brokenStore{
	{"nobody has no list", "APIKeys/list_of_nobody_is_empty", func(s *edited) any { return listNotFound{s} }},
	{"ties in no order", "APIKeys/list_is_newest_first", func(s *edited) any { return tiesReversed{s} }},
	{"ties without case", "APIKeys/list_is_newest_first", func(s *edited) any { return tiesFolded{s} }},
	{"cursor of a time", "APIKeys/list_pages_at_every_size", func(s *edited) any { return timeCursor{s} }},
	{"cursor at the end", "APIKeys/list_pages_at_every_size", func(s *edited) any { return cursorAtEnd{s} }},
	{"limit as it comes", "APIKeys/list_limit_has_a_default", func(s *edited) any { return limitAsIs{s} }},
	{"unknown cursor begins", "APIKeys/unknown_cursor_is_not_found", func(s *edited) any { return unknownBegins{s} }},
	{"cursor of any owner", "APIKeys/foreign_cursor_is_not_found", func(s *edited) any { return cursorOfAny{s} }},
	{"cursor of an offset", "APIKeys/pages_do_not_shift", func(s *edited) any { return offsetCursor{s} }},
}

type listNotFound struct{ *edited }

func (s listNotFound) ListAPIKeys(ctx context.Context, owner string, p store.Page) ([]store.APIKey, string, error) {
	keys, next, err := s.edited.ListAPIKeys(ctx, owner, p)
	if err == nil && len(keys) == 0 {
		err = store.ErrNotFound
	}
	return keys, next, err
}

type tiesReversed struct{ *edited }

func (s tiesReversed) ListAPIKeys(ctx context.Context, owner string, p store.Page) ([]store.APIKey, string, error) {
	keys, next, err := s.edited.ListAPIKeys(ctx, owner, p)
	slices.SortFunc(keys, func(a, b store.APIKey) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return keys, next, err
}

// tiesFolded is the order of a collation.
type tiesFolded struct{ *edited }

func (s tiesFolded) ListAPIKeys(ctx context.Context, owner string, p store.Page) ([]store.APIKey, string, error) {
	keys, next, err := s.edited.ListAPIKeys(ctx, owner, p)
	slices.SortFunc(keys, func(a, b store.APIKey) int {
		return -cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(strings.ToLower(a.ID), strings.ToLower(b.ID)))
	})
	return keys, next, err
}

// timeCursor goes on with what is older, and so skips what is as old.
type timeCursor struct{ *edited }

func (s timeCursor) ListAPIKeys(ctx context.Context, owner string, p store.Page) ([]store.APIKey, string, error) {
	keys := s.keysOf(ctx, owner)
	if micros, err := strconv.ParseInt(p.Cursor, 10, 64); err == nil {
		last := time.UnixMicro(micros)
		keys = slices.DeleteFunc(keys, func(k store.APIKey) bool { return !k.CreatedAt.Before(last) })
	}
	if len(keys) <= p.Size() {
		return keys, "", nil
	}
	keys = keys[:p.Size()]
	return keys, strconv.FormatInt(keys[len(keys)-1].CreatedAt.UnixMicro(), 10), nil
}

// cursorAtEnd takes a full page for one that is followed by another.
type cursorAtEnd struct{ *edited }

func (s cursorAtEnd) ListAPIKeys(ctx context.Context, owner string, p store.Page) ([]store.APIKey, string, error) {
	keys, _, err := s.edited.ListAPIKeys(ctx, owner, p)
	if len(keys) == p.Size() {
		return keys, keys[len(keys)-1].ID, err
	}
	return keys, "", err
}

type limitAsIs struct{ *edited }

func (s limitAsIs) ListAPIKeys(ctx context.Context, owner string, p store.Page) ([]store.APIKey, string, error) {
	if p.Limit == 0 {
		return nil, "", nil
	}
	return s.edited.ListAPIKeys(ctx, owner, p)
}

type unknownBegins struct{ *edited }

func (s unknownBegins) ListAPIKeys(ctx context.Context, owner string, p store.Page) ([]store.APIKey, string, error) {
	keys, next, err := s.edited.ListAPIKeys(ctx, owner, p)
	if errors.Is(err, store.ErrNotFound) {
		p.Cursor = ""
		return s.edited.ListAPIKeys(ctx, owner, p)
	}
	return keys, next, err
}

// cursorOfAny looks a cursor up without asking whose it is.
type cursorOfAny struct{ *edited }

func (s cursorOfAny) ListAPIKeys(ctx context.Context, owner string, p store.Page) ([]store.APIKey, string, error) {
	last, err := s.APIKey(ctx, s.ownerOf(p.Cursor), p.Cursor)
	if err != nil || last.Owner == owner {
		return s.edited.ListAPIKeys(ctx, owner, p)
	}
	keys := slices.DeleteFunc(s.keysOf(ctx, owner), func(k store.APIKey) bool { return !k.CreatedAt.Before(last.CreatedAt) })
	return keys[:min(len(keys), p.Size())], "", nil
}

type offsetCursor struct{ *edited }

func (s offsetCursor) ListAPIKeys(ctx context.Context, owner string, p store.Page) ([]store.APIKey, string, error) {
	keys := s.keysOf(ctx, owner)
	from, _ := strconv.Atoi(p.Cursor)
	to := from + p.Size()
	if to >= len(keys) {
		return keys[min(from, len(keys)):], "", nil
	}
	return keys[from:to], strconv.Itoa(to), nil
}
