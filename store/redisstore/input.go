package redisstore

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-go/authn/store"
)

// The bytes that the contract allows. Redis would take more; then a host could
// not move to a store that does not.
const (
	maxID      = 64
	maxOwner   = 255
	maxShown   = 255
	maxPurpose = 64
)

func checkText(field, s string, most int) error {
	switch {
	case len(s) > most:
		return fmt.Errorf("%s has %d bytes, over %d", field, len(s), most)
	case strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("%s has a NUL byte", field)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not valid UTF-8", field)
	}
	return nil
}

// checkLookup answers that what cannot be created is not there.
func checkLookup(owner, id string) error {
	if err := errors.Join(checkText("the owner", owner, maxOwner), checkText("the id", id, maxID)); err != nil {
		return fmt.Errorf("authn/redisstore: %w: %w", store.ErrNotFound, err)
	}
	return nil
}

// checkKey refuses a key that breaks the contract, before the server sees it.
func checkKey(k store.APIKey) error {
	for _, f := range []struct {
		field, s string
		most     int
	}{
		{"ID", k.ID, maxID},
		{"Owner", k.Owner, maxOwner},
		{"Name", k.Name, maxShown},
		{"Prefix", k.Prefix, maxShown},
		{"LastFour", k.LastFour, maxShown},
		{"ReplacedBy", k.ReplacedBy, maxID},
	} {
		if err := checkText("APIKey."+f.field, f.s, f.most); err != nil {
			return fmt.Errorf("authn/redisstore: %w", err)
		}
	}
	if k.ID == "" {
		return errors.New("authn/redisstore: APIKey.ID is empty")
	}
	if k.CreatedAt.IsZero() {
		return errors.New("authn/redisstore: APIKey.CreatedAt is zero")
	}
	return nil
}
