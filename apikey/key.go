package apikey

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// Key is what may be shown of a key.
type Key struct {
	ID    string `json:"id"`
	Owner string `json:"owner"`
	Name  string `json:"name"`
	// Hint is the prefix and the last four characters: "acme_live_…9xQ2". Of
	// an adopted key neither is known.
	Hint      string            `json:"hint"`
	Scopes    []string          `json:"scopes,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	CreatedAt time.Time         `json:"created_at"`
	// EndsAt is when it ends by ExpiresAt, by Config.MaxAge or by its Legacy
	// format. Zero: never.
	EndsAt time.Time `json:"ends_at,omitzero"`
	// RevokedAt is zero if it was not revoked.
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	// ReplacedBy is the ID of the key that Rotate made of it.
	ReplacedBy string `json:"replaced_by,omitempty"`
	// LastUsedAt, LastAddr and Uses are late by up to Config.FlushInterval.
	LastUsedAt time.Time  `json:"last_used_at,omitzero"`
	LastAddr   netip.Addr `json:"last_addr,omitzero"`
	Uses       int64      `json:"uses"`
}

// Issued is a key that was just made. Its Secret is in no store and no log:
// show it now, once.
type Issued struct {
	Secret authn.Secret `json:"-"`
	Key
}

// key is the Key of a record.
func (k *Keys) key(rec store.APIKey) Key {
	return Key{
		ID: rec.ID, Owner: rec.Owner, Name: rec.Name, Hint: hint(rec.Prefix, rec.LastFour),
		Scopes: slices.Clone(rec.Scopes), Metadata: maps.Clone(rec.Metadata),
		CreatedAt: rec.CreatedAt, EndsAt: k.endsAt(&rec), RevokedAt: rec.RevokedAt, ReplacedBy: rec.ReplacedBy,
		LastUsedAt: rec.LastUsedAt, LastAddr: rec.LastAddr, Uses: rec.Uses,
	}
}

func hint(prefix, lastFour string) string { return prefix + "…" + lastFour }

// endsAt is when rec ends by age. An adopted key also ends with its format, at
// the latest with the last of them.
func (k *Keys) endsAt(rec *store.APIKey) time.Time {
	end := rec.EndsAt(k.limits.MaxAge)
	if rec.Prefix != "" {
		return end
	}
	var last time.Time
	for _, l := range k.cfg.Legacy {
		if l.Until.After(last) {
			last = l.Until
		}
	}
	return earlier(end, last)
}

// earlier is the first of two ends. Zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// FromContext is the key that the request came with, behind a [Keys], without
// its use tracking: LastUsedAt, LastAddr and Uses are zero.
func FromContext(ctx context.Context) (Key, bool) {
	id, ok := authn.FromContext(ctx)
	if !ok {
		return Key{}, false
	}
	v, ok := id.Credential.(*verified)
	if !ok {
		return Key{}, false
	}
	return Key{
		ID: id.CredentialID, Owner: id.Subject, Name: v.name, Hint: hint(v.prefix, v.lastFour),
		Scopes: slices.Clone(v.identity.Scopes), Metadata: maps.Clone(v.metadata),
		CreatedAt: v.createdAt, EndsAt: v.identity.ExpiresAt, ReplacedBy: v.replacedBy,
	}, true
}
