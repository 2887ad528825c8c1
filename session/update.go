package session

import (
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/crossorigin"
	"github.com/gatehouse-go/authn/store"
)

// updateTries bounds how often Update runs f against others that write.
const updateTries = 20

// Data is the data of r's session, for reading: as Verify read it, whatever
// was updated since, or else by one read of the store. Without a session it is
// empty.
func (m *Manager) Data(r *http.Request) (*Data, error) {
	s, ok := m.inContext(r.Context())
	if !ok {
		token, _ := m.token(r)
		if token == "" {
			return new(Data), nil
		}
		found, e := m.read(r.Context(), refOf(token), m.cfg.Now())
		if e != nil && e.Status >= http.StatusInternalServerError {
			return nil, e
		}
		if e != nil {
			return new(Data), nil
		}
		s = found
	}
	return m.parse(r, &s)
}

// parse is s's data. What cannot be read is a damaged record, and an event.
func (m *Manager) parse(r *http.Request, s *store.Session) (*Data, error) {
	d, err := parseData(s.Data)
	if err != nil {
		return nil, m.failed(r, errors.Join(store.ErrDamaged, err))
	}
	return d, nil
}

// Update changes the data of r's session atomically: what another request
// changes meanwhile is not lost, since f then runs again, on the new data. f
// must not do anything else. An error of f's, or a Data that f did not change,
// changes nothing.
//
// A visitor without a session gets one that is nobody's: a basket before the
// login. It is no credential, and sets the cookie; limit how often visitors may
// do that. Where somebody may be signed in Update stands behind Require or
// Optional: a visitor's that races a login may take its cookie. In a request that
// somebody signed in to make, a session that has ended meanwhile stays ended:
// the error then wraps [authn.ErrNoCredential].
//
// Other errors are [ErrTooLarge], [store.ErrConflict] when others were always
// first, 403 for a request of another site, that of f, or an outage.
func (m *Manager) Update(w http.ResponseWriter, r *http.Request, f func(*Data) error) error {
	if e := crossorigin.Check(m.cfg.CrossOrigin, r); e != nil {
		return m.log.Refusal(r, e)
	}
	ref := m.refFor(w, r)
	for try := range updateTries {
		now := m.cfg.Now()
		s, err := m.forUpdate(r, ref, now)
		if err != nil {
			return err
		}
		if try > 0 && s.Ref != ref { // it was there, and ended meanwhile
			return authn.NoCredential("ended meanwhile")
		}
		d, err := m.parse(r, &s)
		if err != nil {
			return err
		}
		if err := f(d); err != nil {
			return err
		}
		if !d.changed {
			return nil
		}
		text, err := d.encode()
		if err != nil {
			return err
		}
		if s.Ref == (store.SessionRef{}) {
			return m.beginAnonymous(w, r, text, now)
		}
		err = m.st.UpdateSessionData(r.Context(), s.Ref, s.Revision, text, micros(now))
		switch {
		case err == nil:
			return nil
		case errors.Is(err, store.ErrNotFound):
			return authn.NoCredential("ended meanwhile")
		case !errors.Is(err, store.ErrConflict):
			return m.failed(r, err)
		}
	}
	return store.ErrConflict
}

// refFor is the session that Update is about, zero for a visitor.
func (m *Manager) refFor(w http.ResponseWriter, r *http.Request) store.SessionRef {
	if token := m.current(w, r); token != "" {
		return refOf(token)
	}
	return store.SessionRef{}
}

// forUpdate reads the session of ref; the zero one is to be made.
func (m *Manager) forUpdate(r *http.Request, ref store.SessionRef, now time.Time) (store.Session, error) {
	_, signedIn := m.inContext(r.Context())
	if ref == (store.SessionRef{}) {
		if signedIn { // and logged out since, by this response
			return store.Session{}, authn.NoCredential("ended meanwhile")
		}
		return store.Session{}, nil
	}
	s, e := m.read(r.Context(), ref, now)
	switch {
	case e == nil:
		return s, nil
	case e.Status >= http.StatusInternalServerError:
		return store.Session{}, m.log.Refusal(r, e)
	case signedIn:
		return store.Session{}, e
	}
	return store.Session{}, nil
}

// beginAnonymous starts a session that is nobody's.
func (m *Manager) beginAnonymous(w http.ResponseWriter, r *http.Request, data []byte, now time.Time) error {
	token := newToken(randomTag())
	s := store.Session{
		Ref: refOf(token), ID: newID(), Data: data, Revision: 1, UserAgent: userAgent(r), Addr: clientAddr(r),
	}
	m.begin(&s, now)
	value, err := m.seal(token)
	if err != nil {
		return m.failed(r, err)
	}
	if err := m.st.CreateSession(r.Context(), s, store.SessionRef{}, 0, 0, micros(now)); err != nil {
		return m.failed(r, err)
	}
	m.setCookie(w, r, value, &s)
	return nil
}
