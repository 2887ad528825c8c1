package sqlstore

import (
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/gatehouse-go/authn/store"
)

const sessionColumns = "digest, tag, id, subject, identity, data, revision, remember, user_agent, addr, created_at, seen_at, idle_until, expires_at"

// columns is sessionColumns for a SELECT.
func (s *sessions) columns() string {
	at := s.db.dialect.readTime
	return "digest, tag, id, subject, identity, data, revision, remember, user_agent, addr, " +
		at("created_at") + ", " + at("seen_at") + ", " + at("idle_until") + ", " + at("expires_at")
}

// scanSession reads columns.
func scanSession(rows *sql.Rows) (s store.Session, err error) {
	var digest []byte
	var subject, addr string
	err = rows.Scan(&digest, &s.Ref.Tag, &s.ID, &subject, jsonValue{&s.Identity}, &s.Data, &s.Revision, &s.Remember, &s.UserAgent, &addr,
		instant{&s.CreatedAt}, instant{&s.SeenAt}, instant{&s.IdleUntil}, instant{&s.ExpiresAt})
	if err != nil && rows.Err() != nil {
		return store.Session{}, err // not of the row: ctx has ended, say
	}
	if err == nil && s.Identity.Subject != subject {
		err = errors.New("the identity is not the subject's")
	}
	if err != nil {
		return store.Session{}, fmt.Errorf("authn/sqlstore: session %q: %w: %w", s.ID, store.ErrDamaged, err)
	}
	copy(s.Ref.Token[:], digest)
	// A DBA's edit of what is only shown must not make a session unreadable.
	s.Addr, _ = netip.ParseAddr(addr)
	return s, nil
}

// sessionArgs checks s and is its row, in the order of sessionColumns, and pending.
func (d *database) sessionArgs(s store.Session) ([]any, error) {
	subject := s.Identity.Subject
	for _, x := range []struct {
		field, s string
		most     int
	}{
		{"Ref.Tag", s.Ref.Tag, maxTag},
		{"ID", s.ID, maxID},
		{"Identity.Subject", subject, maxSubject},
		{"UserAgent", s.UserAgent, maxShown},
	} {
		if err := checkText("Session."+x.field, x.s, x.most); err != nil {
			return nil, err
		}
	}
	switch {
	case s.ID == "":
		return nil, errors.New("Session.ID is empty")
	case s.Ref.Tag == "":
		return nil, errors.New("Session.Ref.Tag is empty")
	case subject != "" && s.Ref.Tag != store.TagOf(subject):
		return nil, errors.New("Session.Ref.Tag is not the subject's")
	case s.Revision < 1:
		return nil, fmt.Errorf("Session.Revision is %d, and counts from 1", s.Revision)
	}
	if err := checkData(s.Data); err != nil {
		return nil, err
	}
	if err := errors.Join(checkTime("Session.CreatedAt", s.CreatedAt), checkLife(s.SeenAt, s.IdleUntil, s.ExpiresAt)); err != nil {
		return nil, err
	}
	identity, err := identityText(s.Identity)
	if err != nil {
		return nil, err
	}
	at := d.dialect.time
	return []any{
		s.Ref.Token[:], s.Ref.Tag, s.ID, subject, identity, notNull(s.Data), s.Revision, s.Remember, s.UserAgent, addrText(s.Addr),
		at(s.CreatedAt), at(s.SeenAt), at(s.IdleUntil), at(s.ExpiresAt), s.Owes(),
	}, nil
}

// checkData refuses what is too long.
func checkData(data []byte) error {
	if len(data) > maxData {
		return fmt.Errorf("the data of a session has %d bytes, over %d", len(data), maxData)
	}
	return nil
}

// checkLife refuses times that a session cannot have.
func checkLife(seenAt, idleUntil, expiresAt time.Time) error {
	if idleUntil.After(expiresAt) {
		return errors.New("IdleUntil of a session is after ExpiresAt")
	}
	return errors.Join(checkTime("SeenAt of a session", seenAt), checkTime("IdleUntil of a session", idleUntil), checkTime("ExpiresAt of a session", expiresAt))
}
