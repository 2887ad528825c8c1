package ratelimit

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/store"
)

// Tier locks after N attempts within Period: for Locks[0] the first time,
// Locks[1] the second, and so on, then for the last. After a lock, as long as N-1
// attempts lie within Period, the next one locks again. A day without a lock
// begins anew.
type Tier struct {
	// N is 1 to 64. The N-th attempt still passes.
	N int
	// Period is 1 s to 24 h.
	Period time.Duration
	// Locks are at most 8, each 1 s to 1 h: an endless one would let anybody keep
	// a user out for good. Defaults to 1, 5 and 15 min and 1 h.
	Locks []time.Duration
}

// AttemptsConfig of NewAttempts. The zero AttemptsConfig is good. Up to 4 tiers
// each.
type AttemptsConfig struct {
	// PerClientAccount counts a client's attempts at one account, and those of
	// one known device. Defaults to 5 in 1 min and 10 in 15 min.
	PerClientAccount []Tier
	// PerAccount counts all attempts at one account, but not those of known
	// devices. Defaults to 20 in 15 min and 50 in 24 h.
	PerAccount []Tier
	// PerClient counts a client's wrong attempts at all accounts. Defaults to 60
	// in 15 min.
	PerClient []Tier
	// DisableAfter so many wrong passwords in a row, whoever tried them, no
	// password is accepted until [Attempts.Unlock]: a reset, or an operator. It
	// is at least 100 (NIST SP 800-63B-4 §3.2.2). It lets anybody make a user need
	// a reset. Defaults to 0: never.
	DisableAfter int
	// Normalize makes one name of what a user may type for it; an e-mail address,
	// a name and a phone number of one user would each give a budget otherwise.
	// It is for names that no subject has. Defaults to trimming and lower case.
	Normalize func(name string) string
	// OnOutage is FailLocal or FailClosed: FailOpen would make guessing free.
	// Defaults to FailLocal.
	OnOutage Outage
	// Instances is as in Config.
	Instances int
	// OnEvent gets each lock, its end by Unlock, and outages.
	OnEvent authn.EventFunc
}

// Attempts is an [authn.AttemptLimiter]. It is safe for concurrent use.
type Attempts struct {
	kc                                  *authn.Keychain
	cfg                                 AttemptsConfig
	perClientAccount, perAccount, perIP []store.AttemptTier
	st                                  *failover
	log                                 audit.Log
}

var _ authn.AttemptLimiter = (*Attempts)(nil)

// NewAttempts refuses tiers that make no sense. Instances that share st share
// kc. Two Attempts on one store share their counters: give those of codes or
// client secrets a store with a prefix of its own.
func NewAttempts(st store.Limits, kc *authn.Keychain, cfg AttemptsConfig) (*Attempts, error) {
	switch {
	case st == nil:
		return nil, errors.New("authn/ratelimit: NewAttempts needs a store, such as memstore.New")
	case kc == nil || kc.KeyID() == "":
		return nil, errors.New("authn/ratelimit: NewAttempts needs a Keychain: make one by authn.ParseKeychain")
	case cfg.OnOutage != FailLocal && cfg.OnOutage != FailClosed:
		return nil, errors.New("authn/ratelimit: AttemptsConfig.OnOutage is FailLocal or FailClosed: with FailOpen guessing is free during an outage")
	case cfg.Instances < 0:
		return nil, errors.New("authn/ratelimit: AttemptsConfig.Instances is negative")
	case cfg.DisableAfter != 0 && cfg.DisableAfter < minDisable:
		return nil, fmt.Errorf("authn/ratelimit: AttemptsConfig.DisableAfter is 0 or at least %d: fewer would let anybody disable a password within minutes", minDisable)
	}
	a := &Attempts{kc: kc, cfg: cfg, log: audit.Log{Method: method, OnEvent: cfg.OnEvent, Now: time.Now}}
	if a.cfg.Normalize == nil {
		a.cfg.Normalize = func(name string) string { return strings.ToLower(strings.TrimSpace(name)) }
	}
	for _, t := range []struct {
		field      string
		tiers, def []Tier
		to         *[]store.AttemptTier
	}{
		{"PerClientAccount", cfg.PerClientAccount, []Tier{{N: 5, Period: time.Minute}, {N: 10, Period: 15 * time.Minute}}, &a.perClientAccount},
		{"PerAccount", cfg.PerAccount, []Tier{{N: 20, Period: 15 * time.Minute}, {N: 50, Period: 24 * time.Hour}}, &a.perAccount},
		{"PerClient", cfg.PerClient, []Tier{{N: 60, Period: 15 * time.Minute}}, &a.perIP},
	} {
		if t.tiers == nil {
			t.tiers = t.def
		}
		var err error
		if *t.to, err = checkTiers(t.tiers); err != nil {
			return nil, fmt.Errorf("authn/ratelimit: AttemptsConfig.%s: %w", t.field, err)
		}
	}
	a.st = newFailover(st, cfg.Instances, a.log)
	return a, nil
}

const (
	minDisable = 100
	minLock    = time.Second
	maxLock    = time.Hour
	maxLocks   = 8
	maxTier    = 24 * time.Hour
	// maxName is how much of a login name is looked at, in bytes.
	maxName = 1024
)

var defaultLocks = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}

func checkTiers(tiers []Tier) ([]store.AttemptTier, error) {
	if len(tiers) == 0 || len(tiers) > store.MaxTiers {
		return nil, fmt.Errorf("%d tiers, not 1 to %d; nil is the default", len(tiers), store.MaxTiers)
	}
	checked := make([]store.AttemptTier, len(tiers))
	for i, t := range tiers {
		if t.Locks == nil {
			t.Locks = defaultLocks
		}
		switch {
		case t.N < 1 || t.N > store.MaxWindow:
			return nil, fmt.Errorf("a tier of %d attempts, not 1 to %d", t.N, store.MaxWindow)
		case t.Period < time.Second || t.Period > maxTier:
			return nil, fmt.Errorf("a tier with a period of %s, not 1 s to 24 h", t.Period)
		case len(t.Locks) == 0 || len(t.Locks) > maxLocks:
			return nil, fmt.Errorf("a tier with %d locks, not 1 to %d", len(t.Locks), maxLocks)
		}
		for _, lock := range t.Locks {
			if lock < minLock || lock > maxLock {
				return nil, fmt.Errorf("a lock of %s, not 1 s to 1 h: who can lock an account could keep its owner out", lock)
			}
		}
		checked[i] = store.AttemptTier{N: t.N, Period: t.Period, Locks: slices.Clone(t.Locks)}
	}
	return checked, nil
}

// The counters. Those of an account have a Key of it, and Unlock ends all. Known
// devices and the row of DisableAfter have their own: others who guess leave them
// no room among many Subs, and a success on a known device clears no lock of
// others.
const (
	accountPolicy = "attempts/account"
	devicePolicy  = "attempts/device"
	rowPolicy     = "attempts/row"
	clientPolicy  = "attempts/client"
	namePurpose   = "authn/ratelimit name"
)

// Reserve is of [authn.AttemptLimiter]. Accounts that do not exist lock as those
// that do. An empty subject and name counts for the client only: what is wrong
// there locks no account, as for client ids of services. Its errors are 429
// quota_exceeded with the time to wait, 503, and 500 in a transaction of the
// host's, with which what a wrong guess counts would be rolled back.
func (a *Attempts) Reserve(r *http.Request, subject, name string) (authn.Attempt, error) {
	if store.InTx(r.Context()) {
		return nil, errTx
	}
	account, err := a.account(subject, name)
	if err != nil {
		return nil, audit.Outage("keychain", err)
	}
	takes := a.takes(r, account, subject)
	state, asked, err := a.reserve(r.Context(), takes)
	if err != nil {
		return nil, err
	}
	e := authn.Event{Kind: authn.EventLocked, Subject: subject, Addr: authn.ClientOf(r).Addr}
	if subject == "" {
		e.Name = account
	} else {
		e.SubjectKind = authn.KindUser
	}
	if state.First {
		e.Reason = "too many attempts"
		a.log.Send(r.Context(), e)
	}
	switch {
	case state.Disabled:
		return nil, &authn.Error{Status: http.StatusTooManyRequests, Code: quotaExceeded, RetryAfter: maxLock, Reason: "disabled", Reported: true}
	case state.RetryIn > 0:
		return nil, &authn.Error{Status: http.StatusTooManyRequests, Code: quotaExceeded, RetryAfter: state.RetryIn, Reason: "locked", Reported: true}
	}
	return &attempt{a, takes, asked}, nil
}

// account names a counter: of the subject, or of what a name would be; "" is
// none.
func (a *Attempts) account(subject, name string) (string, error) {
	if subject != "" {
		return "s:" + subject, nil
	}
	if len(name) > maxName {
		name = name[:maxName]
	}
	if name = a.cfg.Normalize(name); name == "" {
		return "", nil
	}
	mac, err := a.kc.MAC(namePurpose, "", []byte(name))
	if err != nil {
		return "", err
	}
	return "n:" + base64.RawURLEncoding.EncodeToString(mac[:16]), nil
}

// takes are what one attempt counts for.
func (a *Attempts) takes(r *http.Request, account, subject string) []store.AttemptTake {
	client := clientKey(authn.ClientOf(r))
	var takes []store.AttemptTake
	if device := a.knownDevice(r, subject); device != "" {
		takes = append(takes, store.AttemptTake{Policy: devicePolicy, Key: account, Sub: device, Tiers: a.perClientAccount, Account: true})
	} else {
		takes = append(takes, store.AttemptTake{Policy: clientPolicy, Key: client, Tiers: a.perIP})
		if account != "" {
			takes = append(takes,
				store.AttemptTake{Policy: accountPolicy, Key: account, Tiers: a.perAccount, Account: true},
				store.AttemptTake{Policy: accountPolicy, Key: account, Sub: "c:" + client, Tiers: a.perClientAccount, Account: true})
		}
	}
	if account != "" && a.cfg.DisableAfter > 0 {
		takes = append(takes, store.AttemptTake{Policy: rowPolicy, Key: account, DisableAfter: a.cfg.DisableAfter, Account: true})
	}
	return takes
}

// reserve asks the store, or what stands in for it, and answers which.
func (a *Attempts) reserve(ctx context.Context, takes []store.AttemptTake) (state store.AttemptState, asked bool, err error) {
	asked = a.st.ask(ctx, func(ctx context.Context) (err error) {
		state, err = a.st.st.ReserveAttempts(ctx, takes)
		return err
	})
	switch {
	case asked && (state.RetryIn > 0 || state.Disabled): // not counted
		return state, asked, nil
	case !asked && a.cfg.OnOutage == FailClosed:
		return state, asked, errDown
	}
	local, err := a.st.local.ReserveAttempts(ctx, a.shares(takes))
	if asked {
		return state, asked, nil
	}
	if err != nil {
		err = audit.Outage("limits", err)
	}
	return local, asked, err
}

// shares is what this instance allows by itself.
func (a *Attempts) shares(takes []store.AttemptTake) []store.AttemptTake {
	if a.st.instances == 1 {
		return takes
	}
	shares := make([]store.AttemptTake, len(takes))
	for i, t := range takes {
		tiers := make([]store.AttemptTier, len(t.Tiers))
		for j, tier := range t.Tiers {
			tier.N = a.st.share(tier.N)
			tiers[j] = tier
		}
		t.Tiers = tiers
		shares[i] = t
	}
	return shares
}

// attempt is one that was reserved.
type attempt struct {
	a     *Attempts
	takes []store.AttemptTake
	asked bool // the store counted it
}

// Succeeded is of [authn.Attempt].
func (t *attempt) Succeeded(ctx context.Context) error { return t.settle(ctx, true) }

// Cancelled is of [authn.Attempt].
func (t *attempt) Cancelled(ctx context.Context) error { return t.settle(ctx, false) }

func (t *attempt) settle(ctx context.Context, succeeded bool) error {
	_ = t.a.st.local.SettleAttempts(ctx, t.a.shares(t.takes), succeeded)
	if !t.asked {
		return nil
	}
	if !t.a.st.ask(ctx, func(ctx context.Context) error { return t.a.st.st.SettleAttempts(ctx, t.takes, succeeded) }) {
		return errDown
	}
	return nil
}

// Unlock is of [authn.AttemptLimiter]: it ends the locks of subject, those of
// its clients and devices included, and enables its password.
func (a *Attempts) Unlock(ctx context.Context, subject string) error {
	account, err := a.account(subject, "")
	if err != nil || account == "" {
		return err
	}
	for _, policy := range [...]string{rowPolicy, devicePolicy, accountPolicy} {
		_ = a.st.local.UnlockAttempts(ctx, policy, account)
		if err := a.st.st.UnlockAttempts(ctx, policy, account); err != nil {
			return audit.Outage("store", err)
		}
	}
	a.log.Send(ctx, authn.Event{Kind: authn.EventUnlocked, Subject: subject, SubjectKind: authn.KindUser})
	return nil
}
