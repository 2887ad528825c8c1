package integration_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store/memstore"
)

const (
	rotations     = 3
	rotateEvery   = 4 * time.Minute
	rotatePublish = 100 * time.Second
	rotateTTL     = 2 * time.Minute // of tokens
	rotateStep    = 2 * time.Second
	rotateWorkers = 4
	// rotateAttack is how many tokens with made-up kids come in a step.
	rotateAttack = 20
)

// J14, J15, J17, J18: keys rotate under load and no request is refused. Two
// instances share a ring, rotate it and issue tokens; a service elsewhere
// verifies these until they expire, by the JWKS of either. Neither tokens with
// made-up kids change that, nor a cache in front of the JWKS, nor both.
func TestKeysRotateWithoutARefusedRequest(t *testing.T) {
	for name, c := range map[string]struct{ attack, cache bool }{
		"alone":                                  {},
		"beside made-up kids":                    {attack: true},
		"behind a cache":                         {cache: true},
		"behind a cache and beside made-up kids": {attack: true, cache: true},
	} {
		t.Run(name, func(t *testing.T) { rotateUnderLoad(t, c.attack, c.cache) })
	}
}

func rotateUnderLoad(t *testing.T, attack, cache bool) {
	l := newRotationLoad(t, cache)
	start, rotated, end := l.now(), 0, time.Time{}
	for due := start.Add(rotateEvery); end.IsZero() || l.now().Before(end); {
		fetches := l.proxy.count()
		l.step(t, attack)
		// The worst moment is when somebody has begun to keep the old answer.
		if rotated < rotations && !l.now().Before(due) && (!cache || l.proxy.count() > fetches) {
			l.rotate(t)
			rotated++
			due = l.now().Add(rotateEvery)
			if rotated == rotations {
				end = due
			}
		}
		l.ns.Add(int64(rotateStep))
	}

	elapsed := l.now().Sub(start)
	t.Logf("in %s: %d keys, %d tokens issued, verified %d times, %d of them refused; %d made-up kids, %d fetches",
		elapsed, len(l.kids), l.issued.Load(), l.verified.Load(), l.refused, l.madeUp.Load(), l.fetches.Load())
	if l.refused > 0 {
		t.Errorf("%d good tokens were refused, the first ones:\n%s", l.refused, strings.Join(l.refusals, "\n"))
	}
	if len(l.kids) != rotations+1 {
		t.Errorf("tokens of %d keys were verified, want %d", len(l.kids), rotations+1)
	}
	// One in 30 s for unknown kids, and those that are due, after 48 s at least.
	if most := int64(elapsed/(30*time.Second) + elapsed/(48*time.Second) + 1); l.fetches.Load() > most {
		t.Errorf("%d fetches, want at most %d", l.fetches.Load(), most)
	}
}

// rotationLoad is two instances that issue, and a service that verifies. Its
// clock stands during a step, but not for what the step leaves in the
// background.
type rotationLoad struct {
	ns        atomic.Int64
	rings     [2]*jwtauth.KeyRing
	issuers   [2]*jwtauth.Issuer
	elsewhere *jwtauth.Verifier
	proxy     *cachingProxy
	live      [rotateWorkers][]liveToken // oldest first

	issued, verified, madeUp, fetches atomic.Int64

	mu       sync.Mutex
	kids     map[string]bool // of tokens that were verified elsewhere
	refused  int
	refusals []string
}

type liveToken struct {
	text string
	ends time.Time
}

func (l *rotationLoad) now() time.Time { return time.Unix(0, l.ns.Load()) }

func newRotationLoad(t *testing.T, cache bool) *rotationLoad {
	t.Helper()
	l := &rotationLoad{kids: map[string]bool{}}
	l.ns.Store(time.Now().UnixNano())
	st, keychain := memstore.New(memstore.Config{}), authn.GenerateKeychain()
	for i := range l.rings {
		ring, err := jwtauth.OpenKeyRing(st, keychain, jwtauth.RingConfig{
			Publish: rotatePublish, MaxTokenAge: rotateTTL, Now: l.now,
		})
		if err != nil {
			t.Fatal(err)
		}
		l.rings[i] = ring
		l.issuers[i], err = jwtauth.NewIssuer(ring, nil, nil, jwtauth.IssuerConfig{
			Issuer: tokensIssuer, Audience: []string{tokensAudience}, AccessTTL: rotateTTL, SkipRevocation: true, Now: l.now,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	l.proxy = &cachingProxy{now: l.now, off: !cache, next: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.rings[rand.IntN(len(l.rings))].JWKS().ServeHTTP(w, r)
	})}
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.fetches.Add(1)
		l.proxy.ServeHTTP(w, r)
	}))
	var err error
	l.elsewhere, err = jwtauth.NewVerifier(nil, jwtauth.VerifierConfig{
		Trust: []jwtauth.Trust{{
			Issuer: tokensIssuer, Audiences: []string{tokensAudience}, Keys: remoteKeys(t, url, jwtauth.RemoteConfig{Now: l.now}),
		}},
		SkipRevocation: true, Now: l.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// rotate is both instances' cron job.
func (l *rotationLoad) rotate(t *testing.T) {
	t.Helper()
	var both sync.WaitGroup
	for _, ring := range l.rings {
		both.Go(func() {
			if err := ring.Rotate(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
}

// step is what many clients do at once.
func (l *rotationLoad) step(t *testing.T, attack bool) {
	t.Helper()
	var clients sync.WaitGroup
	for worker := range rotateWorkers {
		clients.Go(func() { l.work(t, worker) })
	}
	if attack {
		clients.Go(func() { l.attack(t) })
	}
	clients.Wait()
}

// work issues a token at one instance and verifies it, and the oldest and any
// other one that is still good, elsewhere and at the other instance.
func (l *rotationLoad) work(t *testing.T, worker int) {
	at := rand.IntN(2)
	id := authn.User("alice", "test")
	id.VerifiedAt = l.now()
	set, err := l.issuers[at].Issue(t.Context(), jwtauth.Grant{Identity: id})
	if err != nil {
		l.refuse("Issue", err)
		return
	}
	l.issued.Add(1)
	live := append(l.live[worker], liveToken{set.Access.Reveal(), set.ExpiresAt})
	for !l.now().Before(live[0].ends) {
		live = live[1:]
	}
	l.live[worker] = live
	for _, token := range []liveToken{live[len(live)-1], live[0], live[rand.IntN(len(live))]} {
		if l.verify(t, l.elsewhere, "elsewhere", token) {
			l.mu.Lock()
			l.kids[kidOf(token.text)] = true
			l.mu.Unlock()
		}
		l.verify(t, l.issuers[1-at].Verifier(), "the other instance", token)
	}
}

func (l *rotationLoad) verify(t *testing.T, v *jwtauth.Verifier, where string, token liveToken) bool {
	l.verified.Add(1)
	_, err := v.Verify(bearing(t.Context(), token.text))
	if err != nil {
		l.refuse(fmt.Sprintf("%s, a token that ends in %s", where, token.ends.Sub(l.now())), err)
	}
	return err == nil
}

func bearing(ctx context.Context, token string) *http.Request {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func kidOf(token string) string {
	var header struct {
		Kid string `json:"kid"`
	}
	encoded, _, _ := strings.Cut(token, ".")
	_ = json.Unmarshal(authn.Must(unb64(encoded)), &header)
	return header.Kid
}

// attack sends tokens whose kid nobody has.
func (l *rotationLoad) attack(t *testing.T) {
	for range rotateAttack {
		header := b64(`{"alg":"ES256","typ":"at+jwt","kid":"` + strconv.FormatInt(l.madeUp.Add(1), 10) + `"}`)
		_, err := l.elsewhere.Verify(bearing(t.Context(), header+"."+b64("{}")+"."+strings.Repeat("A", 86)))
		if e := authn.AsError(err); e.Status != http.StatusUnauthorized {
			t.Errorf("a made-up kid is answered %d: %v", e.Status, e)
		}
	}
}

// refuse notes a refusal that should not be.
func (l *rotationLoad) refuse(what string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refused++; l.refused <= 5 {
		e := authn.AsError(err)
		l.refusals = append(l.refusals, fmt.Sprintf("%s: %d %s: %v", what, e.Status, e.Reason, e.Err))
	}
}

// cachingProxy answers from what it keeps for max-age, as a CDN does (RFC 9111
// §4).
type cachingProxy struct {
	next http.Handler
	now  func() time.Time
	off  bool

	mu      sync.Mutex
	kept    *httptest.ResponseRecorder
	keptAt  time.Time
	maxAge  time.Duration
	fetches int
}

func (p *cachingProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if p.off || p.kept == nil || now.Sub(p.keptAt) >= p.maxAge {
		p.fetches++
		p.kept, p.keptAt = httptest.NewRecorder(), now
		p.next.ServeHTTP(p.kept, r)
		_, seconds, _ := strings.Cut(p.kept.Header().Get("Cache-Control"), "max-age=")
		n, _ := strconv.Atoi(seconds)
		p.maxAge = time.Duration(n) * time.Second
	}
	maps.Copy(w.Header(), p.kept.Header())
	w.Header().Set("Age", strconv.Itoa(int(now.Sub(p.keptAt)/time.Second)))
	w.WriteHeader(p.kept.Code)
	_, _ = w.Write(p.kept.Body.Bytes())
}

func (p *cachingProxy) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fetches
}
