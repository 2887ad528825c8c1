package storetest_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenSessionLists = []brokenStore{
	{"no sessions are not found", "Sessions/list_of_no_sessions_is_empty", sessionsWith(func(o *otherSessions) {
		list := o.list
		o.list = func(subject string, p store.Page, now time.Time) ([]store.Session, string, error) {
			ss, next, err := list(subject, p, now)
			if err == nil && len(ss) == 0 {
				err = store.ErrNotFound
			}
			return ss, next, err
		}
	})},
	{"lists sessions by when they were seen", "Sessions/session_list_is_newest_first", listsBy(func(a, b store.Session) int { return b.SeenAt.Compare(a.SeenAt) })},
	{"lists sessions of one time oldest first", "Sessions/session_list_is_newest_first", listsBy(func(a, b store.Session) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(a.ID, b.ID))
	})},
	{"a cursor at the end of sessions", "Sessions/session_list_pages_at_every_size", sessionsWith(func(o *otherSessions) {
		list := o.list
		last := ""
		o.list = func(subject string, p store.Page, now time.Time) ([]store.Session, string, error) {
			if p.Cursor == "end" {
				return nil, "", nil
			}
			ss, next, err := list(subject, p, now)
			if next == "" && last != "" && len(ss) == p.Size() {
				next = "end"
			}
			last = next
			return ss, next, err
		}
	})},
	{"sessions without a default", "Sessions/session_list_limit_has_a_default", sessionsWith(func(o *otherSessions) {
		list := o.list
		o.list = func(subject string, p store.Page, now time.Time) ([]store.Session, string, error) {
			if p.Limit <= 0 {
				p.Limit = 1000
			}
			return list(subject, p, now)
		}
	})},
	{"takes a page, then leaves dead ones out", "Sessions/session_list_is_of_live_ones", sessionsWith(func(o *otherSessions) {
		list := o.list
		o.list = func(subject string, p store.Page, now time.Time) ([]store.Session, string, error) {
			ss, next, err := list(subject, p, time.Time{})
			return slices.DeleteFunc(ss, func(n store.Session) bool { return !n.Live(now) }), next, err
		}
	})},
	{"an unknown cursor of sessions begins", "Sessions/unknown_session_cursor_is_not_found", beginsAgain(func(string) bool { return true })},
	{"anybody's cursor of sessions begins", "Sessions/foreign_session_cursor_is_not_found", beginsAgain(func(cursor string) bool { return len(cursor) > 20 })},
	{"sessions by offset", "Sessions/session_pages_do_not_shift", sessionsWith(func(o *otherSessions) {
		o.list = func(subject string, p store.Page, now time.Time) ([]store.Session, string, error) {
			from := 0
			if _, err := fmt.Sscanf(p.Cursor, "from %d", &from); p.Cursor != "" && err != nil {
				return nil, "", store.ErrNotFound
			}
			ss := o.sessionsOf(subject, now)
			ss = ss[min(from, len(ss)):]
			if len(ss) <= p.Size() {
				return ss, "", nil
			}
			return ss[:p.Size()], fmt.Sprint("from ", from+p.Size()), nil
		}
	})},
	{"the session of a cursor must live", "Sessions/session_pages_do_not_shift", sessionsWith(func(o *otherSessions) {
		list := o.list
		last := make(map[string]store.Session)
		o.list = func(subject string, p store.Page, now time.Time) ([]store.Session, string, error) {
			if n, ok := last[p.Cursor]; ok {
				if _, err := o.session(n.Ref, now); err != nil {
					return nil, "", err
				}
			}
			ss, next, err := list(subject, p, now)
			if next != "" {
				last[next] = ss[len(ss)-1]
			}
			return ss, next, err
		}
	})},
}

// listsBy sorts whole lists in its own way.
func listsBy(order func(a, b store.Session) int) func(*edited) any {
	return sessionsWith(func(o *otherSessions) {
		list := o.list
		o.list = func(subject string, p store.Page, now time.Time) ([]store.Session, string, error) {
			ss, next, err := list(subject, p, now)
			slices.SortStableFunc(ss, order)
			return ss, next, err
		}
	})
}

// beginsAgain does so with some cursors that the list does not know.
func beginsAgain(with func(cursor string) bool) func(*edited) any {
	return sessionsWith(func(o *otherSessions) {
		list := o.list
		o.list = func(subject string, p store.Page, now time.Time) ([]store.Session, string, error) {
			ss, next, err := list(subject, p, now)
			if errors.Is(err, store.ErrNotFound) && with(p.Cursor) {
				p.Cursor = ""
				return list(subject, p, now)
			}
			return ss, next, err
		}
	})
}
