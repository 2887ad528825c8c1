package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// lifecycle is what store.Store has besides the concerns.
type lifecycle interface {
	Open(ctx context.Context) error
	Run(ctx context.Context) error
	Check(ctx context.Context) error
}

// cleaningTime is what a store gets for its first round of deleting.
const cleaningTime = 50 * time.Millisecond

func storeCases() []testCase[lifecycle] {
	return []testCase[lifecycle]{
		{
			name: "open_may_be_repeated",
			rule: "Open may be repeated",
			test: openMayBeRepeated,
		},
		{
			name: "ten_may_open_at_once",
			rule: "ten instances may call Open at once",
			test: tenMayOpenAtOnce,
		},
		{
			name: "open_keeps_the_records",
			rule: "Open creates or migrates what the store needs, and nothing else",
			test: openKeepsTheRecords,
		},
		{
			name: "check_of_a_good_store",
			rule: "Check says whether the store can be reached and keeps its promises",
			test: checkOfAGoodStore,
		},
		{
			name: "run_ends_with_its_context",
			rule: "Run deletes until ctx ends; then it answers nil",
			test: runEndsWithItsContext,
		},
	}
}

func openMayBeRepeated(t *testing.T, s lifecycle) {
	for i := range 3 {
		wantErr(t, s.Open(t.Context()), nil, "Open, call %d", i+1)
	}
	wantErr(t, s.Check(t.Context()), nil, "Check after Open")
}

func tenMayOpenAtOnce(t *testing.T, s lifecycle) {
	never := errors.New("no error")
	if won := winners(t, 10, never, func(int) error { return s.Open(t.Context()) }); len(won) != 10 {
		t.Errorf("%d of 10 calls of Open answered nil", len(won))
	}
	wantErr(t, s.Check(t.Context()), nil, "Check after Open")
}

// openKeepsTheRecords leaves a record with whichever concern there is.
func openKeepsTheRecords(t *testing.T, s lifecycle) {
	now := today()
	keys, _ := s.(store.APIKeys)
	sessions, _ := s.(store.Sessions)
	tokens, _ := s.(store.Tokens)
	ring, _ := s.(store.SigningKeys)
	users, _ := s.(store.PasswordTable)
	links, _ := s.(store.OneTime)
	codes, _ := s.(store.TOTPs)
	clients, _ := s.(store.OAuthClients)
	providers, _ := s.(store.ProviderTokens)
	once, _ := s.(store.Once)
	limits, _ := s.(store.Limits)
	if keys != nil {
		create(t, keys, newKey("ann", "kept", now))
	}
	if sessions != nil {
		createSessions(t, sessions, newSession("ann", "kept", now), newSession("bob", "revoked", now))
		revokeSessionsOf(t, sessions, "bob", "")
	}
	if tokens != nil {
		createFamilies(t, tokens, newFamily("ann", "kept", now))
		revokeToken(t, tokens, newToken("ann", "revoked", now), now.Add(time.Hour))
		revokeTokensOf(t, tokens, "bob")
	}
	if ring != nil {
		addSigningKeys(t, ring, newSigningKey("kept", now))
	}
	if users != nil {
		createPasswords(t, users, newPassword("u1", "kept"))
	}
	if links != nil {
		createOneTimes(t, links, newOneTime("ann", "kept", now))
	}
	var enrolled store.TOTP
	if codes != nil {
		enrolled = enrol(t, codes, "ann", "kept", now)
	}
	if clients != nil {
		createClients(t, clients, newClient("kept", now))
	}
	if providers != nil {
		putSealed(t, providers, owned{"ann", "kept"}, sealedToken("kept"))
	}
	if once != nil {
		must(t, claim(t, once, "kept", digest("kept"), now.Add(time.Hour), now), "ClaimOnce")
	}
	if limits != nil {
		wantLimit(t, limits, newWindow("kept", 2), left(1, time.Hour), "before Open")
		wantAttempt(t, limits, began, "before Open", newAttempt("kept", 1))
	}
	must(t, s.Open(t.Context()), "Open")
	if keys != nil {
		wantKey(t, read(t, keys, "ann", "kept"), newKey("ann", "kept", now))
	}
	if sessions != nil {
		wantSession(t, sessions, newSession("ann", "kept", now), now, "it was there before Open")
		noSession(t, sessions, newSession("bob", "revoked", now), now, "it was revoked before Open")
		wantLogin(t, sessions, "bob", time.Hour, now, store.ErrConflict)
	}
	if tokens != nil {
		wantUnchanged(t, tokens, newFamily("ann", "kept", now))
		wantDead(t, tokens, newToken("ann", "revoked", now), now, store.TokenRevokedByID, "revoked before Open")
		wantDead(t, tokens, newToken("bob", "a", now), now, store.TokenRevokedBySubject, "its subject's tokens were revoked before Open")
	}
	if ring != nil {
		wantSigningKeys(t, ring, now, newSigningKey("kept", now))
	}
	if users != nil {
		wantPassword(t, users, newPassword("u1", "kept"))
	}
	if links != nil {
		wantOneTime(t, links, newOneTime("ann", "kept", now), now)
	}
	if codes != nil {
		wantTOTP(t, codes, enrolled, "enrolled before Open")
	}
	if clients != nil {
		wantClient(t, clients, newClient("kept", now), "created before Open")
	}
	if providers != nil {
		wantSealed(t, providers, owned{"ann", "kept"}, sealedToken("kept"), "put before Open")
	}
	if once != nil {
		wantErr(t, claim(t, once, "kept", digest("kept"), now.Add(time.Hour), now), store.ErrExists, "the claim made before Open")
	}
	if limits != nil {
		wantLimit(t, limits, newWindow("kept", 2), left(0, time.Hour), "one was taken before Open")
		wantAttempt(t, limits, lockedFor(10*time.Minute), "it was locked before Open", newAttempt("kept", 1))
	}
}

func checkOfAGoodStore(t *testing.T, s lifecycle) {
	for range 2 {
		wantErr(t, s.Check(t.Context()), nil, "Check")
	}
}

func runEndsWithItsContext(t *testing.T, s lifecycle) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, s.Run(ended), nil, "Run with a context that had ended")

	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	wantErr(t, s.Run(late), nil, "Run with a deadline")

	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan error, 1)
	go func() { answer <- s.Run(ctx) }()
	wantErr(t, s.Check(t.Context()), nil, "Check beside Run")
	cancel()
	select {
	case err := <-answer:
		wantErr(t, err, nil, "Run when its context was cancelled")
	case <-time.After(time.Minute):
		t.Error("Run still runs a minute after its context was cancelled")
	}
}

// clean lets a store that has Run delete what it wants to.
func clean(t *testing.T, s any) {
	t.Helper()
	if r, ok := s.(interface{ Run(context.Context) error }); ok {
		ctx, cancel := context.WithTimeout(t.Context(), cleaningTime)
		defer cancel()
		must(t, r.Run(ctx), "Run")
	}
}
