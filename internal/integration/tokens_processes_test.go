package integration_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// tokenClients are the goroutines in each process.
const tokenClients = 100

func init() {
	// As "SQL", with a pool that is bounded, as a host's is: so many clients
	// would take all of the server's connections.
	raceOpeners["pooled SQL"] = func(args []string) (raceStore, error) {
		db, err := sql.Open(args[0], args[1])
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(20)
		db.SetMaxIdleConns(20)
		d, err := strconv.Atoi(args[3])
		if err != nil {
			return nil, err
		}
		return sqlstore.New(db, sqlstore.Dialect(d), sqlstore.Config{Schema: args[2]})
	}
}

// onSharedStores runs f with three processes over each store that several can
// share.
func onSharedStores(t *testing.T, f func(t *testing.T, p *tokenProcesses)) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		t.Parallel()
		driver, dsn, schema := b.space(t)
		st := newStore(t, openDB(t, driver, dsn), b.dialect, sqlstore.Config{Schema: schema})
		if err := st.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		f(t, startTokenProcesses(t, "pooled SQL", driver, dsn, schema, strconv.Itoa(int(b.dialect))))
	})
	for name, addrs := range map[string]func(t *testing.T) []string{
		"Redis":         func(t *testing.T) []string { return []string{servers.Redis(t).Addr} },
		"Redis Cluster": func(t *testing.T) []string { return servers.RedisCluster(t).Addrs() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, startTokenProcesses(t, "Redis", fmt.Sprintf("tokens%d:", redisPrefixes.Add(1)), strings.Join(addrs(t), " ")))
		})
	}
}

// J20, J21: of 100 clients in each of three processes that refresh with one
// token, all get the same next one: the family moves on by one generation, and
// nothing is revoked. Each access token that they got is good in the others.
func TestRefreshTokensAreSpentOnceAcrossProcesses(t *testing.T) {
	onSharedStores(t, func(t *testing.T, p *tokenProcesses) {
		login := p.login(t, "alice")
		token := login.Refresh
		for generation := int64(2); generation < 4; generation++ {
			answers := p.all(t, tokenCommand{Do: "refresh", N: tokenClients, Tokens: []string{token}})
			next, access := map[string]bool{}, map[string]bool{}
			for i, a := range answers {
				if a.Outcomes["ok"] != tokenClients {
					t.Fatalf("generation %d: process %d: %v", generation, i, a.Outcomes)
				}
				for _, got := range a.Pairs {
					next[got.Refresh], access[got.Access] = true, true
				}
			}
			if len(next) != 1 || next[token] || len(access) != 3*tokenClients {
				t.Fatalf("generation %d: %d successors and %d access tokens", generation, len(next), len(access))
			}
			for i, a := range p.all(t, tokenCommand{Do: "verify", Tokens: slices.Collect(maps.Keys(access))}) {
				if a.Outcomes["200"] != len(access) {
					t.Errorf("generation %d: process %d: %v", generation, i, a.Outcomes)
				}
			}
			if f := p.family(t, "alice", login.Access); f.Generation != generation || !f.RevokedAt.IsZero() {
				t.Fatalf("want a living family of generation %d: %+v", generation, f)
			}
			token = slices.Collect(maps.Keys(next))[0]
		}
	})
}

// J21: a refresh token that comes again after its grace ends the login, for
// every process and for one that starts later: the access tokens, too. Where
// many clients race and there is no grace, one of them wins, and the login
// ends. Another login of the subject lives on.
func TestReplayEndsTheLoginInEveryProcess(t *testing.T) {
	onSharedStores(t, func(t *testing.T, p *tokenProcesses) {
		for name, race := range map[string]bool{"replay": false, "race": true} {
			other, login := p.login(t, name), p.login(t, name)
			var current []tokenPair
			if !race {
				a := p.ask(t, 0, tokenCommand{Do: "refresh", Tokens: []string{login.Refresh}})
				if a.Outcomes["ok"] != 1 {
					t.Fatal(a.Outcomes)
				}
				current = a.Pairs
			}
			outcomes := map[string]int{}
			for _, a := range p.all(t, tokenCommand{Do: "refresh without grace", N: tokenClients, Tokens: []string{login.Refresh}}) {
				count(outcomes, a.Outcomes)
				current = append(current, a.Pairs...)
			}
			if len(current) != 1 || outcomes["reuse"] == 0 || outcomes["reuse"]+outcomes["invalid_grant"]+outcomes["ok"] != 3*tokenClients {
				t.Errorf("%s: %d got tokens, %v", name, len(current), outcomes)
			}
			t.Logf("%s: %v", name, outcomes)
			for i := range p.start(t) + 1 { // and one that opens the store anew
				for _, dead := range append(current, login) {
					want(t, p, i, name+": refresh", tokenCommand{Do: "refresh", Tokens: []string{dead.Refresh}}, "invalid_grant")
					want(t, p, i, name+": access", tokenCommand{Do: "verify", Tokens: []string{dead.Access}}, "401 "+store.TokenRevokedByFamily)
				}
				want(t, p, i, name+": the other login", tokenCommand{Do: "verify", Tokens: []string{other.Access}}, "200")
			}
			want(t, p, 1, name+": the other login", tokenCommand{Do: "refresh", Tokens: []string{other.Refresh}}, "ok")
			if f := p.family(t, name, login.Access); f.Generation != 2 || f.RevokedAt.IsZero() {
				t.Errorf("%s: want a dead family of generation 2: %+v", name, f)
			}
		}
	})
}

// J24: what one process has revoked, another refuses at the next request, also
// if it has just found it good. What was not revoked is good there.
func TestRevocationsAreSeenByOtherProcesses(t *testing.T) {
	tests := []struct {
		name   string
		revoke func(t *testing.T, victim tokenPair) tokenCommand
		// victim and other are of one subject.
		victim, victimRefresh, other, otherRefresh string
	}{
		{
			"RevokeToken of an access token",
			func(_ *testing.T, victim tokenPair) tokenCommand {
				return tokenCommand{Do: "revoke token", Tokens: []string{victim.Access}}
			},
			"401 " + store.TokenRevokedByID, "ok", "200", "ok",
		},
		{
			"RevokeToken of a refresh token",
			func(_ *testing.T, victim tokenPair) tokenCommand {
				return tokenCommand{Do: "revoke token", Tokens: []string{victim.Refresh}}
			},
			"401 " + store.TokenRevokedByFamily, "invalid_grant", "200", "ok",
		},
		{
			"RevokeFamily",
			func(t *testing.T, victim tokenPair) tokenCommand {
				return tokenCommand{Do: "revoke family", Subject: "RevokeFamily", Tokens: []string{sidOf(t, victim.Access)}}
			},
			"401 " + store.TokenRevokedByFamily, "invalid_grant", "200", "ok",
		},
		{
			"RevokeSubject",
			func(*testing.T, tokenPair) tokenCommand {
				return tokenCommand{Do: "revoke subject", Subject: "RevokeSubject"}
			},
			"401 " + store.TokenRevokedBySubject, "invalid_grant", "401 " + store.TokenRevokedBySubject, "invalid_grant",
		},
	}
	onSharedStores(t, func(t *testing.T, p *tokenProcesses) {
		for _, tt := range tests {
			subject := tt.name
			victim, other, stranger := p.login(t, subject), p.login(t, subject), p.login(t, "not "+subject)
			access := []string{victim.Access, other.Access, stranger.Access}
			for i := range 3 {
				if a := p.ask(t, i, tokenCommand{Do: "verify", Tokens: access}); a.Outcomes["200"] != len(access) {
					t.Fatalf("%s: before it, process %d: %v", tt.name, i, a.Outcomes)
				}
			}
			want(t, p, 0, tt.name, tt.revoke(t, victim), "ok")
			for _, i := range []int{1, 2, 0} {
				want(t, p, i, tt.name+": victim", tokenCommand{Do: "verify", Tokens: []string{victim.Access}}, tt.victim)
				want(t, p, i, tt.name+": the subject's other login", tokenCommand{Do: "verify", Tokens: []string{other.Access}}, tt.other)
				want(t, p, i, tt.name+": another subject", tokenCommand{Do: "verify", Tokens: []string{stranger.Access}}, "200")
				want(t, p, i, tt.name+": victim", tokenCommand{Do: "refresh", Tokens: []string{victim.Refresh}}, tt.victimRefresh)
				want(t, p, i, tt.name+": the subject's other login", tokenCommand{Do: "refresh", Tokens: []string{other.Refresh}}, tt.otherRefresh)
				want(t, p, i, tt.name+": another subject", tokenCommand{Do: "refresh", Tokens: []string{stranger.Refresh}}, "ok")
			}
			later := p.login(t, subject)
			want(t, p, 1, tt.name+": a later login", tokenCommand{Do: "verify", Tokens: []string{later.Access}}, "200")
			want(t, p, 2, tt.name+": a later login", tokenCommand{Do: "refresh", Tokens: []string{later.Refresh}}, "ok")
		}
	})
}

// J24: whoever logs in or refreshes while everything of the subject is being
// revoked has nothing of it afterwards, in any process.
func TestNothingIsIssuedAcrossARevocation(t *testing.T) {
	const rounds = 3
	onSharedStores(t, func(t *testing.T, p *tokenProcesses) {
		logins, refreshes := map[string]int{}, map[string]int{}
		for round := range rounds {
			subject := fmt.Sprint("subject ", round)
			first := p.login(t, subject)
			twice := []string{first.Refresh, first.Refresh}
			// The proof is a minute old: its age is as of the call, and between looking
			// at the clock and calling a client may not run for long.
			proven := time.Now().Add(-time.Minute)
			p.send(t, 0, tokenCommand{Do: "login", N: tokenClients, Subject: subject, At: proven, Tokens: twice})
			p.send(t, 1, tokenCommand{Do: "refresh", N: tokenClients, Tokens: twice})
			// After the proof, but not after all of them.
			p.send(t, 2, tokenCommand{Do: "revoke subject", Subject: subject, After: 10 * round})
			a, b, c := p.answer(t, 0), p.answer(t, 1), p.answer(t, 2)
			if c.Outcomes["ok"] != 1 {
				t.Fatal(c.Outcomes)
			}
			count(logins, a.Outcomes)
			count(refreshes, b.Outcomes)
			checkDead(t, p, round, "logged in", a.Pairs)
			checkDead(t, p, round, "refreshed", append(b.Pairs, first))
		}
		t.Logf("logins: %v; refreshes: %v", logins, refreshes)
		if n := logins["ok"] + logins["invalid_token"]; n != rounds*2*tokenClients {
			t.Errorf("logins: %v", logins)
		}
		if n := refreshes["ok"] + refreshes["invalid_grant"]; n != rounds*2*tokenClients {
			t.Errorf("refreshes: %v", refreshes)
		}
	})
}

func count(sum, outcomes map[string]int) {
	for outcome, n := range outcomes {
		sum[outcome] += n
	}
}

// checkDead looks at tokens of a revoked subject, each round from another
// process.
func checkDead(t *testing.T, p *tokenProcesses, round int, what string, pairs []tokenPair) {
	t.Helper()
	access, refresh := tokenCommand{Do: "verify"}, tokenCommand{Do: "refresh"}
	for _, pair := range pairs {
		access.Tokens, refresh.Tokens = append(access.Tokens, pair.Access), append(refresh.Tokens, pair.Refresh)
	}
	if len(pairs) == 0 {
		return
	}
	a, r := p.ask(t, round%3, access).Outcomes, p.ask(t, round%3, refresh).Outcomes
	if a["401 "+store.TokenRevokedBySubject]+a["401 "+store.TokenRevokedByFamily] != len(pairs) || r["invalid_grant"] != len(pairs) {
		t.Errorf("round %d: who %s during the revocation has access tokens: %v; refresh tokens: %v", round, what, a, r)
	}
}

// want has process i do c, once for each token, with one outcome.
func want(t *testing.T, p *tokenProcesses, i int, what string, c tokenCommand, outcome string) {
	t.Helper()
	if a := p.ask(t, i, c); a.Outcomes[outcome] != max(1, len(c.Tokens)) {
		t.Errorf("%s: %s in process %d: %v, want %q", what, c.Do, i, a.Outcomes, outcome)
	}
}

// sidOf is the id of an access token's family.
func sidOf(t *testing.T, access string) string {
	t.Helper()
	var claims struct {
		SID string `json:"sid"`
	}
	payload, err := unb64(strings.Split(access, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil || claims.SID == "" {
		t.Fatalf("no sid: %s, %v", payload, err)
	}
	return claims.SID
}

// family is what the store has of an access token's login.
func (p *tokenProcesses) family(t *testing.T, subject, access string) store.RefreshFamily {
	t.Helper()
	f, err := tokensOf(p.store).Family(t.Context(), store.FamilyRef{Tag: store.TagOf(subject), ID: sidOf(t, access)})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// tokenCommand is what a process does, with each of Tokens in N goroutines.
type tokenCommand struct {
	Do      string
	N       int // 0: once
	Tokens  []string
	Subject string
	At      time.Time // of a login
	After   int       // so many looks at the store, so that rounds differ
}

type tokenPair struct{ Access, Refresh string }

// tokenAnswer counts what calls were answered: "ok", a status, or the name of
// an error.
type tokenAnswer struct {
	Outcomes map[string]int
	Pairs    []tokenPair
}

// tokenProcesses each have an Issuer over one store.
type tokenProcesses struct {
	store raceStore
	args  []string
	procs []*racer
}

func startTokenProcesses(t *testing.T, backend string, args ...string) *tokenProcesses {
	t.Helper()
	s, err := raceOpeners[backend](args)
	if err != nil {
		t.Fatal(err)
	}
	keychain := base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	p := &tokenProcesses{store: s, args: append([]string{keychain, backend}, args...)}
	for range 3 {
		p.start(t)
	}
	return p
}

// start starts another process, and answers its number.
func (p *tokenProcesses) start(t *testing.T) int {
	t.Helper()
	cmd := exec.Command(authn.Must(os.Executable()), "-test.run=^TestTokenProcess$")
	cmd.Env = append(os.Environ(), tokenProcessEnv+"="+strings.Join(p.args, "\n"), "AUTHN_SUMMARY=")
	cmd.Stderr = os.Stderr
	in, out := authn.Must(cmd.StdinPipe()), authn.Must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	number := len(p.procs)
	t.Cleanup(func() {
		_ = in.Close() // ends it
		hung := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer hung.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v", number, err)
		}
	})
	p.procs = append(p.procs, &racer{in, out.(*os.File), bufio.NewReader(out)})
	return number
}

func (p *tokenProcesses) send(t *testing.T, i int, c tokenCommand) {
	t.Helper()
	if _, err := fmt.Fprintf(p.procs[i].in, "%s\n", authn.Must(json.Marshal(c))); err != nil {
		t.Fatal(err)
	}
}

func (p *tokenProcesses) answer(t *testing.T, i int) (a tokenAnswer) {
	t.Helper()
	line, err := p.procs[i].answer()
	if err == nil {
		err = json.Unmarshal([]byte(line), &a)
	}
	if err != nil {
		t.Fatalf("process %d: %v\n%.500s", i, err, line)
	}
	return a
}

func (p *tokenProcesses) ask(t *testing.T, i int, c tokenCommand) tokenAnswer {
	t.Helper()
	p.send(t, i, c)
	return p.answer(t, i)
}

// all has every process do c at the same time.
func (p *tokenProcesses) all(t *testing.T, c tokenCommand) []tokenAnswer {
	t.Helper()
	for i := range 3 {
		p.send(t, i, c)
	}
	var answers []tokenAnswer
	for i := range 3 {
		answers = append(answers, p.answer(t, i))
	}
	return answers
}

// login is made in the first process.
func (p *tokenProcesses) login(t *testing.T, subject string) tokenPair {
	t.Helper()
	a := p.ask(t, 0, tokenCommand{Do: "login", Subject: subject, At: time.Now()})
	if len(a.Pairs) != 1 {
		t.Fatalf("login: %v", a.Outcomes)
	}
	return a.Pairs[0]
}

// tokenProcessEnv holds the keychain and the arguments of a process's store.
const tokenProcessEnv = "AUTHN_TEST_TOKENS"

// TestTokenProcess is a process that issues tokens when it is started as one,
// and nothing otherwise. Each line is a tokenCommand, and is answered by one.
func TestTokenProcess(t *testing.T) {
	env, ok := os.LookupEnv(tokenProcessEnv)
	if !ok {
		return
	}
	args := strings.Split(env, "\n")
	s, err := raceOpeners[args[1]](args[2:])
	if err != nil {
		t.Fatal(err)
	}
	kc := authn.Must(authn.ParseKeychain(args[0]))
	p := tokenServer{tokenIssuer(t, s, kc, time.Minute), tokenIssuer(t, s, kc, -1)}
	lines := bufio.NewReader(os.Stdin)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return
		}
		var c tokenCommand
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("%s\n", authn.Must(json.Marshal(p.serve(t.Context(), c))))
	}
}

// tokenIssuer has its keys, logins and revocations in s.
func tokenIssuer(t *testing.T, s raceStore, kc *authn.Keychain, grace time.Duration) *jwtauth.Issuer {
	t.Helper()
	ring := authn.Must(jwtauth.OpenKeyRing(keysOf(s), kc, jwtauth.RingConfig{}))
	return authn.Must(jwtauth.NewIssuer(ring, tokensOf(s), kc, jwtauth.IssuerConfig{
		Issuer: tokensIssuer, Audience: []string{tokensAudience}, RefreshGrace: grace,
	}))
}

type tokenServer struct{ issuer, graceless *jwtauth.Issuer }

// serve does c with each of its tokens, in N goroutines that start together.
func (p tokenServer) serve(ctx context.Context, c tokenCommand) tokenAnswer {
	a := tokenAnswer{Outcomes: map[string]int{}}
	var mu sync.Mutex
	var clients sync.WaitGroup
	start := make(chan struct{})
	if len(c.Tokens) == 0 {
		c.Tokens = []string{""}
	}
	for range max(c.N, 1) {
		clients.Go(func() {
			<-start
			for _, token := range c.Tokens {
				pair, outcome := p.do(ctx, c, token)
				mu.Lock()
				a.Outcomes[outcome]++
				if pair.Access != "" {
					a.Pairs = append(a.Pairs, pair)
				}
				mu.Unlock()
			}
		})
	}
	for range c.After {
		_ = p.issuer.RevokeFamily(ctx, "nobody", "no login")
	}
	close(start)
	clients.Wait()
	return a
}

func (p tokenServer) do(ctx context.Context, c tokenCommand, token string) (pair tokenPair, outcome string) {
	var set jwtauth.TokenSet
	var err error
	switch c.Do {
	case "login":
		id := &authn.Identity{Subject: c.Subject, Kind: authn.KindUser, Method: "test", VerifiedAt: c.At}
		set, err = p.issuer.Issue(ctx, jwtauth.Grant{Identity: id, Refresh: true})
	case "refresh":
		set, err = p.issuer.Refresh(ctx, token, jwtauth.Grant{})
	case "refresh without grace":
		set, err = p.graceless.Refresh(ctx, token, jwtauth.Grant{})
	case "revoke token":
		err = p.issuer.RevokeToken(ctx, token, "")
	case "revoke family":
		err = p.issuer.RevokeFamily(ctx, c.Subject, token)
	case "revoke subject":
		err = p.issuer.RevokeSubject(ctx, c.Subject)
	case "verify":
		_, err = p.issuer.Verifier().Verify(bearing(ctx, token))
		if err == nil {
			return pair, "200"
		}
		e := authn.AsError(err)
		return pair, strings.TrimSpace(fmt.Sprint(e.Status, " ", e.Reason))
	default:
		err = errors.New("unknown command")
	}
	switch e := authn.AsError(err); {
	case err == nil:
		return tokenPair{set.Access.Reveal(), set.Refresh.Reveal()}, "ok"
	case errors.Is(err, jwtauth.ErrReuse):
		return pair, "reuse"
	case e.Status < 500:
		return pair, e.Code
	}
	return pair, err.Error()
}
