package redisstore

import (
	"fmt"
	"strings"

	"github.com/gatehouse-go/authn/store"
)

// refusals are the answers of scripts.
var refusals = map[string]error{
	"not found": store.ErrNotFound,
	"exists":    store.ErrExists,
	"conflict":  store.ErrConflict,
	"limit":     store.ErrLimit,
}

// refusal is what a script has answered: nil for "ok".
func refusal(answer any) error {
	if answer == "ok" {
		return nil
	}
	if text, ok := answer.(string); ok {
		if err, ok := refusals[text]; ok {
			return err
		}
	}
	return fmt.Errorf("authn/redisstore: a script answered %v", answer)
}

// failed is the outage that err is, nil if it is none. Redis out of memory is
// store.ErrFull; everything else says only what failed.
func failed(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "OOM command not allowed"): // before Redis 7, in the middle of a script's error
		return fmt.Errorf("authn/redisstore: %s: %w: %w", what, store.ErrFull, err)
	}
	return fmt.Errorf("authn/redisstore: %s: %w", what, err)
}
