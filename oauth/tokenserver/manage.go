package tokenserver

import (
	"cmp"
	"context"
	"crypto/rand"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/store"
)

// maxGrace is how long two secrets may stand for one.
const maxGrace = 30 * 24 * time.Hour

// CreateClient answers the secret, this once; it is zero where the method has none.
// [store.ErrExists], also for a client that is disabled, or a 400 for what Client
// forbids.
func (s *Server) CreateClient(ctx context.Context, c Client) (Client, authn.Secret, error) {
	now := s.now()
	c.ID = cmp.Or(c.ID, "client-"+rand.Text())
	c.AuthMethod = cmp.Or(c.AuthMethod, SecretBasic)
	c.CreatedAt, c.DisabledAt, c.Revision = now, time.Time{}, 1
	if err := s.check(c); err != nil {
		return Client{}, authn.Secret{}, err
	}
	rec := c.record()
	var secret authn.Secret
	if c.AuthMethod.hasSecret() {
		var first store.ClientSecret
		secret, first = s.newSecret(now)
		rec.Secrets = []store.ClientSecret{first}
	}
	if err := s.clients.CreateOAuthClient(ctx, rec); err != nil {
		return Client{}, authn.Secret{}, s.failed(ctx, c.ID, err)
	}
	s.log.Send(ctx, clientEvent(authn.EventCreated, c.ID, ""))
	return clientOf(rec), secret, nil
}

// Client answers a disabled one, too. [store.ErrNotFound].
func (s *Server) Client(ctx context.Context, id string) (Client, error) {
	rec, err := s.find(ctx, id)
	if err != nil {
		return Client{}, err
	}
	return clientOf(rec), nil
}

// UpdateClient changes Name, JWKS, CertSubject, Scopes, Audience and Serves to those
// of c, which [Server.Client] has answered. [store.ErrNotFound];
// [store.ErrConflict] when somebody has changed it meanwhile; or a 400 for what
// Client forbids. Tokens stay as they are until they expire.
func (s *Server) UpdateClient(ctx context.Context, c Client) error {
	rec, err := s.find(ctx, c.ID)
	if err != nil {
		return err
	}
	if c.AuthMethod != AuthMethod(rec.AuthMethod) {
		return invalid("Client.AuthMethod stays as it was created: make another client")
	}
	if err := s.check(c); err != nil {
		return err
	}
	if err := s.clients.UpdateOAuthClient(ctx, c.record()); err != nil {
		return s.failed(ctx, c.ID, err)
	}
	s.log.Send(ctx, clientEvent(authn.EventRotated, c.ID, "updated"))
	return nil
}

// RotateSecret answers a new secret, this once, and lets the current one live on for
// grace, at most 30 days. Two live at most: [store.ErrLimit] while an earlier
// rotation's grace lasts; with a grace of 0 all others end at once.
// [store.ErrNotFound]; [store.ErrConflict] for a client that is disabled; 400 for one
// whose method has no secret. Tokens that were got by an older secret live on: after a
// leak jwtauth.Issuer.RevokeSubject ends them.
func (s *Server) RotateSecret(ctx context.Context, id string, grace time.Duration) (authn.Secret, error) {
	if grace < 0 || grace > maxGrace {
		return authn.Secret{}, invalid("the grace of a rotation is 0 to %s", maxGrace)
	}
	rec, err := s.find(ctx, id)
	if err != nil {
		return authn.Secret{}, err
	}
	if !AuthMethod(rec.AuthMethod).hasSecret() {
		return authn.Secret{}, invalid("a client of %s has no secret", rec.AuthMethod)
	}
	now := s.now()
	secret, next := s.newSecret(now)
	if err := s.clients.RotateOAuthSecret(ctx, id, next, now.Add(grace).Truncate(time.Microsecond), now); err != nil {
		return authn.Secret{}, s.failed(ctx, id, err)
	}
	s.log.Send(ctx, clientEvent(authn.EventRotated, id, "secret"))
	return secret, nil
}

// DisableClient ends the client for good, and its own tokens, also those that are
// being issued. Access tokens of users that it got by refreshing live on until they
// expire, and, but for a refresh that is under way, it can refresh no more.
// [store.ErrNotFound]. After an error call it again.
func (s *Server) DisableClient(ctx context.Context, id string) error {
	if !isID(id) {
		return store.ErrNotFound
	}
	if err := s.clients.DisableOAuthClient(ctx, id, s.now()); err != nil {
		return s.failed(ctx, id, err)
	}
	// Later, so that whoever has authenticated before it gets nothing after it.
	if err := s.issuer.RevokeSubject(ctx, id); err != nil {
		return err
	}
	s.log.Send(ctx, clientEvent(authn.EventRevoked, id, "disabled"))
	return nil
}

// Clients is by ID, with disabled ones.
func (s *Server) Clients(ctx context.Context, p store.Page) (cs []Client, next string, err error) {
	recs, next, err := s.clients.ListOAuthClients(ctx, p)
	if err != nil {
		return nil, "", s.failed(ctx, "", err)
	}
	for _, rec := range recs {
		cs = append(cs, clientOf(rec))
	}
	return cs, next, nil
}

func (s *Server) find(ctx context.Context, id string) (store.OAuthClient, error) {
	if !isID(id) {
		return store.OAuthClient{}, store.ErrNotFound
	}
	rec, err := s.clients.OAuthClient(ctx, id)
	if err != nil {
		return store.OAuthClient{}, s.failed(ctx, id, err)
	}
	return rec, nil
}

// failed is err, and an event if it is an outage.
func (s *Server) failed(ctx context.Context, id string, err error) error {
	e := authn.AsError(err)
	if e.Status < 500 {
		return err
	}
	event := clientEvent(authn.EventOutage, id, "client management")
	event.Err = err
	s.log.Send(ctx, event)
	return audit.Outage("store", err)
}
