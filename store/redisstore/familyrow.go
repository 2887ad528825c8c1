package redisstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// rowOfFamily is the row of f. call is the call that inserts it.
func rowOfFamily(f store.RefreshFamily, call string) (fields, error) {
	identity, err := json.Marshal(f.Identity)
	if err != nil {
		return nil, fmt.Errorf("authn/redisstore: RefreshFamily.Identity: %w", err)
	}
	row := fields{
		"subject", f.Subject, "identity", string(identity), "call", call,
		"version", strconv.FormatInt(f.Version, 10), "generation", strconv.FormatInt(f.Generation, 10),
	}
	row.set("client", f.ClientID)
	row.set("scopes", join(f.Scopes...))
	row.set("audience", join(f.Audience...))
	row.set("confirm", f.Confirm)
	row.set("key", f.KeyID)
	row.at("rotated", f.RotatedAt)
	row.at("idle", f.IdleUntil)
	row.at("expires", f.ExpiresAt)
	row.at("revoked", f.RevokedAt)
	return row, nil
}

// familyOf is the RefreshFamily of a row.
func familyOf(ref store.FamilyRef, row map[string]string) (store.RefreshFamily, error) {
	f := store.RefreshFamily{Ref: ref, Subject: row["subject"], ClientID: row["client"], Confirm: row["confirm"], KeyID: row["key"]}
	r := reader{row: row}
	f.Scopes, f.Audience = r.list("scopes"), r.list("audience")
	f.Version, f.Generation = r.int("version"), r.int("generation")
	f.RotatedAt, f.IdleUntil, f.ExpiresAt, f.RevokedAt = r.at("rotated"), r.at("idle"), r.at("expires"), r.at("revoked")
	if r.err == nil && (f.Subject == "" || f.Version < 1 || f.Generation < 1 || f.RotatedAt.IsZero() || f.IdleUntil.IsZero() || f.ExpiresAt.IsZero()) {
		r.err = errors.New("a part of it is gone")
	}
	if r.err == nil {
		var identity authn.Identity
		r.err = json.Unmarshal([]byte(row["identity"]), &identity)
		f.Identity = identity
	}
	if r.err != nil {
		return store.RefreshFamily{}, fmt.Errorf("authn/redisstore: the row of refresh family %q is damaged: %w", ref.ID, r.err)
	}
	return f, nil
}
