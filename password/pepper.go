package password

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// purposePepper is that of the Keychain's MACs.
	purposePepper = "password/pepper"
	// pepperPrefix stands with a key id before a bcrypt hash; a PHC string has
	// it among its parameters.
	pepperPrefix = "keyid="
	maxKeyID     = 8
)

// isKeyID says that s looks like the id of a Keychain's key.
func isKeyID(s string) bool {
	return s != "" && len(s) <= maxKeyID && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	})
}

// pepper is what a scheme hashes instead of password: an HMAC under the key
// keyID, in base64 for bcrypt, which stops at a NUL; password itself if keyID
// is "".
func (h *Hasher) pepper(scheme, keyID, password string) ([]byte, error) {
	if keyID == "" {
		return []byte(password), nil
	}
	if h.cfg.Pepper == nil {
		return nil, errors.New("authn/password: a stored hash is peppered: set HasherConfig.Pepper")
	}
	mac, err := h.cfg.Pepper.MAC(purposePepper, keyID, []byte(password))
	if err != nil {
		return nil, fmt.Errorf("authn/password: the pepper of a stored hash: %w", err)
	}
	if scheme == idBcrypt {
		return []byte(b64.EncodeToString(mac)), nil
	}
	return mac, nil
}

// keyID names the pepper of new hashes; "" is none.
func (h *Hasher) keyID() string {
	if h.cfg.Pepper == nil {
		return ""
	}
	return h.cfg.Pepper.KeyID()
}
