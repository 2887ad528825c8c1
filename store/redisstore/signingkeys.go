package redisstore

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// ListSigningKeys is of [store.SigningKeys], as are the methods below. It is one
// HGETALL.
func (s *Store) ListSigningKeys(ctx context.Context, now time.Time) ([]store.SigningKey, error) {
	rows, err := s.client.HGetAll(ctx, s.signingKeys).Result()
	if err != nil {
		return nil, failed("list signing keys", err)
	}
	byOrder := make(map[int64]store.SigningKey, len(rows))
	var orders []int64
	for id, row := range rows {
		k, order, err := signingKeyOf(id, row)
		if err != nil {
			return nil, err
		}
		if k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt) {
			byOrder[order], orders = k, append(orders, order)
		}
	}
	slices.Sort(orders)
	slices.Reverse(orders)
	var keys []store.SigningKey
	for _, order := range orders {
		keys = append(keys, byOrder[order])
	}
	return keys, nil
}

func (s *Store) AddSigningKey(ctx context.Context, k store.SigningKey, newest string, expires time.Time) error {
	if err := checkSigningKey(k); err != nil {
		return err
	}
	if err := checkText("the newest", newest, maxID); err != nil {
		return fmt.Errorf("authn/redisstore: %w: %w", store.ErrConflict, err)
	}
	if newest != "" && expires.IsZero() { // would read as: never
		return errors.New("authn/redisstore: add a signing key: its predecessor has no end")
	}
	call := newCall()
	row, err := rowOfSigningKey(k, call)
	if err != nil {
		return err
	}
	answer, err := s.deny(ctx, addSigningKeyScript, []string{s.signingKeys},
		k.ID, newest, micros(k.CreatedAt), micros(k.SignFrom), micros(expires), s.clockOffset().Microseconds(), call, row)
	if err != nil {
		return failed("add a signing key", err)
	}
	return refusal(answer)
}

func (s *Store) ExpireSigningKey(ctx context.Context, id string, now time.Time) error {
	if err := checkText("the id", id, maxID); err != nil {
		return fmt.Errorf("authn/redisstore: %w: %w", store.ErrNotFound, err)
	}
	answer, err := s.deny(ctx, expireSigningKeyScript, []string{s.signingKeys}, id, micros(now))
	if err != nil {
		return failed("expire a signing key", err)
	}
	return refusal(answer)
}

// rowOfSigningKey is a JSON object of strings. A script adds the order.
func rowOfSigningKey(k store.SigningKey, call string) (string, error) {
	var f fields
	f.set("call", call)
	f.set("algorithm", k.Algorithm)
	f.set("public", base64.StdEncoding.EncodeToString(k.Public))
	f.set("sealed", base64.StdEncoding.EncodeToString(k.Sealed))
	f.at("created", k.CreatedAt)
	f.at("from", k.SignFrom)
	f.at("until", k.SignUntil)
	f.at("expires", k.ExpiresAt)
	row, err := json.Marshal(fieldsOf([]any(f)))
	return string(row), failed("add a signing key", err)
}

func signingKeyOf(id, text string) (k store.SigningKey, order int64, err error) {
	var r reader
	r.err = json.Unmarshal([]byte(text), &r.row)
	k = store.SigningKey{ID: id, Algorithm: r.row["algorithm"], Public: r.bytes("public"), Sealed: r.bytes("sealed")}
	k.CreatedAt, k.SignFrom, k.SignUntil, k.ExpiresAt = r.at("created"), r.at("from"), r.at("until"), r.at("expires")
	order = r.int("order")
	if r.err == nil && (order < 1 || k.CreatedAt.IsZero() || k.SignFrom.IsZero()) {
		r.err = errors.New("a part of it is gone")
	}
	if r.err != nil {
		return store.SigningKey{}, 0, fmt.Errorf("authn/redisstore: the row of signing key %q is damaged: %w", id, r.err)
	}
	return k, order, nil
}
