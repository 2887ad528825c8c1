package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// The bytes that columns of refresh_families take.
const (
	maxTag     = 8
	maxConfirm = 64
	maxKeyID   = 16
)

const familyColumns = "id, tag, subject, client_id, identity, scopes, audience, confirm, version, generation, key_id, rotated_at, idle_until, expires_at, revoked_at"

func (t *tokens) initFamilies() {
	d := t.db
	orNothing := " ON CONFLICT DO NOTHING"
	if d.dialect == MySQL {
		orNothing = ""
	}
	t.insertFamily = d.statement("INSERT INTO {refresh_families} (" + familyColumns + ") VALUES (" + marks(15) + ")" + orNothing)
	t.family = d.statement("SELECT " + t.familyColumns() + " FROM {refresh_families} WHERE id = ? AND tag = ?")
	t.revoke = d.statement("UPDATE {refresh_families} SET revoked_at = ? WHERE id = ? AND tag = ? AND revoked_at IS NULL")
}

// familyColumns is the constant for a SELECT.
func (t *tokens) familyColumns() string {
	at := t.db.dialect.readTime
	return "id, tag, subject, client_id, identity, scopes, audience, confirm, version, generation, key_id, " +
		at("rotated_at") + ", " + at("idle_until") + ", " + at("expires_at") + ", " + at("revoked_at")
}

// scanFamily reads familyColumns, and then more.
func scanFamily(rows *sql.Rows, more ...any) (f store.RefreshFamily, err error) {
	to := []any{
		&f.Ref.ID, &f.Ref.Tag, &f.Subject, &f.ClientID,
		jsonValue{&f.Identity},
		jsonValue{&f.Scopes},
		jsonValue{&f.Audience},
		&f.Confirm,
		&f.Version, &f.Generation, &f.KeyID,
		instant{&f.RotatedAt},
		instant{&f.IdleUntil},
		instant{&f.ExpiresAt},
		instant{&f.RevokedAt},
	}
	err = rows.Scan(append(to, more...)...)
	if err == nil && f.Identity.Subject != f.Subject {
		err = errors.New("the identity is not the subject's")
	}
	if err != nil {
		return store.RefreshFamily{}, fmt.Errorf("refresh family %q: %w", f.Ref.ID, err)
	}
	return f, nil
}

// readFamily answers the one row of s. Its last column goes to now, unless
// that is nil.
func (t *tokens) readFamily(ctx context.Context, c conn, s *statement, now *time.Time, args ...any) (f store.RefreshFamily, err error) {
	var more []any
	if now != nil {
		more = []any{instant{now}}
	}
	found := false
	err = c.each(ctx, s, func(rows *sql.Rows) (err error) {
		found = true
		f, err = scanFamily(rows, more...)
		return err
	}, args...)
	if err == nil && !found {
		err = store.ErrNotFound
	}
	if err != nil {
		return store.RefreshFamily{}, err
	}
	return f, nil
}

// familyArgs checks f and is its row, in the order of familyColumns.
func (d *database) familyArgs(f store.RefreshFamily) ([]any, error) {
	for _, x := range []struct {
		field, s string
		most     int
	}{
		{"Ref.ID", f.Ref.ID, maxID},
		{"Subject", f.Subject, maxSubject},
		{"ClientID", f.ClientID, maxSubject},
		{"Confirm", f.Confirm, maxConfirm},
		{"KeyID", f.KeyID, maxKeyID},
	} {
		if err := checkText("RefreshFamily."+x.field, x.s, x.most); err != nil {
			return nil, err
		}
	}
	switch {
	case f.Ref.ID == "":
		return nil, errors.New("RefreshFamily.Ref.ID is empty")
	case f.Ref.Tag != store.TagOf(f.Subject):
		return nil, errors.New("RefreshFamily.Ref.Tag is not the subject's")
	case f.Identity.Subject != f.Subject:
		return nil, errors.New("RefreshFamily.Identity is not the subject's")
	case f.Version < 1 || f.Generation < 1:
		return nil, fmt.Errorf("RefreshFamily.Version %d and Generation %d count from 1", f.Version, f.Generation)
	case f.IdleUntil.After(f.ExpiresAt):
		return nil, errors.New("RefreshFamily.IdleUntil is after ExpiresAt")
	}
	for _, at := range []time.Time{f.RotatedAt, f.IdleUntil, f.ExpiresAt} {
		if err := checkTime("a time of RefreshFamily", at); err != nil {
			return nil, err
		}
	}
	if !f.RevokedAt.IsZero() {
		if err := checkTime("RefreshFamily.RevokedAt", f.RevokedAt); err != nil {
			return nil, err
		}
	}
	identity, err := identityText(f.Identity)
	if err != nil {
		return nil, err
	}
	scopes, err := listText("RefreshFamily.Scopes", f.Scopes)
	if err != nil {
		return nil, err
	}
	audience, err := listText("RefreshFamily.Audience", f.Audience)
	if err != nil {
		return nil, err
	}
	at := d.dialect.time
	return []any{
		f.Ref.ID, f.Ref.Tag, f.Subject, f.ClientID, identity, scopes, audience, f.Confirm,
		f.Version, f.Generation, f.KeyID, at(f.RotatedAt), at(f.IdleUntil), at(f.ExpiresAt), at(f.RevokedAt),
	}, nil
}

// identityText is id's JSON. Who it is must not depend on how JSON mends what
// is not UTF-8.
func identityText(id authn.Identity) (string, error) {
	all := slices.Concat([]string{id.Subject, id.Method, id.Issuer, id.CredentialID}, id.Scopes, id.Roles, id.Pending)
	for _, f := range id.Factors {
		all = append(all, f.Name)
	}
	for name, value := range id.Attributes {
		all = append(all, name, value)
	}
	for _, s := range all {
		if err := checkText("a text of the Identity", s, maxJSON); err != nil {
			return "", err
		}
	}
	b, err := json.Marshal(id)
	if err != nil {
		return "", err
	}
	return string(b), checkText("the Identity", string(b), maxJSON)
}

// CreateFamily is of store.Tokens, as are the methods below.
func (t *tokens) CreateFamily(ctx context.Context, f store.RefreshFamily) error {
	return t.db.transact(ctx, "create refresh family", func(c conn) error {
		row, err := t.db.familyArgs(f)
		if err != nil {
			return err
		}
		version, err := t.hold(ctx, c, f.Subject)
		if err != nil {
			return err
		}
		if version != f.Version {
			return store.ErrConflict
		}
		n, err := c.changed(ctx, t.insertFamily, row...)
		if t.db.dialect.exists(err) || err == nil && n == 0 {
			return store.ErrExists
		}
		return err
	})
}

// checkRef answers that what no column can hold is not there.
func checkRef(ref store.FamilyRef) error {
	err := errors.Join(checkText("FamilyRef.ID", ref.ID, maxID), checkText("FamilyRef.Tag", ref.Tag, maxTag))
	if err != nil {
		return fmt.Errorf("authn/sqlstore: %w: %w", store.ErrNotFound, err)
	}
	return nil
}

func (t *tokens) Family(ctx context.Context, ref store.FamilyRef) (f store.RefreshFamily, err error) {
	err = t.db.run(ctx, "refresh family", func(c conn) error {
		if err := checkRef(ref); err != nil {
			return err
		}
		f, err = t.readFamily(ctx, c, t.family, nil, ref.ID, ref.Tag)
		return err
	})
	return f, err
}

func (t *tokens) RevokeFamily(ctx context.Context, ref store.FamilyRef, now time.Time) error {
	return t.db.write(ctx, "revoke refresh family", func(c conn) error {
		if err := checkRef(ref); err != nil {
			return err
		}
		if err := checkTime("now", now); err != nil {
			return err
		}
		n, err := c.changed(ctx, t.revoke, t.db.dialect.time(now), ref.ID, ref.Tag)
		if err == nil && n == 0 {
			_, err = t.readFamily(ctx, c, t.family, nil, ref.ID, ref.Tag) // revoked before, or not there
		}
		return err
	})
}
