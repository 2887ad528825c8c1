package redisstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// CreateFamily answers ErrExists of the families of one tag: IDs are random,
// and a cluster cannot look into all slots.
func (s *Store) CreateFamily(ctx context.Context, f store.RefreshFamily) error {
	if err := checkFamily(f); err != nil {
		return err
	}
	call := newCall()
	row, err := rowOfFamily(f, call)
	if err != nil {
		return err
	}
	args := slices.Concat([]any{
		f.Ref.ID, f.Subject, f.Version, micros(f.ExpiresAt), s.clockOffset().Microseconds(), call,
	}, row)
	answer, err := createFamilyScript.Run(ctx, s.client, s.declaredOf(f.Ref.Tag), args...).Result()
	if err != nil {
		return failed("create a refresh family", err)
	}
	return refusal(answer)
}

// Family is one HGETALL.
func (s *Store) Family(ctx context.Context, ref store.FamilyRef) (store.RefreshFamily, error) {
	if err := checkRef(ref); err != nil {
		return store.RefreshFamily{}, err
	}
	row, err := s.client.HGetAll(ctx, s.ofTag(ref.Tag)+"family:"+ref.ID).Result()
	if err != nil {
		return store.RefreshFamily{}, failed("read a refresh family", err)
	}
	if len(row) == 0 {
		return store.RefreshFamily{}, store.ErrNotFound
	}
	return familyOf(ref, row)
}

// AdvanceFamily remembers its answer for the replays of the call.
func (s *Store) AdvanceFamily(ctx context.Context, ref store.FamilyRef, a store.FamilyAdvance) (store.RefreshFamily, error) {
	if err := checkRef(ref); err != nil {
		return store.RefreshFamily{}, err
	}
	if err := checkAdvance(a); err != nil {
		return store.RefreshFamily{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := s.deny(ctx, advanceFamilyScript, s.declaredOf(ref.Tag),
		ref.ID, a.Generation, a.ClientID, a.Confirm, a.KeyID,
		max(a.Grace, 0).Microseconds(), max(a.Idle, 0).Microseconds(), s.clockOffset().Microseconds(),
		newCall(), callMemory.Milliseconds())
	if err != nil {
		return store.RefreshFamily{}, failed("advance a refresh family", err)
	}
	pair, ok := answer.([]any)
	if !ok {
		return store.RefreshFamily{}, refusal(answer)
	}
	if len(pair) != 2 {
		return store.RefreshFamily{}, fmt.Errorf("authn/redisstore: a script answered %d values", len(pair))
	}
	f, err := familyOf(ref, fieldsOf(pair[1]))
	if err != nil {
		return store.RefreshFamily{}, err
	}
	return f, refusal(pair[0])
}

func (s *Store) RevokeFamily(ctx context.Context, ref store.FamilyRef, now time.Time) error {
	if err := checkRef(ref); err != nil {
		return err
	}
	answer, err := s.deny(ctx, revokeFamilyScript, s.declaredOf(ref.Tag), ref.ID, micros(now))
	if err != nil {
		return failed("revoke a refresh family", err)
	}
	return refusal(answer)
}
