package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// ListSessions is of store.Sessions. It is one statement: a cursor says where
// its session lies, which may be gone when the list goes on.
func (s *sessions) ListSessions(ctx context.Context, subject string, p store.Page, now time.Time) (list []store.Session, next string, err error) {
	if subject == "" {
		return nil, "", nil // nobody's are not listed
	}
	err = s.db.run(ctx, "list sessions", func(c conn) error {
		list, next = nil, ""
		created, id, err := parseCursor(p.Cursor, subject)
		if err != nil {
			return err
		}
		if err := checkSessionOf(subject, id); err != nil {
			return err
		}
		before := s.db.dialect.bound(created)
		err = c.each(ctx, s.page, func(rows *sql.Rows) error {
			found, err := scanSession(rows)
			list = append(list, found)
			return err
		}, subject, s.db.dialect.bound(now), before, before, id, p.Size()+1)
		if err == nil && len(list) > p.Size() {
			list = list[:p.Size()]
			last := list[len(list)-1]
			next = fmt.Sprintf("%s.%d.%s", last.Ref.Tag, last.CreatedAt.UnixMicro(), last.ID)
		}
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return list, next, nil
}

// parseCursor is the place in subject's list, at first the end of all times.
func parseCursor(cursor, subject string) (created time.Time, id string, err error) {
	if cursor == "" {
		return lastTime, "", nil
	}
	rest, ok := strings.CutPrefix(cursor, store.TagOf(subject)+".")
	micros, id, found := strings.Cut(rest, ".")
	n, err := strconv.ParseInt(micros, 10, 64)
	if !ok || !found || id == "" || err != nil {
		return time.Time{}, "", store.ErrNotFound
	}
	return time.UnixMicro(n), id, nil
}
