package redisstore

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// fixedSize is of the numbers that a row begins with: any int64 fits.
const fixedSize = 20

func fixed(t time.Time) string { return fixedInt(t.UnixMicro()) }

func fixedInt(n int64) string { return fmt.Sprintf("%0*d", fixedSize, n) }

// rowOfSession is the row of n, of which scripts/sessions.lua has the format.
func rowOfSession(n store.Session) (string, error) {
	identity, err := joinIdentity(n.Identity)
	if err != nil {
		return "", err
	}
	var remember, addr string
	if n.Remember {
		remember = "1"
	}
	if n.Addr.IsValid() {
		addr = n.Addr.String()
	}
	login := join(n.Identity.Subject, n.ID, micros(n.CreatedAt), remember, n.UserAgent, addr)
	return fixed(n.SeenAt) + fixed(n.IdleUntil) + fixed(n.ExpiresAt) + fixedInt(n.Revision) + join(login, identity) + string(n.Data), nil
}

// sessionOf is the Session of a row, dead or not.
func sessionOf(ref store.SessionRef, row string) (store.Session, error) {
	r := textReader{rest: row}
	n := store.Session{Ref: ref, SeenAt: r.fixedTime(), IdleUntil: r.fixedTime(), ExpiresAt: r.fixedTime(), Revision: r.fixed()}
	login, identity := textReader{rest: r.text()}, textReader{rest: r.text()}
	n.Identity.Subject = login.text()
	n.ID = login.text()
	n.CreatedAt = login.time()
	n.Remember = login.text() == "1"
	n.UserAgent = login.text()
	n.Addr, _ = netip.ParseAddr(login.text()) // unreadable is unknown: no reason to lose the session
	identity.identity(&n.Identity)
	n.Data = []byte(r.rest)
	err := errors.Join(r.err, login.err, identity.err)
	if err == nil && (n.ID == "" || n.Revision < 1) {
		err = errors.New("a part of it is gone")
	}
	if err != nil {
		return store.Session{}, damagedSession(ref, err)
	}
	return n, nil
}

func damagedSession(ref store.SessionRef, err error) error {
	return fmt.Errorf("authn/redisstore: %w: session %s: %w", store.ErrDamaged, ref.Token, err)
}

// textReader reads what join and fixed have written, and keeps the first error.
type textReader struct {
	rest string
	err  error
}

func (r *textReader) fail() {
	if r.err == nil {
		r.err = errors.New("it is cut off")
	}
	r.rest = ""
}

func (r *textReader) fixed() int64 {
	if len(r.rest) < fixedSize {
		r.fail()
		return 0
	}
	n, err := number(r.rest[:fixedSize])
	if err != nil && r.err == nil {
		r.err = err
	}
	r.rest = r.rest[fixedSize:]
	return n
}

func (r *textReader) fixedTime() time.Time { return time.UnixMicro(r.fixed()).UTC() }

// time is the next text as a time, the zero one for "".
func (r *textReader) time() time.Time {
	text := textReader{rest: r.text()}
	t := text.micros()
	if r.err == nil {
		r.err = text.err
	}
	return t
}

// micros is all the rest as a time.
func (r *textReader) micros() time.Time {
	if r.rest == "" {
		return time.Time{}
	}
	n, err := number(r.rest)
	if err != nil && r.err == nil {
		r.err = err
	}
	return time.UnixMicro(n).UTC()
}

// number is strconv.ParseInt, and quicker for what has digits only: six are read
// at each request.
func number(s string) (int64, error) {
	n := int64(0)
	for i := range len(s) {
		c := s[i] - '0'
		if c > 9 || n > (math.MaxInt64-9)/10 {
			return strconv.ParseInt(s, 10, 64)
		}
		n = 10*n + int64(c)
	}
	if s == "" {
		return strconv.ParseInt(s, 10, 64)
	}
	return n, nil
}

// text is the next of those that are joined. It is read at each request, so that
// it does not take strconv.
func (r *textReader) text() (text string) {
	n := 0
	for i := range len(r.rest) {
		c := r.rest[i]
		if c == ':' && i > 0 && n <= len(r.rest)-i-1 {
			text, r.rest = r.rest[i+1:i+1+n], r.rest[i+1+n:]
			return text
		}
		if c < '0' || c > '9' || n > len(r.rest) {
			break
		}
		n = 10*n + int(c-'0')
	}
	r.fail()
	return ""
}
