package memstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// D3: full means refuse. No enrolment is evicted, nor what a deleted one leaves,
// and who is there can go on.
func TestFullOfTOTPsRefuses(t *testing.T) {
	s, ahead, now := small(t)
	begin := func(subject string) error {
		return s.BeginTOTP(t.Context(), subject, nil, []byte("sealed"), now.Add(time.Hour))
	}
	for i := range 100 {
		want(t, begin(fmt.Sprint(i)), nil, "subject %d of 100", i+1)
	}
	want(t, s.ConfirmTOTP(t.Context(), "7", []byte("sealed"), 10, nil, now), nil, "ConfirmTOTP")
	want(t, s.DeleteTOTP(t.Context(), "7", true), nil, "DeleteTOTP")
	for _, at := range []time.Duration{0, 1000 * time.Hour} {
		ahead.Store(int64(at))
		want(t, begin("one more"), store.ErrFull, "one subject more, %v later", at)
		want(t, begin("7"), nil, "a subject who is there")
		_, err := s.TOTP(t.Context(), "one more")
		want(t, err, store.ErrNotFound, "TOTP of who was refused")
	}
	got, err := s.TOTP(t.Context(), "7")
	want(t, err, nil, "TOTP")
	if got.Step != 10 {
		t.Errorf("the step is %d, want 10", got.Step)
	}
}
