package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

const (
	tokenPurpose = "authn/oauth token"
	maxToken     = 32 << 10 // of store.ProviderTokens
	// expiryDelta is how much of a token's life is left for the request that it is
	// for.
	expiryDelta = 10 * time.Second
	// saveTries against others who write the same record.
	saveTries = 5
)

// kept is what is sealed. Issuer and Of say whose tokens they are, at the provider.
type kept struct {
	Access  string    `json:"access"`
	Refresh string    `json:"refresh,omitempty"`
	Expiry  time.Time `json:"expiry,omitzero"`
	IDToken string    `json:"id_token,omitempty"`
	Issuer  string    `json:"issuer"`
	Of      string    `json:"of"`

	stale bool // sealed by an older key
}

func (k *kept) token() *oauth2.Token {
	return &oauth2.Token{AccessToken: k.Access, TokenType: "Bearer", RefreshToken: k.Refresh, Expiry: k.Expiry}
}

// valid is of tokens that live, or whose end the provider did not tell.
func (k *kept) valid(now time.Time) bool {
	return k.Expiry.IsZero() || now.Add(expiryDelta).Before(k.Expiry)
}

// SaveToken keeps p's token and id_token, sealed, in place of what subject has of
// the same provider: for TokenSource and LogoutURL. Call it in OnLogin. A refresh
// token that the provider did not give again is carried over, if it is of the same
// account.
func (l *Login) SaveToken(ctx context.Context, subject string, p Profile) error {
	if err := l.keeps(subject, p.Provider); err != nil {
		return err
	}
	if p.Token == nil || p.Token.AccessToken == "" {
		return fault("SaveToken of a Profile without a token")
	}
	next := kept{
		Access: p.Token.AccessToken, Refresh: p.Token.RefreshToken, Expiry: p.Token.Expiry.UTC(), IDToken: p.IDToken.Reveal(),
		Issuer: p.Issuer, Of: p.Subject,
	}
	for range saveTries {
		old, sealed, err := l.load(ctx, subject, p.Provider)
		put := func(value []byte) error { return l.cfg.Tokens.PutProviderToken(ctx, subject, p.Provider, value) }
		switch {
		case err == nil && next.Refresh == "" && old.Issuer == p.Issuer && old.Of == p.Subject:
			next.Refresh = old.Refresh
			put = func(value []byte) error {
				return l.cfg.Tokens.ReplaceProviderToken(ctx, subject, p.Provider, sealed, value)
			}
		case err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, errUnreadable):
			return err
		}
		value, err := l.seal(subject, p.Provider, next)
		if err != nil {
			return err
		}
		err = put(value)
		if errors.Is(err, store.ErrConflict) { // refreshed meanwhile: the refresh token may be another
			next.Refresh = p.Token.RefreshToken
			continue
		}
		if err != nil {
			return l.down(ctx, subject, "store", err)
		}
		return nil
	}
	return l.down(ctx, subject, "store", errors.New("authn/oauth: others keep writing the token"))
}

// Unlink revokes the token at the provider, where that can be done, and forgets it.
// If the provider is down it is kept, and the error is 503: call Unlink again, or
// delete the record from the store. A login meanwhile is revoked, too. That there is
// none is fine. The host forgets
// (Issuer, Subject) itself.
func (l *Login) Unlink(ctx context.Context, subject, provider string) error {
	if err := l.keeps(subject, provider); err != nil {
		return err
	}
	if err := l.revokeKept(ctx, subject, provider); errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if err := l.cfg.Tokens.DeleteProviderToken(ctx, subject, provider); err != nil {
		return l.down(ctx, subject, "store", err)
	}
	l.log.Send(ctx, authn.Event{Kind: authn.EventRevoked, Subject: subject, SubjectKind: authn.KindUser, Reason: provider})
	return nil
}

// revokeKept ends what is kept, and also what another request, by a refresh or a
// login, has put there meanwhile.
func (l *Login) revokeKept(ctx context.Context, subject, provider string) error {
	for range saveTries {
		k, sealed, err := l.load(ctx, subject, provider)
		switch {
		case errors.Is(err, errUnreadable): // nobody can revoke it any more
			return nil
		case err != nil:
			return err
		}
		if err := l.providers[provider].revoke(ctx, k); err != nil {
			return l.down(ctx, subject, "revocation", err)
		}
		ended, err := l.seal(subject, provider, kept{Issuer: k.Issuer, Of: k.Of, Expiry: l.cfg.Now().UTC()})
		if err != nil {
			return err
		}
		err = l.cfg.Tokens.ReplaceProviderToken(ctx, subject, provider, sealed, ended)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, store.ErrConflict):
			return l.down(ctx, subject, "store", err)
		}
	}
	return l.down(ctx, subject, "store", errors.New("authn/oauth: others keep writing the token"))
}

var errUnreadable = errors.New("authn/oauth: a stored token cannot be opened: its key is not in the keychain, or it is damaged")

// load is what is kept, and as it is stored. The error is store.ErrNotFound,
// errUnreadable or 503.
func (l *Login) load(ctx context.Context, subject, provider string) (*kept, []byte, error) {
	sealed, err := l.cfg.Tokens.ProviderToken(ctx, subject, provider)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil, store.ErrNotFound
	case err != nil:
		return nil, nil, l.down(ctx, subject, "store", err)
	}
	plain, stale, err := l.kc.Open(tokenPurpose, sealed, tokenAAD(subject, provider))
	k := &kept{stale: stale}
	if err != nil || json.Unmarshal(plain, k) != nil {
		return nil, nil, l.down(ctx, subject, "stored token", errUnreadable)
	}
	return k, sealed, nil
}

func (l *Login) seal(subject, provider string, k kept) ([]byte, error) {
	plain, err := json.Marshal(k)
	if err != nil {
		return nil, fault("a token that is no JSON: %v", err)
	}
	value, err := l.kc.Seal(tokenPurpose, plain, tokenAAD(subject, provider))
	switch {
	case err != nil:
		return nil, outage("keychain", err)
	case len(value) > maxToken:
		return nil, fault("the tokens of %s have more than %d bytes", provider, maxToken)
	}
	return value, nil
}

// tokenAAD binds a value to its record. A provider's name has no NUL.
func tokenAAD(subject, provider string) []byte { return []byte(provider + "\x00" + subject) }

// keeps says what is wrong with a call about tokens.
func (l *Login) keeps(subject, provider string) error {
	switch {
	case l.cfg.Tokens == nil:
		return fault("Config.Tokens is nil: no tokens are kept")
	case l.providers[provider] == nil:
		return fault("there is no provider %.40q", provider)
	case !isSubject(subject):
		return fault("a subject that is not 1 to %d bytes of text", maxSubject)
	}
	return nil
}

// down is the outage that err is, and sends its event.
func (l *Login) down(ctx context.Context, subject, reason string, err error) error {
	e := outage(reason, err)
	l.log.Send(ctx, authn.Event{Kind: authn.EventOutage, Subject: subject, SubjectKind: authn.KindUser, Reason: e.Reason, Err: e.Err})
	return e
}

// fault is a mistake of the host's.
func fault(format string, args ...any) *authn.Error {
	return &authn.Error{Status: http.StatusInternalServerError, Code: "internal", Reason: "misuse", Err: fmt.Errorf("authn/oauth: "+format, args...)}
}
