package redisstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// maxSealed is of a TOTP's secret.
const maxSealed = 255

// checkTOTPSubject answers absent for a name that nobody can have.
func checkTOTPSubject(subject string, absent error) error {
	if err := checkText("the subject", subject, maxOwner); err != nil {
		return fmt.Errorf("authn/redisstore: %w: %w", absent, err)
	}
	return nil
}

// checkSealed refuses what nothing can be sealed as.
func checkSealed(what string, sealed []byte, most int) error {
	switch {
	case len(sealed) == 0:
		return errors.New(what + " is empty")
	case len(sealed) > most:
		return fmt.Errorf("%s has %d bytes, over %d", what, len(sealed), most)
	}
	return nil
}

func checkRecovery(codes []store.Digest) error {
	if len(codes) > store.MaxRecoveryCodes {
		return fmt.Errorf("authn/redisstore: %d recovery codes, over %d", len(codes), store.MaxRecoveryCodes)
	}
	return nil
}

func checkGuessPolicy(p store.GuessPolicy) error {
	switch {
	case p.Free < 0:
		return errors.New("authn/redisstore: GuessPolicy.Free is negative")
	case p.Wait < time.Millisecond:
		return errors.New("authn/redisstore: GuessPolicy.Wait is under a millisecond")
	case p.RecentFor <= 0:
		return errors.New("authn/redisstore: GuessPolicy.RecentFor is not over 0")
	}
	return nil
}
