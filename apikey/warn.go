package apikey

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
)

const (
	warnEvery   = time.Hour
	warnBatch   = 500
	lastFlushIn = 5 * time.Second
)

// Warn sends an EventExpiring for each key that is about to end, once for each
// of Config.WarnBefore, across all instances; a key that was rotated needs
// none. It is for a cron job of the host's, instead of [Keys.Run].
func (k *Keys) Warn(ctx context.Context) error {
	for _, d := range k.cfg.WarnBefore { // a short warning makes the longer ones pointless
		for {
			recs, err := k.st.ClaimExpiringAPIKeys(ctx, d, k.limits, warnBatch, k.now())
			if err != nil {
				return fmt.Errorf("authn/apikey: warn: %w", err)
			}
			for _, rec := range recs {
				k.send(ctx, authn.Event{
					Kind: authn.EventExpiring, Subject: rec.Owner, CredentialID: rec.ID,
					Reason: "within " + d.String(), ExpiresAt: k.endsAt(&rec),
				})
			}
			if len(recs) < warnBatch {
				break
			}
		}
	}
	return nil
}

// Run writes use tracking every Config.FlushInterval and warns every hour,
// until ctx ends; then it flushes once more, within 5 s, and answers that
// flush's error. Other errors are events: it goes on.
func (k *Keys) Run(ctx context.Context) error {
	k.uses.runs.Add(1)
	defer k.uses.runs.Add(-1)
	flush := time.NewTicker(k.cfg.FlushInterval)
	defer flush.Stop()
	warn := time.NewTicker(warnEvery)
	defer warn.Stop()
	k.warn(ctx)
	for {
		select {
		case <-flush.C:
			_ = k.flush(ctx, 0) // reported there
		case <-warn.C:
			k.warn(ctx)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastFlushIn)
			defer cancel()
			return k.flush(last, 0)
		}
	}
}

func (k *Keys) warn(ctx context.Context) {
	if err := k.Warn(ctx); err != nil && ctx.Err() == nil {
		k.send(ctx, authn.Event{Kind: authn.EventOutage, Reason: "expiry warnings", Err: err})
	}
}

// OnAccept tells a key's user when it will end, from the longest of
// Config.WarnBefore on, by a header field named after the prefix:
// "Acme-Live-Key-Expires: Mon, 02 Nov 2026 15:04:05 GMT". It is an
// [authn.AcceptFunc], for authn.Guard.
func (k *Keys) OnAccept(w http.ResponseWriter, _ *http.Request, id *authn.Identity) {
	v, ok := id.Credential.(*verified)
	if !ok || v.keys != k || id.ExpiresAt.IsZero() || len(k.cfg.WarnBefore) == 0 {
		return
	}
	longest := k.cfg.WarnBefore[len(k.cfg.WarnBefore)-1]
	if !id.ExpiresAt.After(id.VerifiedAt.Add(longest)) {
		w.Header().Set(k.expires, id.ExpiresAt.UTC().Format(http.TimeFormat))
	}
}
