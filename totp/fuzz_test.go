package totp_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/totp"
)

// T3, T6: whatever is typed, Verify takes exactly the codes of the window and the
// recovery codes, as a slow and obvious reader understands them.
func FuzzCode(f *testing.F) {
	m, p, recovery := newFixed(f)
	good := []string{p.code(began.Add(-step)), p.code(began), p.code(began.Add(step))}
	for i, c := range recovery {
		recovery[i] = strings.ReplaceAll(c, "-", "")
	}
	f.Fuzz(func(t *testing.T, typed string) {
		// Seeds name what is another one at each run.
		typed = strings.NewReplacer("BEFORE", good[0], "NOW", good[1], "NEXT", good[2], "RECOVERY", recovery[0]).Replace(typed)
		plain := strings.NewReplacer(" ", "", "-", "").Replace(typed)
		crockford := strings.Map(func(c rune) rune {
			switch {
			case c == 'o' || c == 'O':
				return '0'
			case strings.ContainsRune("iIlL", c):
				return '1'
			case 'A' <= c && c <= 'Z':
				return c + 'a' - 'A'
			}
			return c
		}, plain)
		want := len(typed) <= 64 && (slices.Contains(good, plain) || slices.Contains(recovery, crockford))
		factor, err := m.Verify(t.Context(), "ada", typed)
		switch {
		case (err == nil) != want:
			t.Fatalf("%q: %v, want a right code: %v", typed, err, want)
		case err == nil && (factor.Name != "otp" || !factor.At.Equal(began)):
			t.Fatalf("%q: %+v", typed, factor)
		case err != nil && (!errors.Is(err, totp.ErrWrong) || factor != authn.Factor{}):
			t.Fatalf("%q: %+v, %v", typed, factor, err)
		}
	})
}

// T8: whatever stands in Cookie, only the cookie that was made is trusted, alone of
// its name.
func FuzzDeviceCookie(f *testing.F) {
	m, _, _ := newFixed(f)
	rec := httptest.NewRecorder()
	ada := &authn.Identity{
		Subject: "ada", Kind: authn.KindUser, VerifiedAt: began, Factors: []authn.Factor{{Name: "otp", At: began}},
	}
	if err := m.TrustDevice(rec, httptest.NewRequest(http.MethodPost, "/", nil), ada); err != nil {
		f.Fatal(err)
	}
	good := rec.Result().Cookies()[0].Value
	f.Fuzz(func(t *testing.T, line, second string) {
		r := httptest.NewRequest(http.MethodPost, "https://app.example/login", nil)
		for _, l := range []string{line, second} {
			if l != "" {
				r.Header["Cookie"] = append(r.Header["Cookie"], strings.ReplaceAll(l, "GOOD", good))
			}
		}
		owed, err := m.Owed(t.Context(), r, &authn.Identity{Subject: "ada", Kind: authn.KindUser})
		if err != nil || owed != nil && !slices.Equal(owed, []string{"otp"}) {
			t.Fatalf("%q: owes %q, %v", r.Header["Cookie"], owed, err)
		}
		var sent []string
		for part := range strings.SplitSeq(strings.Join(r.Header["Cookie"], ";"), ";") {
			if part = strings.Trim(part, " \t"); strings.HasPrefix(part, deviceCookie+"=") {
				sent = append(sent, part)
			}
		}
		if is := slices.Equal(sent, []string{deviceCookie + "=" + good}); is != (owed == nil) {
			t.Fatalf("%q is trusted: %v", r.Header["Cookie"], owed == nil)
		}
	})
}

// T7: whatever is posted, Challenge does not panic, and adds the factor only for a
// right code.
func FuzzChallenge(f *testing.F) {
	m, p, _ := newFixed(f)
	good := p.code(began)
	near := []string{p.code(began.Add(-step)), good, p.code(began.Add(step))}
	f.Fuzz(func(t *testing.T, contentType, body, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		body = strings.ReplaceAll(body, "GOOD", good)
		r := httptest.NewRequest(http.MethodPost, "https://app.example/", strings.NewReader(body))
		r.URL.Path, r.URL.RawQuery = u.Path, u.RawQuery
		r.Header["Content-Type"] = []string{contentType}
		a, w := &adder{}, httptest.NewRecorder()
		ada := &authn.Identity{Subject: "ada", Kind: authn.KindUser, Pending: []string{"otp"}}
		m.Challenge(a, page).ServeHTTP(w, r.WithContext(authn.NewContext(t.Context(), ada)))
		done := w.Code == http.StatusSeeOther || w.Code == http.StatusNoContent
		if done != (len(a.added) == 1) || !done && len(w.Result().Cookies()) > 0 {
			t.Fatalf("%q %q: %d, %d factors", contentType, body, w.Code, len(a.added))
		}
		if done && !slices.ContainsFunc(codesIn(body), func(code string) bool { return slices.Contains(near, code) }) {
			t.Fatalf("%q %q: no code in it was right", contentType, body)
		}
		if back := w.Header().Get("Location"); back != "" && (!strings.HasPrefix(back, "/") || strings.HasPrefix(back, "//")) {
			t.Fatalf("%q: goes to %q", target, back)
		}
	})
}

// codesIn are what body, a form or JSON, has as "code".
func codesIn(body string) (codes []string) {
	form, _ := url.ParseQuery(body)
	codes = form["code"]
	d := json.NewDecoder(strings.NewReader(body)) // and no map: of a name twice each counts, since null changes no field
	if begin, _ := d.Token(); begin == json.Delim('{') {
		for d.More() {
			token, _ := d.Token()
			name, _ := token.(string)
			var value json.RawMessage
			if d.Decode(&value) != nil {
				break
			}
			var code string
			if json.Unmarshal(value, &code) == nil && strings.EqualFold(name, "code") {
				codes = append(codes, code)
			}
		}
	}
	for i, code := range codes {
		codes[i] = strings.NewReplacer(" ", "", "-", "").Replace(code)
	}
	return codes
}

// smallQR is how many bytes a QR code of 117 modules holds (version 25-M).
const smallQR = 997

// T2: whatever issuer and account are, they are refused, or a reader of URIs reads
// them as they are, and the QR code fits on 128 pixels.
func FuzzLabel(f *testing.F) {
	f.Fuzz(func(t *testing.T, issuer, account string) {
		m, err := totp.New(&fixed{}, authn.GenerateKeychain(), totp.Config{Issuer: issuer})
		if err != nil {
			return
		}
		e, err := m.Begin(t.Context(), authn.User("ada", "password"), account)
		if err != nil {
			if authn.AsError(err).Status != http.StatusBadRequest {
				t.Fatalf("%q: %v", account, err)
			}
			return
		}
		u, err := url.Parse(e.URI.Reveal())
		if err != nil || u.Path != "/"+issuer+":"+account || u.Query().Get("issuer") != issuer || u.Query().Get("secret") != e.Secret.Reveal() || len(u.Query()) != 5 {
			t.Fatalf("%q, %q: %v, %v", issuer, account, u, err)
		}
		if len(e.URI.Reveal()) > smallQR {
			t.Fatalf("%q, %q: %d bytes", issuer, account, len(e.URI.Reveal()))
		}
	})
}
