package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// record is what tells one record from the others of its kind, all of one
// length: see copies.
type record struct {
	subject, tag, id string
	digest           store.Digest
	generation       *int64 // of the refresh token that is good now
}

// recordOf is the n-th.
func recordOf(n int) record {
	subject := fmt.Sprintf("user-%09d@example.com", n)
	random := store.DigestOf(subject)
	r := record{subject: subject, tag: store.TagOf(subject), id: hex.EncodeToString(random[:11]), generation: new(int64)}
	*r.generation = 1
	r.digest = r.token().Digest()
	return r
}

// token is an access token of r's subject that is revoked where there are
// revocations.
func (r record) token() store.TokenRef {
	return store.TokenRef{Issuer: issuerURL, ID: r.id, Subject: r.subject, Version: 1}
}

// growthKind is what a store has more and more of.
type growthKind struct {
	name  string
	write func(st store.Store, r record) error
	// there asks for what was written.
	there func(st store.Store, r record) error
	// hot is what a request waits for.
	hot func(st store.Store, r record) error
}

var growthBegan = time.Now().Truncate(time.Microsecond)

var growthKinds = []growthKind{
	{name: "sessions: SessionByRef", write: writeSession, there: readSession, hot: readSession},
	{name: "API keys: APIKeyByDigest", write: writeKey, there: readKey, hot: readKey},
	{name: "refresh families: AdvanceFamily", write: writeFamily, there: readFamily, hot: advanceFamily},
	{name: "revoked tokens: TokenRevoked of one that is not", write: revokeToken, there: isRevoked, hot: isNotRevoked},
}

func writeSession(st store.Store, r record) error {
	end := growthBegan.Add(24 * time.Hour)
	return st.CreateSession(context.Background(), store.Session{
		Ref: store.SessionRef{Tag: r.tag, Token: r.digest}, ID: r.id, Identity: *authn.User(r.subject, "password"),
		Data: []byte(`{"visits":1}`), Revision: 1,
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0 " + r.id, // so that each has its own
		Addr:      netip.MustParseAddr("203.0.113.7"),
		CreatedAt: growthBegan, SeenAt: growthBegan, IdleUntil: end, ExpiresAt: end,
	}, store.SessionRef{}, 100, 0, growthBegan)
}

func readSession(st store.Store, r record) error {
	s, err := st.SessionByRef(context.Background(), store.SessionRef{Tag: r.tag, Token: r.digest}, time.Now())
	return r.isOf(s.Identity.Subject, err)
}

func writeKey(st store.Store, r record) error {
	return st.CreateAPIKey(context.Background(), store.APIKey{
		ID: r.id, Owner: r.subject, Name: "deploys " + r.id, Prefix: "acme_live", LastFour: r.id[:4], Digest: r.digest,
		Scopes: []string{"orders:read", "orders:write"}, CreatedAt: growthBegan,
	}, store.APIKeyLimits{MaxLive: 100}, growthBegan)
}

func readKey(st store.Store, r record) error {
	k, err := st.APIKeyByDigest(context.Background(), r.digest)
	return r.isOf(k.Owner, err)
}

func (r record) family() store.FamilyRef { return store.FamilyRef{Tag: r.tag, ID: r.id} }

func writeFamily(st store.Store, r record) error {
	end := growthBegan.Add(30 * 24 * time.Hour)
	return st.CreateFamily(context.Background(), store.RefreshFamily{
		Ref: r.family(), Subject: r.subject, ClientID: "web", Identity: *authn.User(r.subject, "password"),
		Scopes: []string{"orders:read", "orders:write"}, Audience: []string{audience}, Version: 1, Generation: 1, KeyID: "key",
		RotatedAt: growthBegan, IdleUntil: end, ExpiresAt: end,
	})
}

func readFamily(st store.Store, r record) error {
	f, err := st.Family(context.Background(), r.family())
	return r.isOf(f.Subject, err)
}

func advanceFamily(st store.Store, r record) error {
	f, err := st.AdvanceFamily(context.Background(), r.family(), store.FamilyAdvance{
		Generation: *r.generation, ClientID: "web", KeyID: "key", Idle: 24 * time.Hour,
	})
	*r.generation = f.Generation
	return r.isOf(f.Subject, err)
}

func revokeToken(st store.Store, r record) error {
	return st.RevokeToken(context.Background(), r.token(), growthBegan.Add(24*time.Hour))
}

func isRevoked(st store.Store, r record) error {
	return askRevoked(st, r.token(), store.TokenRevokedByID)
}

// isNotRevoked asks for another token of the same subject.
func isNotRevoked(st store.Store, r record) error {
	t := r.token()
	t.ID = "good"
	return askRevoked(st, t, "")
}

func askRevoked(st store.Store, t store.TokenRef, want string) error {
	reason, err := st.TokenRevoked(context.Background(), t, time.Now())
	if err == nil && reason != want {
		err = fmt.Errorf("the token is %q, not %q", reason, want)
	}
	return err
}

// isOf holds that what was read is r's.
func (r record) isOf(subject string, err error) error {
	if err == nil && subject != r.subject {
		err = errors.New("another subject's was read: " + subject)
	}
	return err
}
