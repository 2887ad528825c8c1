package jwtauth_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// says answers every question of a spy so.
func says(reason string, err error) func(store.TokenRef) (string, error) {
	return func(store.TokenRef) (string, error) { return reason, err }
}

// J24, J11: what the store says is dead is refused, in one round trip, and an
// outage is one; a good token costs one round trip on every request.
func TestRevokedTokensAreRefused(t *testing.T) {
	for _, alg := range [...]jwtauth.Algorithm{jwtauth.HS256, jwtauth.ES256} {
		for _, c := range []struct {
			reason string
			err    error
			status int
			event  string
		}{
			{"", nil, 200, ""},
			{store.TokenRevokedByID, nil, 401, store.TokenRevokedByID},
			{store.TokenRevokedByFamily, nil, 401, store.TokenRevokedByFamily},
			{store.TokenRevokedBySubject, nil, 401, store.TokenRevokedBySubject},
			{"a word of another store's", nil, 401, "a word of another store's"},
			{"", errDown, 503, "store"},
			{store.TokenRevokedByID, errDown, 503, "store"},
			{"", authn.Refused("x", nil), 503, "store"},
			{"", authn.ErrNoCredential, 503, "store"},
			{"", context.DeadlineExceeded, 503, "store"},
		} {
			s := newService(t, nil)
			token := goodDraft(alg).token()
			s.wantGood(t, token) // so that the cache knows it
			s.rev.answer = says(c.reason, c.err)
			s.rev.asked.Store(0)
			if w := answer(s.Middleware, bearer(token)); w.Code != c.status {
				t.Errorf("%q, %v: %s", c.reason, c.err, wire(w))
			}
			if n := s.rev.asked.Load(); n != 1 {
				t.Errorf("%q, %v: the store was asked %d times", c.reason, c.err, n)
			}
			events := s.events.Events()
			if c.event == "" && len(events) != 0 || c.event != "" && (len(events) != 1 || events[0].Reason != c.event || events[0].Subject != "ada" || events[0].CredentialID != "t1") {
				t.Errorf("%q, %v: events %+v", c.reason, c.err, events)
			}
		}
	}
}

// J25: with the cache the store is asked once in RevocationCacheTTL, to the
// nanosecond; only "not revoked" is believed.
func TestRevocationCache(t *testing.T) {
	const ttl = 5 * time.Second
	s := newService(t, func(cfg *jwtauth.VerifierConfig) { cfg.RevocationCacheTTL = ttl })
	token := goodDraft(jwtauth.HS256).token()
	verify := func(status int, asked int64) {
		t.Helper()
		s.rev.asked.Store(0)
		_, err := s.verify(token)
		got := 200
		if err != nil {
			got = authn.AsError(err).Status
		}
		if got != status || s.rev.asked.Load() != asked {
			t.Fatalf("%d (%v), %d questions, want %d and %d", got, err, s.rev.asked.Load(), status, asked)
		}
	}
	verify(200, 1)
	s.rev.answer = says(store.TokenRevokedByID, nil)
	verify(200, 0)
	s.clock.advance(ttl - 1)
	verify(200, 0)
	s.clock.advance(1)
	verify(401, 1)
	verify(401, 1)
	s.rev.answer = says("", errDown)
	verify(503, 1)
	verify(503, 1)
	s.rev.answer = nil
	verify(200, 1)
	s.rev.answer = says("", errDown)
	verify(200, 0) // an outage within the bound is not seen
	s.clock.advance(ttl)
	verify(503, 1)
	s.rev.answer = nil
	verify(200, 1)
	s.clock.set(tokenLife - 1) // asks again
	verify(200, 1)
	s.clock.set(tokenLife)
	verify(401, 0) // the cache does not lengthen a life
}

// J25: what is believed of one token is not believed of another: not of another
// jti, and not of another subject whose provider gave it the same jti; and of
// tokens without one nothing is.
func TestRevocationCacheIsOfOneToken(t *testing.T) {
	s := newService(t, func(cfg *jwtauth.VerifierConfig) {
		cfg.RevocationCacheTTL = time.Second
		cfg.Trust[0].InsecureNoID = true
		cfg.Trust[0].Map = func(tok *jwtauth.Token) (*authn.Identity, error) {
			return &authn.Identity{Subject: "net:" + tok.Subject(), Kind: authn.KindUser}, nil
		}
	})
	s.rev.answer = func(ref store.TokenRef) (string, error) {
		if ref.ID == "t2" || ref.Subject == "net:bob" {
			return store.TokenRevokedBySubject, nil
		}
		return "", nil
	}
	good := func() *draft { return goodDraft(jwtauth.HS256) }
	s.wantGood(t, good().token())
	s.wantGood(t, good().swap(`"jti":"t1",`, ``).token())
	for name, d := range map[string]*draft{
		"another jti":               good().swap(`"t1"`, `"t2"`),
		"another's without jti":     good().swap(`"jti":"t1",`, ``).swap(`"ada"`, `"bob"`),
		"another's of the same jti": good().swap(`"ada"`, `"bob"`),
	} {
		if _, err := s.verify(d.token()); authn.AsError(err) == nil || authn.AsError(err).Reason != store.TokenRevokedBySubject {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// J25: nothing is believed of a token without jti, nor in a transaction of the
// host's, which may be rolled back.
func TestRevocationCacheIsOff(t *testing.T) {
	s := newService(t, func(cfg *jwtauth.VerifierConfig) {
		cfg.RevocationCacheTTL = time.Second
		cfg.Trust[0].InsecureNoID = true
		cfg.Trust[0].Map = mapTo(&authn.Identity{Subject: "net:ada", Kind: authn.KindUser}, nil)
	})
	r := bearer(goodDraft(jwtauth.HS256).token())
	for name, r := range map[string]*http.Request{
		"without jti":      bearer(goodDraft(jwtauth.HS256).swap(`"jti":"t1",`, ``).token()),
		"in a transaction": r.WithContext(store.MarkTx(r.Context())),
	} {
		s.rev.asked.Store(0)
		for range 2 {
			if _, err := s.Verify(r); err != nil {
				t.Error(err)
			}
		}
		if n := s.rev.asked.Load(); n != 2 {
			t.Errorf("%s: the store was asked %d times", name, n)
		}
	}
}

// forgetful is a store that remembers since a time.
type forgetful struct {
	*spy
	since time.Time
}

func (f forgetful) Since() time.Time { return f.since }

// J25: a store that forgets is not asked about what is older than its memory,
// in whole seconds, rounded down.
func TestForgetfulStore(t *testing.T) {
	for _, c := range []struct {
		since time.Duration // after iat
		good  bool
	}{
		{0, true},
		{-time.Hour, true},
		{time.Second - 1, true},
		{time.Second, false},
		{time.Second + time.Nanosecond, false},
		{time.Minute, false},
	} {
		st := forgetful{&spy{}, time.Unix(noon, 0).Add(c.since)}
		clock := newClock()
		clock.advance(time.Minute)
		v := authn.Must(jwtauth.NewVerifier(st, jwtauth.VerifierConfig{
			Trust: []jwtauth.Trust{{Issuer: ours, Audiences: []string{api}, Keys: ringOf()}}, Now: clock.Now, RevocationCacheTTL: time.Second,
		}))
		for _, alg := range [...]jwtauth.Algorithm{jwtauth.HS256, jwtauth.EdDSA} {
			for range 2 {
				_, err := v.Verify(bearer(goodDraft(alg).token()))
				if e := authn.AsError(err); (e == nil) != c.good || e != nil && (e.Status != http.StatusUnauthorized || e.Reason != "older than the store's memory") {
					t.Errorf("since %v after iat: %v", c.since, err)
				}
			}
		}
		if (st.asked.Load() > 0) != c.good {
			t.Errorf("since %v after iat: asked %d times", c.since, st.asked.Load())
		}
	}
}

// J24: against a real store: a token by its id, everything of a subject by its
// version, and of a foreign issuer by when it was issued.
func TestRevokedInMemstore(t *testing.T) {
	ctx := context.Background()
	clock := newClock()
	st := struct{ store.Tokens }{memstore.New(memstore.Config{ClockOffset: func() time.Duration { return time.Until(clock.Now()) }})}
	foreign := func(tok *jwtauth.Token) (*authn.Identity, error) {
		return &authn.Identity{Subject: "net:" + tok.Subject(), Kind: authn.KindUser}, nil
	}
	v := authn.Must(jwtauth.NewVerifier(st, jwtauth.VerifierConfig{
		Trust: []jwtauth.Trust{
			{Issuer: ours, Audiences: []string{api}, Keys: ringOf()},
			{Issuer: theirs, Audiences: []string{api}, Keys: ringOf(), Map: foreign},
		}, Now: clock.Now,
	}))
	verify := func(d *draft, reason string) {
		t.Helper()
		_, err := v.Verify(bearer(d.token()))
		if e := authn.AsError(err); e == nil && reason != "" || e != nil && e.Reason != reason {
			t.Errorf("%v, want %q", err, reason)
		}
	}
	own := func() *draft { return goodDraft(jwtauth.ES256) }
	of := func(iat string) *draft { return own().swap(ours, theirs).swap(`"iat":1795348800`, `"iat":`+iat) }
	verify(own(), "")
	if err := st.RevokeToken(ctx, store.TokenRef{Issuer: ours, ID: "t1", Subject: "ada"}, clock.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	verify(own(), store.TokenRevokedByID)
	verify(own().swap(`"t1"`, `"t2"`), "")
	verify(of("1795348800"), "") // the same jti of another issuer
	verify(own().swap(`"t1"`, `"t2"`).claim(`"sid":"none"`), store.TokenRevokedByFamily)
	verify(own().swap(`"t1"`, `"t2"`).swap(`"ver":1`, `"ver":2`), store.TokenRevokedBySubject)
	clock.advance(10 * time.Second)
	for _, subject := range []string{"ada", "net:ada"} {
		if err := st.RevokeTokensOf(ctx, subject); err != nil {
			t.Fatal(err)
		}
	}
	clock.advance(10 * time.Second)
	verify(own().swap(`"t1"`, `"t2"`), store.TokenRevokedBySubject)
	verify(own().swap(`"t1"`, `"t2"`).swap(`"ver":1`, `"ver":2`), "")
	verify(of("1795348800"), store.TokenRevokedBySubject)
	verify(of("1795348809"), store.TokenRevokedBySubject)
	verify(of("1795348811"), "")
}
