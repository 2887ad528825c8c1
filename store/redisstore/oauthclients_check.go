package redisstore

import (
	"errors"
	"fmt"
	"slices"

	"github.com/gatehouse-go/authn/store"
)

const (
	maxMethod      = 64
	maxCertSubject = 1024
	maxJWKS        = 64 << 10
	maxLists       = 64 << 10 // of Scopes, Audience and Serves together
)

// checkClientID answers that what cannot be created is not there.
func checkClientID(id string) error {
	if err := checkText("the id", id, maxOwner); err != nil {
		return fmt.Errorf("authn/redisstore: %w: %w", store.ErrNotFound, err)
	}
	return nil
}

// checkClient is checkKey of an OAuth client.
func checkClient(c store.OAuthClient) error {
	err := errors.Join(checkText("OAuthClient.ID", c.ID, maxOwner), checkText("OAuthClient.AuthMethod", c.AuthMethod, maxMethod), checkChanging(c))
	switch {
	case err != nil:
		return fmt.Errorf("authn/redisstore: %w", err)
	case c.ID == "":
		return errors.New("authn/redisstore: OAuthClient.ID is empty")
	case len(c.Secrets) > store.MaxClientSecrets:
		return fmt.Errorf("authn/redisstore: OAuthClient.Secrets are %d, over %d", len(c.Secrets), store.MaxClientSecrets)
	case c.CreatedAt.IsZero():
		return errors.New("authn/redisstore: OAuthClient.CreatedAt is zero")
	}
	return nil
}

// checkChanging is checkClient of what UpdateOAuthClient replaces.
func checkChanging(c store.OAuthClient) error {
	err := errors.Join(checkText("OAuthClient.Name", c.Name, maxShown), checkText("OAuthClient.CertSubject", c.CertSubject, maxCertSubject))
	size := 0
	for _, text := range slices.Concat(c.Scopes, c.Audience, c.Serves) {
		err = errors.Join(err, checkText("one of OAuthClient.Scopes, Audience and Serves", text, maxLists))
		size += len(text)
	}
	switch {
	case err != nil:
		return err
	case size > maxLists:
		return fmt.Errorf("OAuthClient.Scopes, Audience and Serves have %d bytes, over %d", size, maxLists)
	case len(c.JWKS) > maxJWKS:
		return fmt.Errorf("OAuthClient.JWKS has %d bytes, over %d", len(c.JWKS), maxJWKS)
	}
	return nil
}
