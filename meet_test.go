package authn_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gatehouse-go/authn"
)

// One that fails does not spare the others.
func TestRevokersAskEveryOne(t *testing.T) {
	failed := errors.New("down")
	var asked []string
	revoker := func(name string, err error) authn.Revoker {
		return authn.RevokerFunc(func(_ context.Context, subject string) error {
			asked = append(asked, name+" "+subject)
			return err
		})
	}
	rs := authn.Revokers{revoker("a", failed), nil, revoker("b", nil)}
	if err := rs.RevokeSubject(t.Context(), "ann"); !errors.Is(err, failed) {
		t.Errorf("got error %v, want %v", err, failed)
	}
	if len(asked) != 2 || asked[0] != "a ann" || asked[1] != "b ann" {
		t.Errorf("asked: %q", asked)
	}
	if err := (authn.Revokers{}).RevokeSubject(t.Context(), "ann"); err != nil {
		t.Errorf("nobody: %v", err)
	}
}
