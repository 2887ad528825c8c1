package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/alexedwards/scs/v2"
	gorilla "github.com/gorilla/sessions"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// What ours are called in the rows.
const (
	oursVerify  = "session.Manager.Verify"
	oursSigned  = "session.Manager.Verify, signed cookie"
	oursSession = "session.Manager.Middleware"
	oursUpdate  = "session.Manager.Middleware + Update"
	scsSession  = "scs LoadAndSave"
)

// visitor is the last of 100 users, each with a session in memory that has one
// value: how often they came.
const visitor = "user99"

func eachUser(do func(user string)) {
	for i := range 100 {
		do(fmt.Sprint("user", i))
	}
}

// sessions are whole requests of who is signed in, from the cookie to the
// handler, which wants to know who it is and, in the second row, counts the
// visit. Peers have their defaults, which are the cheapest that they offer: scs
// keeps tokens as they are and has no idle timeout, which would make each read
// a write.
func sessions() []row {
	hand, ours, other, stateless := byHand(), sessionManager(memory(), nil), scsManager(scs.New()), cookieStore() // scs has its memstore
	signed := sessionManager(memory(), authn.GenerateKeychain())
	withData := ours.manager.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d, err := ours.manager.Data(r); err == nil {
			if _, _, err := visits.Get(d); err == nil {
				bare(w, r)
			}
		}
	}))
	return []row{
		{name: "session read", contenders: []contender{
			hand.reads("by hand: cookie, SHA-256, map, context"),
			good(oursVerify, ours.verify()),
			good(oursSigned, signed.verify()),
			ours.reads(oursSession),
			{"the same, and a value of the data", handle(withData, ours.request(http.MethodGet))},
			other.reads(scsSession),
			stateless.reads("gorilla CookieStore: no store, no revoking"),
		}, promises: slices.Concat(
			faster("S17", oursSession, 1.0/12, scsSession),
			[]promise{{"S17", oursVerify, "", 1}, {"S17", oursSigned, "", 4}},
		)},
		{name: "session read + write", contenders: []contender{
			hand.writes("by hand: the same, then a counter"),
			ours.writes(oursUpdate),
			other.writes(scsSession + ", Put"),
			stateless.writes("gorilla CookieStore, Save: no store, no revoking"),
		}, promises: faster("S17", oursUpdate, 1.0/6, scsSession+", Put")},
	}
}

// library is one way to have sessions.
type library struct {
	cookies    []*http.Cookie // the visitor's is the last
	middleware func(http.Handler) http.Handler
	user       func(r *http.Request) string
	// count keeps one more visit, and answers how many there are.
	count func(w http.ResponseWriter, r *http.Request) (int, error)
	// inCookie says that all is in the cookie: a request that is served again
	// comes from before what it wrote.
	inCookie bool
}

func (l library) cookie() *http.Cookie { return l.cookies[len(l.cookies)-1] }

func (l library) request(method string) *http.Request {
	r := httptest.NewRequest(method, "/", nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.AddCookie(l.cookie())
	return r
}

func (l library) reads(name string) contender {
	return contender{name, handle(l.behind(bare), l.request(http.MethodGet))}
}

func (l library) writes(name string) contender {
	var before, now int
	h := l.behind(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := l.count(w, r)
		if err != nil {
			panic(name + ": " + err.Error())
		}
		before, now = now, n
		bare(w, r)
	}))
	op := handle(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Set-Cookie"] = nil // of the request before
		h.ServeHTTP(w, r)
	}), l.request(http.MethodPost))
	if op(); now != before+1 && !l.inCookie {
		panic(name + " keeps nothing")
	}
	return contender{name, op}
}

// behind is next for the visitor only.
func (l library) behind(next http.Handler) http.Handler {
	return l.middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.user(r) == visitor {
			next.ServeHTTP(w, r)
		}
	}))
}

// ourLibrary is a library whose Manager is at hand.
type ourLibrary struct {
	library
	manager *session.Manager
}

func memory() store.Sessions { return memstore.New(memstore.Config{}) }

var visits = session.NewKey[int]("visits")

// sessionManager has the sessions of all users in st.
func sessionManager(st store.Sessions, kc *authn.Keychain) ourLibrary {
	m := authn.Must(session.New(st, session.Config{Keychain: kc}))
	l := ourLibrary{manager: m, library: library{
		middleware: m.Middleware,
		user: func(r *http.Request) string {
			id, _ := authn.FromContext(r.Context())
			return id.Subject
		},
		count: func(w http.ResponseWriter, r *http.Request) (n int, err error) {
			err = m.Update(w, r, func(d *session.Data) error {
				if n, _, err = visits.Get(d); err != nil {
					return err
				}
				n++
				return visits.Set(d, n)
			})
			return n, err
		},
	}}
	eachUser(func(user string) {
		w := httptest.NewRecorder()
		_, err := m.Login(w, httptest.NewRequest(http.MethodPost, "/", nil), authn.User(user, "password"), session.LoginOptions{})
		if err != nil {
			panic(err)
		}
		l.cookies = append(l.cookies, w.Result().Cookies()[0])
		if _, err := l.count(w, l.request(http.MethodPost)); err != nil {
			panic(err)
		}
	})
	return l
}

func (l ourLibrary) verify() func() error {
	r := l.request(http.MethodGet)
	return func() error {
		_, err := l.manager.Verify(r)
		return err
	}
}

func scsManager(m *scs.SessionManager) library {
	l := library{
		middleware: m.LoadAndSave,
		user:       func(r *http.Request) string { return m.GetString(r.Context(), "user") },
		count: func(_ http.ResponseWriter, r *http.Request) (int, error) {
			n := m.GetInt(r.Context(), "visits") + 1
			m.Put(r.Context(), "visits", n)
			return n, nil
		},
	}
	eachUser(func(user string) {
		ctx := authn.Must(m.Load(context.Background(), ""))
		m.Put(ctx, "user", user)
		m.Put(ctx, "visits", 1)
		token, _, err := m.Commit(ctx)
		if err != nil {
			panic(err)
		}
		l.cookies = append(l.cookies, &http.Cookie{Name: m.Cookie.Name, Value: token})
	})
	return l
}

// cookieStore is not the same thing: the session is a cookie that the server
// has signed, and nothing else. There is nothing to look up, and nothing that
// could end it: a copy is good until it expires, also after the logout.
func cookieStore() library {
	const name = "session"
	st := gorilla.NewCookieStore(make([]byte, 32))
	w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil)
	s := authn.Must(st.New(r, name))
	s.Values["user"], s.Values["visits"] = visitor, 1
	if err := s.Save(r, w); err != nil {
		panic(err)
	}
	var fresh http.Request // Get changes the request, which comes again here
	return library{
		cookies:  w.Result().Cookies()[:1],
		inCookie: true,
		middleware: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				fresh = *r
				next.ServeHTTP(w, &fresh)
			})
		},
		user: func(r *http.Request) string {
			s, err := st.Get(r, name)
			if err != nil {
				return ""
			}
			user, _ := s.Values["user"].(string)
			return user
		},
		count: func(w http.ResponseWriter, r *http.Request) (int, error) {
			s, err := st.Get(r, name)
			if err != nil {
				return 0, err
			}
			n, _ := s.Values["visits"].(int)
			s.Values["visits"] = n + 1
			return n + 1, s.Save(r, w)
		},
	}
}

// byHand is the least that a session in memory can be: it ends, tokens are kept
// as digests, and nothing else.
func byHand() library {
	type record struct {
		user   string
		visits int
		ends   time.Time
	}
	type signedIn struct{}
	var mu sync.RWMutex
	all := make(map[store.Digest]*record)
	l := library{
		middleware: func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := r.Cookie("session")
				if err != nil {
					return
				}
				mu.RLock()
				s := all[sha256.Sum256([]byte(c.Value))]
				mu.RUnlock()
				if s == nil || !time.Now().Before(s.ends) {
					return
				}
				next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), signedIn{}, s)))
			})
		},
		user: func(r *http.Request) string { return r.Context().Value(signedIn{}).(*record).user },
		count: func(_ http.ResponseWriter, r *http.Request) (int, error) {
			s := r.Context().Value(signedIn{}).(*record)
			mu.Lock()
			defer mu.Unlock()
			s.visits++
			return s.visits, nil
		},
	}
	eachUser(func(user string) {
		token := rand.Text() + rand.Text()
		l.cookies = append(l.cookies, &http.Cookie{Name: "session", Value: token})
		all[sha256.Sum256([]byte(token))] = &record{user, 1, time.Now().Add(24 * time.Hour)}
	})
	return l
}
