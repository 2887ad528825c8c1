package migrating_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
)

func Example_scs() {
	older := scsManager{"o1": {"userID": "ada"}}
	sessions := authn.Must(session.New(memstore.New(memstore.Config{}), session.Config{}))
	mux := http.NewServeMux()

	//doc:begin
	adopt := sessions.Adopt(func(w http.ResponseWriter, r *http.Request) (*authn.Identity, error) {
		userID := older.GetString(r.Context(), "userID")
		if userID == "" {
			return nil, authn.ErrNoCredential
		}
		return authn.User(userID, "scs"), older.Destroy(r.Context())
	})
	mux.Handle("GET /account", authn.Require(sessions)(account))
	handler := older.LoadAndSave(adopt(mux)) // in the end: mux
	//doc:end

	ada := visitor{"session": "o1"}
	ada.get(handler)
	fmt.Println("of the older sessions", len(older), "are left")
	ada.get(mux)
	visitor{"session": "o1"}.get(handler)
	visitor{}.get(handler)
	// Output:
	// ada by session
	// of the older sessions 0 are left
	// ada by session
	// 401
	// 401
}

// scsManager stands in for *scs.SessionManager, of github.com/alexedwards/scs/v2:
// values by token.
type scsManager map[string]map[string]string

type scsToken struct{}

func (m scsManager) LoadAndSave(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := ""
		if c, err := r.Cookie("session"); err == nil {
			token = c.Value
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), scsToken{}, token)))
	})
}

func (m scsManager) GetString(ctx context.Context, key string) string {
	return m[ctx.Value(scsToken{}).(string)][key]
}

func (m scsManager) Destroy(ctx context.Context) error {
	delete(m, ctx.Value(scsToken{}).(string))
	return nil
}
