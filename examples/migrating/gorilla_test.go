package migrating_test

import (
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

func Example_gorilla() {
	older, st, mux := gorillaStore{}, memstore.New(memstore.Config{}), http.NewServeMux()
	sessions := authn.Must(session.New(st, session.Config{}))

	//doc:begin
	adopt := sessions.Adopt(func(w http.ResponseWriter, r *http.Request) (*authn.Identity, error) {
		cookie, err := r.Cookie("app")
		if err != nil {
			return nil, authn.ErrNoCredential
		}
		old, err := older.Get(r, "app")
		userID, ok := old.Values["user"].(string)
		if err != nil || !ok {
			return nil, authn.ErrNoCredential
		}
		now := time.Now()
		err = st.ClaimOnce(r.Context(), "gorilla", store.DigestOf(cookie.Value), now.Add(30*24*time.Hour), now)
		if errors.Is(err, store.ErrExists) {
			return nil, authn.ErrNoCredential
		} else if err != nil {
			return nil, err
		}
		old.Options.MaxAge = -1
		return authn.User(userID, "gorilla"), old.Save(r, w)
	})
	mux.Handle("GET /account", authn.Require(sessions)(account))
	handler := adopt(mux) // in the end: mux
	//doc:end

	ada, thief := visitor{"app": "signed, ada"}, visitor{"app": "signed, ada"}
	ada.get(handler)
	ada.get(mux)
	thief.get(handler)
	visitor{"app": "forged"}.get(handler)
	visitor{}.get(handler)
	// Output:
	// ada by session
	// ada by session
	// 401
	// 401
	// 401
}

// gorillaStore stands in for *sessions.CookieStore, of
// github.com/gorilla/sessions.
type gorillaStore struct{}

type gorillaSession struct {
	Values  map[any]any
	Options *struct{ MaxAge int }
	name    string
}

func (gorillaStore) Get(r *http.Request, name string) (*gorillaSession, error) {
	s := &gorillaSession{Values: map[any]any{}, Options: &struct{ MaxAge int }{}, name: name}
	c, err := r.Cookie(name)
	if err != nil {
		return s, nil // a new one
	}
	if c.Value != "signed, ada" {
		return s, errors.New("securecookie: the value is not valid")
	}
	s.Values["user"] = "ada"
	return s, nil
}

func (s *gorillaSession) Save(_ *http.Request, w http.ResponseWriter) error {
	http.SetCookie(w, &http.Cookie{Name: s.name, MaxAge: s.Options.MaxAge})
	return nil
}
