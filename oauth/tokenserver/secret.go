package tokenserver

import (
	"crypto/subtle"
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/keytext"
	"github.com/gatehouse-go/authn/store"
)

// secretPrefix begins every client secret. None of its characters is changed by
// form encoding, so that clients that forget it in Basic get in all the same.
const secretPrefix = "authncs_"

const secretLen = len(secretPrefix) + keytext.SecretLen + 1 + keytext.SumLen

// SecretPattern is a regular expression (RE2) that finds client secrets, for secret
// scanners.
func SecretPattern() string {
	return fmt.Sprintf(`\b%s[0-9A-Za-z]{%d}_[0-9A-Za-z]{%d}\b`, secretPrefix, keytext.SecretLen, keytext.SumLen)
}

// newSecret is a secret that lives from now on, and its record.
func (s *Server) newSecret(now time.Time) (authn.Secret, store.ClientSecret) {
	raw := keytext.New(secretPrefix)
	rec := store.ClientSecret{Digest: store.DigestOf(raw), CreatedAt: now}
	if s.cfg.SecretTTL > 0 {
		rec.ExpiresAt = now.Add(s.cfg.SecretTTL).Truncate(time.Microsecond)
	}
	return authn.NewSecret(raw), rec
}

// isSecret reports whether s can be a secret of any client.
func isSecret(s string) bool {
	if len(s) != secretLen || !strings.HasPrefix(s, secretPrefix) {
		return false
	}
	at := len(s) - keytext.SumLen
	sum := keytext.Checksum([]byte(s[:at-1]))
	return s[at-1] == '_' && s[at:] == string(sum[:])
}

// matches compares secret with each one that a client could have, whether it is
// there or not, so that it takes the same time.
func matches(c store.OAuthClient, secret string, now time.Time) bool {
	digest := store.DigestOf(secret)
	found := 0
	for i := range store.MaxClientSecrets {
		var want store.Digest
		live := 0
		if i < len(c.Secrets) {
			want = c.Secrets[i].Digest
			if c.Secrets[i].Live(now) {
				live = 1
			}
		}
		found |= subtle.ConstantTimeCompare(digest[:], want[:]) & live
	}
	return found == 1
}
