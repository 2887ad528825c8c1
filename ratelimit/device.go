package ratelimit

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/internal/cookies"
)

const (
	deviceCookie  = "__Host-device"
	devicePurpose = "authn/ratelimit device"
	// deviceFor is how long a device is known after its last login.
	deviceFor = 365 * 24 * time.Hour
	// renewAfter is when a login renews the cookie.
	renewAfter = 30 * 24 * time.Hour
	// skew is how far the clocks of instances may differ.
	skew = time.Hour
	// deviceBytes are 8 of the time in seconds and 16 random ones.
	deviceBytes = 8 + 16
	macBytes    = 32
)

// Remember makes this browser a known device of subject: it has attempts of its
// own, so that the subject can log in while others guess at the account. Call it
// after a complete login, before the body is written; an error is for the log, as
// the login stands. The cookie is __Host-,
// Secure, HttpOnly and SameSite=Lax, good for a year, and says nothing about the
// subject. A browser is known to the one who logged in last, and stays known
// when the password changes: who knew it has the attempts of each browser that it
// was used in.
func (a *Attempts) Remember(w http.ResponseWriter, r *http.Request, subject string) error {
	if subject == "" {
		return &authn.Error{Status: http.StatusInternalServerError, Code: "internal", Err: errors.New("authn/ratelimit: Remember of nobody")}
	}
	if id, age := a.device(r, subject); id != "" && age >= -skew && age < renewAfter {
		return nil
	}
	var id [deviceBytes]byte
	binary.BigEndian.PutUint64(id[:], uint64(time.Now().Unix()))
	rand.Read(id[8:])
	mac, err := a.kc.MAC(devicePurpose, "", deviceMessage(id[:], subject))
	if err != nil {
		return audit.Outage("keychain", err)
	}
	cookies.Set(w, &http.Cookie{
		Name: deviceCookie, Value: a.kc.KeyID() + "." + base64.RawURLEncoding.EncodeToString(append(id[:], mac...)),
		Path: "/", MaxAge: int(deviceFor / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	w.Header().Set("Cache-Control", "no-store")
	return nil
}

// knownDevice names r's device if it is one of subject.
func (a *Attempts) knownDevice(r *http.Request, subject string) string {
	id, age := a.device(r, subject)
	if age < -skew || age > deviceFor {
		return ""
	}
	return id
}

// device is what r's cookie says, "" unless it was made for subject.
func (a *Attempts) device(r *http.Request, subject string) (id string, age time.Duration) {
	value, n := cookies.Find(r.Header, deviceCookie)
	keyID, body, ok := strings.Cut(value, ".")
	if subject == "" || n != 1 || !ok || len(body) != base64.RawURLEncoding.EncodedLen(deviceBytes+macBytes) {
		return "", 0
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) != deviceBytes+macBytes { // it passes over CR and LF
		return "", 0
	}
	if !a.kc.CheckMAC(devicePurpose, keyID, deviceMessage(raw[:deviceBytes], subject), raw[deviceBytes:]) {
		return "", 0
	}
	age = time.Since(time.Unix(int64(binary.BigEndian.Uint64(raw)), 0))
	return base64.RawURLEncoding.EncodeToString(raw[8:deviceBytes]), age
}

// deviceMessage has an id of fixed length first, so that no other id and
// subject make the same.
func deviceMessage(id []byte, subject string) []byte { return append(id[:len(id):len(id)], subject...) }
