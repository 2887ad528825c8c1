package apikey

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

const (
	// maxUses bounds how many keys wait for a flush. While the store is down,
	// uses of further keys are not counted.
	maxUses = 20_000
	// flushTimeout is how long a request waits for the flush that falls to it.
	flushTimeout = 250 * time.Millisecond
)

// useTracker adds up uses between flushes.
type useTracker struct {
	interval time.Duration
	runs     atomic.Int32 // Runs that flush, so that no request has to

	flushing chan struct{} // holds one while a flush runs, so that Close waits for a request's

	mu      sync.Mutex
	pending map[string]*pendingUse
	nextAt  time.Time // when a flush is due
}

// pendingUse is what one key was used since the last flush.
type pendingUse struct {
	store.APIKeyUse
	owner string
	peer  string // whose address Addr will be, since parsing it is dear; "" if Addr is known
}

func (u *useTracker) init(interval time.Duration, now time.Time) {
	u.interval, u.flushing = interval, make(chan struct{}, 1)
	u.pending = make(map[string]*pendingUse)
	u.nextAt = now.Add(interval)
}

// add counts one use, and reports whether the caller must flush.
func (u *useTracker) add(r *http.Request, rec *store.APIKey, now time.Time) (due bool) {
	client, found := authn.ClientFromContext(r.Context())
	u.mu.Lock()
	defer u.mu.Unlock()
	use := u.entry(rec.ID, rec.Owner)
	use.N++
	use.At = now
	use.Addr, use.peer = client.Addr, ""
	if !found {
		use.peer = r.RemoteAddr
	}
	if now.Before(u.nextAt) {
		return false
	}
	u.nextAt = now.Add(u.interval) // one caller only
	return u.runs.Load() == 0
}

// entry is what is pending of a key, or nothing that is kept when there are
// too many; mu is held.
func (u *useTracker) entry(id, owner string) *pendingUse {
	use, ok := u.pending[id]
	if !ok {
		use = &pendingUse{APIKeyUse: store.APIKeyUse{ID: id}, owner: owner}
		if len(u.pending) < maxUses {
			u.pending[id] = use
		}
	}
	return use
}

func (u *useTracker) take() map[string]*pendingUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.pending
	u.pending = make(map[string]*pendingUse, len(taken))
	return taken
}

func (u *useTracker) giveBack(taken map[string]*pendingUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for id, old := range taken {
		use := u.entry(id, old.owner)
		use.N += old.N
		if old.At.After(use.At) {
			use.At, use.Addr, use.peer = old.At, old.Addr, old.peer
		}
	}
}

// use counts a request. The flush that may fall to it is not the request's
// own: it neither ends with it, nor runs in its transaction, nor fails it.
func (k *Keys) use(r *http.Request, rec *store.APIKey, now time.Time) {
	if !k.uses.add(r, rec, now) {
		return
	}
	_ = k.flush(context.WithoutCancel(r.Context()), flushTimeout) // reported there
}

// flush writes what is pending in one call, within timeout if that is over 0.
// What could not be written is kept for the next time; where the store did
// write it and could not say so, it counts twice. The events have ctx.
func (k *Keys) flush(ctx context.Context, timeout time.Duration) error {
	taken, first, err := k.writeUses(ctx, timeout)
	if err != nil {
		k.send(ctx, authn.Event{Kind: authn.EventOutage, Reason: "use tracking", Err: err})
		return fmt.Errorf("authn/apikey: use tracking: %w", err)
	}
	for _, id := range first {
		if use, ok := taken[id]; ok {
			k.send(ctx, authn.Event{
				Kind: authn.EventFirstUse, At: use.At, Subject: use.owner, Actor: use.owner, CredentialID: id, Addr: use.Addr,
			})
		}
	}
	return nil
}

func (k *Keys) writeUses(ctx context.Context, timeout time.Duration) (taken map[string]*pendingUse, first []string, err error) {
	if timeout > 0 { // of a request: not in its transaction, nor by its values
		deadline, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		ctx = deadline
	}
	select {
	case k.uses.flushing <- struct{}{}:
		defer func() { <-k.uses.flushing }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	taken = k.uses.take()
	if len(taken) == 0 {
		return nil, nil, nil
	}
	uses := make([]store.APIKeyUse, 0, len(taken))
	for _, use := range taken {
		use.At = use.At.Truncate(time.Microsecond)
		if use.peer != "" {
			use.Addr, use.peer = authn.ClientOf(&http.Request{RemoteAddr: use.peer}).Addr, ""
		}
		uses = append(uses, use.APIKeyUse)
	}
	if first, err = k.st.RecordAPIKeyUses(ctx, uses); err != nil {
		k.uses.giveBack(taken)
	}
	return taken, first, err
}

// Close writes what use tracking has not written yet: at shutdown, for hosts
// that do not [Keys.Run].
func (k *Keys) Close(ctx context.Context) error { return k.flush(ctx, 0) }
