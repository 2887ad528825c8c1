package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/oauth"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
)

// provider is the one that the environment names: any OpenID provider.
const provider = "sso"

// link is to an account elsewhere. Its key is issuer and subject, never an e-mail
// address, which that provider may give to somebody else tomorrow.
type link struct{ Issuer, Provider string }

// newSocial is nil where the environment names no provider.
func newSocial(a *app, st store.Store, kc *authn.Keychain, audit authn.EventFunc) (*oauth.Login, error) {
	issuer := os.Getenv("OIDC_ISSUER")
	if issuer == "" {
		return nil, nil
	}
	a.issuer, a.provider = issuer, cmp.Or(os.Getenv("OIDC_NAME"), "your company account")
	sso := oauth.OIDC(provider, issuer, os.Getenv("OIDC_CLIENT_ID"), authn.NewSecret(os.Getenv("OIDC_CLIENT_SECRET")))
	// Else it would answer from a session of its own, and /reauth lead in a circle
	// (OpenID Connect Core §3.1.2.1).
	sso.Params = url.Values{"max_age": {strconv.Itoa(int(lately.Seconds()))}}
	return oauth.NewLogin(kc, oauth.Config{
		BaseURL:   a.url + "/auth",
		Providers: []oauth.Provider{sso},
		OnLogin:   a.onSocial, OnError: a.onError, SignedIn: a.sessions, Once: st, OnEvent: audit,
	})
}

// onSocial finds or makes the user of an account elsewhere, who owes a code as everybody does.
func (a *app) onSocial(w http.ResponseWriter, r *http.Request, p oauth.Profile) error {
	if p.LinkTo != "" {
		if err := a.users.addLink(r.Context(), p.LinkTo, p.Issuer, p.Subject, a.provider); err != nil {
			return err
		}
		a.audit(r.Context(), linkEvent(r, authn.EventCreated, p.LinkTo))
		http.Redirect(w, r, "/security?done=linked", http.StatusSeeOther)
		return nil
	}
	id, err := a.users.byLink(r.Context(), p.Issuer, p.Subject)
	if errors.Is(err, store.ErrNotFound) {
		id, err = a.users.createLinked(r.Context(), p.Issuer, p.Subject, a.provider, cmp.Or(p.Name, p.Email, "somebody"))
	}
	if err != nil {
		return err
	}
	return a.start(w, r, p.Identity(id), p.ReturnTo, session.LoginOptions{})
}

// unlink leaves a password at least.
func (a *app) unlink(w http.ResponseWriter, r *http.Request) {
	u, err := a.users.byID(r.Context(), who(r).Subject)
	if err == nil && !u.HasPassword {
		err = authn.Forbidden("the only way in", nil)
	}
	if err == nil {
		err = a.users.removeLink(r.Context(), u.ID, r.PostFormValue("issuer"))
	}
	if err == nil {
		a.audit(r.Context(), linkEvent(r, authn.EventFactorRemoved, u.ID))
	}
	a.done(w, r, "/security?done=unlinked", err)
}

// linkEvent is what oauth cannot know: the links are this application's.
func linkEvent(r *http.Request, kind authn.EventKind, subject string) authn.Event {
	return authn.Event{
		Kind: kind, At: time.Now(), Method: "oauth", Subject: subject, SubjectKind: authn.KindUser, Addr: authn.ClientOf(r).Addr,
	}
}

func (u *users) byLink(ctx context.Context, issuer, subject string) (id string, err error) {
	err = found(u.db.QueryRowContext(ctx, `SELECT user_id FROM links WHERE issuer = $1 AND subject = $2`, issuer, subject).Scan(&id))
	return id, err
}

func (u *users) linksOf(ctx context.Context, id string) ([]link, error) {
	rows, err := u.db.QueryContext(ctx, `SELECT issuer, provider FROM links WHERE user_id = $1`, id)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var list []link
	for rows.Next() {
		var l link
		if err := rows.Scan(&l.Issuer, &l.Provider); err != nil {
			return nil, err
		}
		list = append(list, l)
	}
	return list, rows.Err()
}

// addLink answers store.ErrExists where the account elsewhere is somebody's already.
func (u *users) addLink(ctx context.Context, id, issuer, subject, provider string) error {
	return one(store.ErrExists)(u.db.ExecContext(ctx,
		`INSERT INTO links (issuer, subject, user_id, provider) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, issuer, subject, id, provider))
}

func (u *users) removeLink(ctx context.Context, id, issuer string) error {
	return one(store.ErrNotFound)(u.db.ExecContext(ctx, `DELETE FROM links WHERE user_id = $1 AND issuer = $2`, id, issuer))
}

// createLinked makes a user without an address and without a password. Of two logins
// at once one makes it.
func (u *users) createLinked(ctx context.Context, issuer, subject, provider, name string) (id string, err error) {
	tx, err := u.db.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	id = rand.Text()
	err = one(store.ErrExists)(tx.ExecContext(ctx,
		`INSERT INTO links (issuer, subject, user_id, provider) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, issuer, subject, id, provider))
	if errors.Is(err, store.ErrExists) {
		_ = tx.Rollback()
		return u.byLink(ctx, issuer, subject)
	}
	if err == nil {
		_, err = tx.ExecContext(ctx, `INSERT INTO users (id, name, verified) VALUES ($1, $2, TRUE)`, id, name)
	}
	if err != nil {
		return "", err
	}
	return id, tx.Commit()
}
