package totp

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/cookies"
	"github.com/gatehouse-go/authn/store"
)

const (
	deviceCookie  = "__Host-otp-device"
	devicePurpose = "authn/totp device"
	timeBytes     = 8 // of seconds
	macBytes      = 32
	// skew is how far the clocks of instances may differ.
	skew = time.Minute
)

// TrustDevice lets this browser skip the code for Config.TrustDevice. id must have
// proven "otp" within 15 min, else the error is [authn.StepUp]'s. Call it before
// the body is written. The cookie is __Host-, Secure, HttpOnly and SameSite=Lax,
// and says nothing about the subject. A browser is trusted for who said so last.
// Other errors are [ErrNotEnrolled], 403 and 503.
func (m *Manager) TrustDevice(w http.ResponseWriter, r *http.Request, id *authn.Identity) error {
	t, err := m.mayChange(r.Context(), id)
	if err != nil {
		return err
	}
	return m.trust(w, r, t)
}

// trust is for the enrolment and the epoch of t: what was forgotten since then
// voids it.
func (m *Manager) trust(w http.ResponseWriter, r *http.Request, t store.TOTP) error {
	if m.cfg.TrustDevice == 0 {
		return fault("Config.TrustDevice is 0: no device is trusted")
	}
	var at [timeBytes]byte
	binary.BigEndian.PutUint64(at[:], uint64(m.cfg.Now().Unix()))
	mac, err := m.kc.MAC(devicePurpose, "", deviceMessage(at[:], t))
	if err != nil {
		return m.failed(r.Context(), t.Subject, "keychain", err)
	}
	cookies.Set(w, &http.Cookie{
		Name: deviceCookie, Value: m.kc.KeyID() + "." + base64.RawURLEncoding.EncodeToString(append(at[:], mac...)),
		Path: "/", MaxAge: int(m.cfg.TrustDevice / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	w.Header().Set("Cache-Control", "no-store")
	return nil
}

// ForgetDevices voids all trusted devices of subject. Put it among what a changed
// password revokes (package password), as an [authn.RevokerFunc], or they stay
// trusted.
func (m *Manager) ForgetDevices(ctx context.Context, subject string) error {
	if err := checkSubject(subject); err != nil {
		return err
	}
	if err := m.st.ForgetTOTPDevices(ctx, subject); err != nil {
		return m.failed(ctx, subject, "store", err)
	}
	m.send(ctx, authn.Event{Kind: authn.EventRevoked, Subject: subject, Reason: "trusted devices"})
	return nil
}

// trusted reports whether r comes from a browser that t's subject trusts.
func (m *Manager) trusted(r *http.Request, t store.TOTP) bool {
	if r == nil || m.cfg.TrustDevice == 0 {
		return false
	}
	value, n := cookies.Find(r.Header, deviceCookie)
	keyID, body, ok := strings.Cut(value, ".")
	if n != 1 || !ok || len(body) != base64.RawURLEncoding.EncodedLen(timeBytes+macBytes) {
		return false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(body)
	if err != nil || len(raw) != timeBytes+macBytes { // it passes over CR and LF
		return false
	}
	if !m.kc.CheckMAC(devicePurpose, keyID, deviceMessage(raw[:timeBytes], t), raw[timeBytes:]) {
		return false
	}
	age := m.cfg.Now().Sub(time.Unix(int64(binary.BigEndian.Uint64(raw)), 0))
	return age >= -skew && age < m.cfg.TrustDevice
}

// deviceMessage has what is of fixed length first, so that no other enrolment and
// subject make the same.
func deviceMessage(at []byte, t store.TOTP) []byte {
	b := append([]byte(nil), at...)
	b = binary.BigEndian.AppendUint64(b, uint64(t.DeviceEpoch))
	b = binary.BigEndian.AppendUint64(b, uint64(t.EnrolledAt.UnixMicro()))
	return append(b, t.Subject...)
}
