package tour

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/store"
)

// Demo is what a visitor gets: live keys and tokens, and what to try with them.
type Demo struct {
	URL, Typo, SpareID                      string
	Reader, Spare, Manager, Access, Refresh authn.Secret
	Calls                                   Calls
}

// NewDemo makes them for ada, whose password is "quickstart", in place of an
// earlier run's. The calls are those of tour.http in files.
func NewDemo(ctx context.Context, files fs.FS, st store.PasswordTable, hasher *password.Hasher, keys *apikey.Keys, issuer *jwtauth.Issuer, base string) (d *Demo, err error) {
	ada := authn.User("ada", "password", authn.Factor{Name: "pwd", At: time.Now()})
	ada.Scopes = []string{"orders:read"}
	record := store.Password{Subject: "ada", Name: "ada", Hash: authn.Must(hasher.Hash(ctx, "quickstart"))} // no Policy would take it
	err0 := errors.Join(st.DeletePassword(ctx, "ada"), st.CreatePassword(ctx, record, time.Now()),          // an earlier run's,
		keys.RevokeSubject(ctx, "ada")) // on a store that keeps
	reader, err1 := keys.Create(ctx, "ada", apikey.Spec{Name: "reader", Scopes: []string{"orders:read"}})
	spare, err2 := keys.Create(ctx, "ada", apikey.Spec{Name: "spare", Scopes: []string{"orders:read"}})
	manager, err3 := keys.Create(ctx, "ada", apikey.Spec{Name: "manager", Scopes: []string{"orders:read", "keys:manage"}})
	tokens, err4 := issuer.Issue(ctx, jwtauth.Grant{Identity: ada, Refresh: true, TTL: 24 * time.Hour}) // to paste all day
	if err := errors.Join(err0, err1, err2, err3, err4); err != nil {
		return nil, err
	}
	d = &Demo{URL: base, Typo: Typo(reader.Secret.Reveal()), SpareID: spare.ID, Access: tokens.Access, Refresh: tokens.Refresh}
	d.Reader, d.Spare, d.Manager = reader.Secret, spare.Secret, manager.Secret
	d.Calls, err = Read(files, "tour.http", d)
	return d, err
}
