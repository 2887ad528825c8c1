// Package ratelimit limits requests and guesses. Start with [New] and
// [Limiter.Middleware] for requests, and with [NewAttempts] for logins.
//
//	limiter, err := ratelimit.New(st, ratelimit.Config{},
//		ratelimit.Window("login", 5, time.Minute, ratelimit.ByClient),
//		ratelimit.GCRA("api", 1000, time.Hour, 50, ratelimit.BySubject))
//	mux.Handle("POST /login", limiter.Middleware(login))
//
//	attempts, err := ratelimit.NewAttempts(st, keychain, ratelimit.AttemptsConfig{})
//	users, err := password.New(table, attempts, password.Config{...})
//
// # Exact
//
// [Window] keeps each request with its time: no minute ever holds more than its
// limit, wherever it begins, and nobody is refused while it would hold fewer.
// [GCRA] keeps one number and has no window at all. Both count on the store's
// own clock, so that processes whose clocks differ count the same, and hold
// under any concurrency. What is refused takes nothing, and of several policies
// that a request meets all take or none.
//
// # What a guesser can reach
//
// With the defaults of [AttemptsConfig] somebody who never rests has 75 guesses at
// one account in the first day, from however many addresses, and 50 a day later,
// when each one more locks the account for an hour: 18 300 in a year (a test
// plays it), as long as the owner does not log in meanwhile from a new browser,
// which clears the account's counters. A password of the 10 000 most common ones falls to that, and one of
// the first million with a chance of 1.8 %; package password refuses the common
// ones. A DisableAfter of 100 ends it there. Somebody who guesses at all accounts has 60
// wrong guesses from one address before its locks begin.
//
// A lock always ends, since whoever can lock an account can keep its owner out:
// [Attempts.Remember] lets the owner's own browsers in all the same.
//
// # Outages
//
// While the store does not answer, each [Policy] does what its OnOutage says; by
// default this process counts for itself.
package ratelimit

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/store"
)

// method is the Method of events.
const method = "ratelimit"

// Config of New. The zero Config is good.
type Config struct {
	// Instances is how many processes share the store. While FailLocal stands in,
	// each allows a limit divided by it: left at 1 with several processes, an
	// outage multiplies the limits. Defaults to 1.
	Instances int
	// OnError answers a refused request. Defaults to authn.WriteError.
	OnError authn.ErrorHandler
	// OnEvent gets the first refusal of each key and window, and the begin and
	// end of an outage.
	OnEvent authn.EventFunc
}

// Limiter applies all its policies or none. It is safe for concurrent use.
type Limiter struct {
	policies []Policy // those that refuse, then those that only count
	refusing int
	cfg      Config
	st       *failover
	log      audit.Log
}

// New refuses policies that make no sense, and two of one name.
func New(st store.Limits, cfg Config, policies ...Policy) (*Limiter, error) {
	switch {
	case st == nil:
		return nil, errors.New("authn/ratelimit: New needs a store, such as memstore.New")
	case len(policies) == 0:
		return nil, errors.New("authn/ratelimit: New needs a policy, by Window or GCRA")
	case cfg.Instances < 0:
		return nil, errors.New("authn/ratelimit: Config.Instances is negative")
	}
	l := &Limiter{cfg: cfg, log: audit.Log{Method: method, OnEvent: cfg.OnEvent, Now: time.Now}}
	if l.cfg.OnError == nil {
		l.cfg.OnError = func(w http.ResponseWriter, r *http.Request, err *authn.Error) { authn.WriteError(w, r, err) }
	}
	for i, p := range policies {
		if err := p.check(); err != nil {
			return nil, fmt.Errorf("authn/ratelimit: %w", err)
		}
		if slices.ContainsFunc(policies[:i], func(q Policy) bool { return q.Name == p.Name }) {
			return nil, fmt.Errorf("authn/ratelimit: two policies have the name %q and would share their counters", p.Name)
		}
	}
	for _, dry := range [...]bool{false, true} {
		for _, p := range policies {
			if p.DryRun == dry {
				l.policies = append(l.policies, p)
			}
		}
		if !dry {
			l.refusing = len(l.policies)
		}
	}
	l.st = newFailover(st, cfg.Instances, l.log)
	return l, nil
}

// Middleware lets a request pass that no policy refuses. Behind Require it may
// count by Identity.
func (l *Limiter) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := l.Take(w, r); err != nil {
			l.cfg.OnError(w, r, authn.AsError(err))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Take is the decision of Middleware, for handlers of their own kind. It adds
// the fields RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers)
// to the response, and answers an *[authn.Error]: 429 quota_exceeded, 503, or 500
// in a transaction of the host's, with which what is taken would be rolled back.
func (l *Limiter) Take(w http.ResponseWriter, r *http.Request) error {
	if store.InTx(r.Context()) {
		return errTx
	}
	refused, err := l.takeAll(w, r, l.policies[:l.refusing])
	if err != nil || refused != nil {
		if err == nil {
			err = refused
		}
		return err
	}
	_, err = l.takeAll(w, r, l.policies[l.refusing:])
	return err
}

// takeAll takes from all of policies or from none.
func (l *Limiter) takeAll(w http.ResponseWriter, r *http.Request, policies []Policy) (refused, err error) {
	if len(policies) == 0 {
		return nil, nil
	}
	b := newBatch()
	for i := range policies {
		t, ok, err := policies[i].take(r)
		if err != nil {
			return nil, &authn.Error{Status: http.StatusInternalServerError, Code: "internal", Err: fmt.Errorf("authn/ratelimit: %w", err)}
		}
		if ok {
			b.add(&policies[i], t)
		}
	}
	if len(b.takes) == 0 {
		return nil, nil
	}
	if err := l.st.take(r.Context(), b); err != nil {
		return nil, err
	}
	var retry time.Duration
	for i, p := range b.policies {
		s := b.states[i]
		if !p.DryRun && !p.Account {
			setFields(w.Header(), p, &b.takes[i], s)
		}
		if s.RetryIn <= 0 {
			continue
		}
		if !p.DryRun {
			retry = max(retry, s.RetryIn)
		}
		if s.First {
			l.report(r, p)
		}
	}
	if retry <= 0 {
		return nil, nil
	}
	return &authn.Error{Status: http.StatusTooManyRequests, Code: quotaExceeded, RetryAfter: retry, Reason: "over the limit", Reported: true}, nil
}

// quotaExceeded is the problem type of draft-ietf-httpapi-ratelimit-headers.
const quotaExceeded = "quota_exceeded"

// setFields says how p stands, as draft-ietf-httpapi-ratelimit-headers-10 §3.
// Lists may come in several lines (RFC 9110 §5.3), as from two Limiters.
func setFields(h http.Header, p *Policy, t *store.LimitTake, s store.LimitState) {
	wait := s.ResetIn
	if s.RetryIn > 0 {
		wait = s.RetryIn
	}
	var room [128]byte // enough for four numbers and 32 characters twice within the bounds of a Policy
	b := append(append(append(room[:0], '"'), p.Name...), `";q=`...)
	b = strconv.AppendInt(b, int64(t.Limit), 10)
	if p.period%time.Second == 0 {
		b = strconv.AppendInt(append(b, ";w="...), int64(p.period/time.Second), 10)
	}
	policy := len(b)
	b = append(append(append(b, '"'), p.Name...), `";r=`...)
	b = strconv.AppendInt(b, int64(s.Remaining), 10)
	b = strconv.AppendInt(append(b, ";t="...), seconds(wait), 10)
	both := string(b) // one allocation, as are the two slices
	fields := [...]string{both[:policy], both[policy:]}
	values := fields[:]
	h["Ratelimit-Policy"] = appendTo(h["Ratelimit-Policy"], values[0:1:1])
	h["Ratelimit"] = appendTo(h["Ratelimit"], values[1:2:2])
}

// appendTo is append, and values if there was nothing before.
func appendTo(before, values []string) []string {
	if before == nil {
		return values
	}
	return append(before, values...)
}

// seconds rounds up, so that who waits them has waited long enough.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

func (l *Limiter) report(r *http.Request, p *Policy) {
	e := authn.Event{Kind: authn.EventLimited, Reason: p.Name, Addr: authn.ClientOf(r).Addr}
	if p.DryRun {
		e.Reason += " (dry run)"
	}
	if id, ok := authn.FromContext(r.Context()); ok {
		e.Subject, e.SubjectKind, e.CredentialID = id.Subject, id.Kind, id.CredentialID
	}
	l.log.Send(r.Context(), e)
}
