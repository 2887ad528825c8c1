package redisstore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// CreateSession is of [store.Sessions], as are the methods below. It answers
// ErrExists of the sessions of one tag, and also for an ID that another live
// session of the subject has. What it replaces with another tag it deletes
// last, and answers an outage if it cannot; then the new one is there, and
// nobody has its token. The new one is never what goes beyond max.
func (s *Store) CreateSession(ctx context.Context, n store.Session, replaces store.SessionRef, most int, proofAge time.Duration, now time.Time) error {
	if err := checkSession(n); err != nil {
		return err
	}
	row, err := rowOfSession(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var here string
	if replaces.Tag == n.Ref.Tag && replaces.Token != (store.Digest{}) {
		here = replaces.Token.String()
	}
	answer, err := s.deny(ctx, createSessionScript, s.declaredOf(n.Ref.Tag),
		newCall(), callMemory.Milliseconds(), n.Ref.Token.String(), n.ID, n.Identity.Subject, digitsOf(n.CreatedAt),
		fixed(n.IdleUntil), fixed(n.ExpiresAt), here, max(most, 0), aged(proofAge), s.clockOffset().Microseconds(), micros(now), row,
		micros(time.Now().Add(s.clockOffset()-max(proofAge, 0))), pending(n.Identity))
	if err != nil {
		return failed("create a session", err)
	}
	if err := refusal(answer); err != nil || here != "" || checkSessionRef(replaces) != nil {
		return err
	}
	return s.DeleteSession(ctx, replaces)
}

// SessionByRef is one GET.
func (s *Store) SessionByRef(ctx context.Context, ref store.SessionRef, now time.Time) (store.Session, error) {
	if err := checkSessionRef(ref); err != nil {
		return store.Session{}, err
	}
	row, err := s.client.Get(ctx, s.sessionKey(ref)).Result()
	switch {
	case errors.Is(err, redis.Nil):
		return store.Session{}, store.ErrNotFound
	case redis.HasErrorPrefix(err, "WRONGTYPE"):
		return store.Session{}, damagedSession(ref, err)
	case err != nil:
		return store.Session{}, failed("read a session", err)
	}
	n, err := sessionOf(ref, row)
	if err == nil && !n.Live(now) {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.Session{}, err
	}
	return n, nil
}

// sessionKey makes one allocation: it is for each request.
func (s *Store) sessionKey(ref store.SessionRef) string {
	var stack [256]byte
	b := append(append(stack[:0], s.cfg.KeyPrefix...), '{')
	b = append(append(append(b, ref.Tag...), '}'), "session:"...)
	return string(hex.AppendEncode(b, ref.Token[:]))
}

func (s *Store) RotateSession(ctx context.Context, ref store.SessionRef, next store.SessionRotation, now time.Time) error {
	if err := checkSessionRef(ref); err != nil {
		return err
	}
	if err := checkRotation(next); err != nil {
		return err
	}
	identity, err := joinIdentity(next.Identity)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := s.deny(ctx, rotateSessionScript, s.declaredOf(ref.Tag),
		newCall(), callMemory.Milliseconds(), ref.Token.String(), next.Token.String(), next.Identity.Subject,
		fixed(next.SeenAt), fixed(next.IdleUntil), fixed(next.ExpiresAt), join(identity), micros(now), pending(next.Identity), max(next.Max, 0))
	if err != nil {
		return failed("rotate a session", err)
	}
	return refusal(answer)
}

func (s *Store) UpdateSessionData(ctx context.Context, ref store.SessionRef, revision int64, data []byte, now time.Time) error {
	if err := checkSessionRef(ref); err != nil {
		return err
	}
	if err := checkData(data); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := updateSessionDataScript.Run(ctx, s.client, s.declaredOf(ref.Tag),
		newCall(), callMemory.Milliseconds(), ref.Token.String(), fixedInt(revision), fixedInt(revision+1), data, micros(now)).Result()
	if err != nil {
		return failed("update a session", err)
	}
	return refusal(answer)
}

func (s *Store) TouchSession(ctx context.Context, ref store.SessionRef, idleUntil, now time.Time) error {
	if checkSessionRef(ref) != nil {
		return nil // none has this tag
	}
	answer, err := touchSessionScript.Run(ctx, s.client, s.declaredOf(ref.Tag),
		ref.Token.String(), fixed(idleUntil), fixed(now)).Result()
	if err != nil {
		return failed("touch a session", err)
	}
	return refusal(answer)
}

// ListSessions answers cursors that say where its last one lies, since that one
// may be gone when the list goes on.
func (s *Store) ListSessions(ctx context.Context, subject string, p store.Page, now time.Time) (ss []store.Session, next string, err error) {
	if err := checkLookup(subject, ""); err != nil {
		return nil, "", err
	}
	tag := store.TagOf(subject)
	place, err := placeOf(tag, p.Cursor)
	if err != nil {
		return nil, "", err
	}
	answer, err := listSessionsScript.Run(ctx, s.client, s.declaredOf(tag), subject, place, p.Size(), micros(now)).Slice()
	if err == nil && len(answer)%2 != 1 {
		err = fmt.Errorf("a script answered %d values", len(answer))
	}
	if err != nil {
		return nil, "", failed("list sessions", err)
	}
	for i := 1; i < len(answer); i += 2 {
		token, _ := answer[i].(string)
		row, _ := answer[i+1].(string)
		ref := store.SessionRef{Tag: tag}
		if ref.Token, err = store.ParseDigest(token); err != nil {
			return nil, "", damagedSession(ref, err)
		}
		n, err := sessionOf(ref, row)
		if err != nil {
			return nil, "", err
		}
		ss = append(ss, n)
	}
	if answer[0] == int64(1) && len(ss) > 0 {
		last := ss[len(ss)-1]
		next = tag + "." + digitsOf(last.CreatedAt) + "." + last.ID
	}
	return ss, next, nil
}

// pending is how scripts/sessions.lua knows that a factor is owed.
func pending(id authn.Identity) string {
	if len(id.Pending) > 0 {
		return "p"
	}
	return ""
}

// placeOf reads what is in a cursor of a tag: a place of session-list.
func placeOf(tag, cursor string) (place string, err error) {
	if cursor == "" {
		return "", nil
	}
	rest, ok := strings.CutPrefix(cursor, tag+".")
	digits, id, found := strings.Cut(rest, ".")
	if _, err := strconv.ParseUint(digits, 10, 64); !ok || !found || err != nil || len(digits) != fixedSize || checkLookup("", id) != nil {
		return "", store.ErrNotFound
	}
	return digits + id, nil
}

// digitsOf grow with t, in the order of bytes.
func digitsOf(t time.Time) string {
	return fmt.Sprintf("%0*d", fixedSize, uint64(t.UnixMicro())^1<<63)
}

// aged is the age of a proof. It grows until it is sent, and so does that of
// a replay: else a revocation in between would seem to be older than the proof.
func aged(d time.Duration) growing {
	return growing{time.Now().Add(-min(max(d, 0), maxKeep))}
}

type growing struct{ since time.Time }

// MarshalBinary is called each time that the client sends the argument.
func (g growing) MarshalBinary() ([]byte, error) {
	return strconv.AppendInt(nil, time.Since(g.since).Microseconds(), 10), nil
}
