package storetest_test

import (
	"slices"
	"strings"

	"github.com/gatehouse-go/authn/store"
)

var brokenClientLists = []brokenStore{
	{"no clients is an error", "OAuthClients/list_of_no_oauth_clients", pagesWith(func(all []store.OAuthClient, p store.Page) ([]store.OAuthClient, string, error) {
		if len(all) == 0 {
			return nil, "", store.ErrNotFound
		}
		return pageOfClients(all, p)
	})},
	{"clients in any case", "OAuthClients/oauth_clients_are_listed_by_id", clientsWith(func(s *plainClients) {
		s.order = func(a, b store.OAuthClient) int {
			return strings.Compare(strings.ToLower(a.ID), strings.ToLower(b.ID))
		}
	})},
	{"clients by their ages", "OAuthClients/oauth_clients_are_listed_by_id", clientsWith(func(s *plainClients) {
		s.order = func(a, b store.OAuthClient) int { return a.CreatedAt.Compare(b.CreatedAt) }
	})},
	{"lists no disabled clients", "OAuthClients/oauth_clients_are_listed_by_id", pagesWith(func(all []store.OAuthClient, p store.Page) ([]store.OAuthClient, string, error) {
		return pageOfClients(slices.DeleteFunc(all, func(c store.OAuthClient) bool { return !c.DisabledAt.IsZero() }), p)
	})},
	{"a cursor at the end of the clients", "OAuthClients/oauth_client_list_pages_at_every_size", pagesWith(func(all []store.OAuthClient, p store.Page) ([]store.OAuthClient, string, error) {
		cs, next, err := pageOfClients(all, p)
		if err == nil && len(cs) == p.Size() {
			next = cs[len(cs)-1].ID
		}
		return cs, next, err
	})},
	{"a page of clients begins with the last one", "OAuthClients/oauth_client_list_pages_at_every_size", pagesWith(func(all []store.OAuthClient, p store.Page) ([]store.OAuthClient, string, error) {
		if p.Cursor != "" {
			last := slices.IndexFunc(all, func(c store.OAuthClient) bool { return c.ID == p.Cursor })
			if last < 0 {
				return nil, "", store.ErrNotFound
			}
			all, p.Cursor = all[last:], ""
		}
		return pageOfClients(all, p)
	})},
	{"all clients by default", "OAuthClients/oauth_client_list_limit_has_a_default", pagesWith(func(all []store.OAuthClient, p store.Page) ([]store.OAuthClient, string, error) {
		if p.Limit <= 0 {
			p.Limit = 1000
		}
		return pageOfClients(all, p)
	})},
	{"a cursor is a place among the clients", "OAuthClients/unknown_oauth_client_cursor_is_not_found", pagesWith(func(all []store.OAuthClient, p store.Page) ([]store.OAuthClient, string, error) {
		if p.Cursor != "" {
			all = slices.DeleteFunc(all, func(c store.OAuthClient) bool { return c.ID <= p.Cursor })
			p.Cursor = ""
		}
		return pageOfClients(all, p)
	})},
	{"a cursor counts clients", "OAuthClients/oauth_client_pages_do_not_shift", pagesWith(countsClients)},
}

// pagesWith has a mistake in how lists are cut.
func pagesWith(page func(all []store.OAuthClient, p store.Page) ([]store.OAuthClient, string, error)) func(*edited) any {
	return clientsWith(func(s *plainClients) { s.page = page })
}

// countsClients has cursors that say how many went before.
func countsClients(all []store.OAuthClient, p store.Page) ([]store.OAuthClient, string, error) {
	before := len(p.Cursor) // "..." is three
	if before > len(all) || strings.Trim(p.Cursor, ".") != "" {
		return nil, "", store.ErrNotFound
	}
	p.Cursor = ""
	cs, next, err := pageOfClients(all[before:], p)
	if next != "" {
		next = strings.Repeat(".", before+len(cs))
	}
	return cs, next, err
}
