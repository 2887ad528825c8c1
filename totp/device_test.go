package totp_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/totp"
)

const deviceCookie = "__Host-otp-device"

func trusting(cfg *totp.Config) { cfg.TrustDevice = 30 * day }

func newResponse() *httptest.ResponseRecorder { return httptest.NewRecorder() }

// newRequest is a login with the cookies that w sets.
func newRequest(w *httptest.ResponseRecorder) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://app.example/login", http.NoBody)
	if w != nil {
		for _, c := range w.Result().Cookies() {
			r.AddCookie(c)
		}
	}
	return r
}

// trusted is a browser that subject trusts.
func (w *world) trusted(subject string) *http.Request {
	w.t.Helper()
	rec := newResponse()
	if err := w.TrustDevice(rec, newRequest(nil), w.user(subject, "pwd", "otp")); err != nil {
		w.t.Fatal(err)
	}
	return newRequest(rec)
}

// wantOwed says when subject, who has proven a password by r, does not owe otp, or
// does.
func (w *world) wantOwed(r *http.Request, subject string, owes bool, why string) {
	w.t.Helper()
	owed, err := w.Owed(w.t.Context(), r, w.user(subject, "pwd"))
	if err != nil || slices.Equal(owed, []string{"otp"}) != owes || !owes && owed != nil {
		w.t.Errorf("%s: owes %q, %v; want %v", why, owed, err, owes)
	}
}

// T8: a trusted device owes no code for as long as the service says, and then it
// does again. The factor is not proven by it.
func TestTrustedDevice(t *testing.T) {
	w := newWorld(t, trusting)
	w.enrol("ada")
	w.forward(-time.Minute) // at the same moment
	w.enrol("bob")
	w.wantOwed(newRequest(nil), "ada", true, "before")
	r := w.trusted("ada")
	w.wantOwed(r, "ada", false, "a trusted device")
	w.wantOwed(newRequest(nil), "ada", true, "another device")
	w.wantOwed(nil, "ada", true, "no request")
	w.wantOwed(r, "bob", true, "another subject's device")
	w.forward(30*day - time.Second)
	w.wantOwed(r, "ada", false, "just before the end")
	w.forward(time.Second)
	w.wantOwed(r, "ada", true, "at the end")
	w.forward(-30*day - 2*time.Minute)
	w.wantOwed(r, "ada", true, "from the future")
	w.forward(time.Minute)
	w.wantOwed(r, "ada", false, "by an instance a minute slow")
}

// T8: the cookie is __Host-, and says nothing about the subject.
func TestDeviceCookie(t *testing.T) {
	w := newWorld(t, trusting)
	w.enrol("ada lovelace")
	rec := newResponse()
	if err := w.TrustDevice(rec, newRequest(nil), w.user("ada lovelace", "otp")); err != nil {
		t.Fatal(err)
	}
	cs := rec.Result().Cookies()
	if len(cs) != 1 {
		t.Fatalf("%d cookies", len(cs))
	}
	c := cs[0]
	if c.Name != deviceCookie || c.Path != "/" || c.Domain != "" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 30*24*3600 {
		t.Errorf("cookie %+v", c)
	}
	_, body, _ := strings.Cut(c.Value, ".")
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || strings.Contains(string(raw), "ada") || len(raw) != 40 {
		t.Errorf("cookie %q", raw)
	}
	if rec.Header().Get("Cache-Control") != "no-store" {
		t.Error("may be cached")
	}
}

// T8: re-enrolling, ForgetDevices, disabling and a reset void all trusted devices;
// those that are trusted later are.
func TestDevicesAreVoid(t *testing.T) {
	for _, c := range []struct {
		name string
		f    func(w *world) error
	}{
		{"ForgetDevices, as a changed password does", func(w *world) error {
			return authn.Revokers{authn.RevokerFunc(w.ForgetDevices)}.RevokeSubject(w.t.Context(), "ada")
		}},
		{"re-enrolment", func(w *world) error {
			e, err := w.Begin(w.t.Context(), w.user("ada", "otp"), "ada")
			if err == nil {
				_, _, err = w.Confirm(w.t.Context(), "ada", newPhone(w.t, e).code(w.now()))
			}
			return err
		}},
		{"disabling and enrolling", func(w *world) error {
			err := w.Disable(w.t.Context(), w.user("ada", "otp"))
			w.enrol("ada")
			return err
		}},
		{"a reset and enrolling", func(w *world) error {
			err := w.Reset(w.t.Context(), "ada")
			w.enrol("ada")
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, trusting)
			w.enrol("ada")
			w.enrol("bob")
			ada, bob := w.trusted("ada"), w.trusted("bob")
			if err := c.f(w); err != nil {
				t.Fatal(err)
			}
			w.wantOwed(ada, "ada", true, "after "+c.name)
			w.wantOwed(bob, "bob", false, "another subject, after "+c.name)
			w.wantOwed(w.trusted("ada"), "ada", false, "trusted again, after "+c.name)
		})
	}
	w := newWorld(t, trusting)
	if err := w.ForgetDevices(t.Context(), "nobody"); err != nil {
		t.Errorf("ForgetDevices of nobody: %v", err)
	}
	if got := w.events(); !slices.Equal(got, []string{"revoked trusted devices"}) {
		t.Errorf("events %q", got)
	}
}

// T8: a store that was restored from a backup makes no old cookie good for a new
// enrolment of the same epoch.
func TestDeviceIsOfOneEnrolment(t *testing.T) {
	w := newWorld(t, trusting)
	w.enrol("ada")
	r := w.trusted("ada")
	kc := w.kc
	w = newWorld(t, trusting)
	w.kc = kc
	w.Manager = w.instance(kc)
	w.forward(time.Hour)
	w.enrol("ada") // epoch 1 again
	w.wantOwed(r, "ada", true, "a cookie of another enrolment")
}

// T8: nobody can make, change or duplicate the cookie.
func TestForgedDevicesAreNotTrusted(t *testing.T) {
	w := newWorld(t, trusting)
	w.enrol("ada")
	good := w.trusted("ada").Header.Get("Cookie")
	with := func(cookies ...string) *http.Request {
		r := newRequest(nil)
		r.Header["Cookie"] = cookies
		return r
	}
	w.wantOwed(with(good), "ada", false, "as it is")
	keyID, body, _ := strings.Cut(strings.TrimPrefix(good, deviceCookie+"="), ".")
	raw := authn.Must(base64.RawURLEncoding.DecodeString(body))
	for i := range raw {
		forged := slices.Clone(raw)
		forged[i] ^= 1
		w.wantOwed(with(deviceCookie+"="+keyID+"."+base64.RawURLEncoding.EncodeToString(forged)), "ada", true, "with another byte")
	}
	for why, value := range map[string]string{
		"empty": "", "a point": ".", "no key": "." + body, "an unknown key": "aaaaaaaa." + body, "no MAC": keyID + ".", "short": keyID + "." + body[:len(body)-1],
		"long": keyID + "." + body + "A", "padded": keyID + "." + body + "==", "quoted": `"` + keyID + "." + body + `"`, "odd": keyID + "." + strings.Repeat("*", len(body)),
		"a megabyte": strings.Repeat("A", 1<<20),
	} {
		w.wantOwed(with(deviceCookie+"="+value), "ada", true, why)
	}
	w.wantOwed(with(good+"; "+good), "ada", true, "twice")
	w.wantOwed(with(good, good), "ada", true, "in two lines")
	w.wantOwed(with(good, deviceCookie+"=x"), "ada", true, "beside another")
	w.wantOwed(with(strings.Replace(good, "__Host-", "", 1)), "ada", true, "by another name")
	other := newWorld(t, trusting)
	other.enrol("ada")
	other.wantOwed(with(good), "ada", true, "at another service")
}

// T8: it is off unless the service asks for it, also for cookies that are out.
func TestTrustIsOptIn(t *testing.T) {
	w := newWorld(t, trusting)
	w.enrol("ada")
	r := w.trusted("ada")
	w.cfg.TrustDevice = 0
	w.Manager = w.instance(w.kc)
	for range 2 {
		w.wantOwed(r, "ada", true, "trusted when it was on")
		w.forward(-time.Second) // an instance that is slow
	}
	w.forward(2 * time.Second)
	err := w.TrustDevice(newResponse(), newRequest(nil), w.user("ada", "otp"))
	wantStatus(t, err, http.StatusInternalServerError, "internal", "TrustDevice")
	w.cfg.TrustDevice = day
	w.Manager = w.instance(w.kc)
	w.wantOwed(r, "ada", false, "within the day that is allowed now")
	w.forward(day)
	w.wantOwed(r, "ada", true, "after the day that is allowed now")
	if err := w.TrustDevice(newResponse(), newRequest(nil), w.user("nobody", "otp")); !errors.Is(err, totp.ErrNotEnrolled) {
		t.Errorf("TrustDevice of who is not enrolled: %v", err)
	}
}
