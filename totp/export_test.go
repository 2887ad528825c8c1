package totp

import "time"

// Code is the code of a secret, as an app shows it.
func Code(secret []byte, sha256 bool, digits int, at time.Time) uint32 {
	k := &key{secret: secret, sha256: sha256, digits: digits}
	return k.code(k.mac(), stepAt(at))
}

// ParseRecovery reads a recovery code without its hyphens.
var ParseRecovery = parseRecovery
