package totp

import (
	"encoding/json"
	"errors"
	"io"
	"math"
	"mime"
	"net/http"
	"slices"
	"strconv"

	"github.com/gatehouse-go/authn"
)

// maxBody bounds what Challenge reads, in bytes.
const maxBody = 16 << 10

// Challenge asks for the code of a session that owes "otp", or whose last one is
// too old for [authn.Within]. Put it behind Require with AllowPending("otp"), and
// session.Manager.Protect around that; without an Identity it answers 401.
//
// GET is page with a nil error. POST takes "code", and "trust_device" (a checkbox:
// "on", "1" or "true") from a form, or {"code": "123456", "trust_device": true}; it
// proves the factor to s, and goes on to [authn.ReturnTo], else to "/". Programs, who send
// JSON, get 204. To a wrong code and to 429 page answers, with the error, by a status
// that it takes from it; to anything else, and to programs, [authn.WriteError].
// trust_device is nothing without Config.TrustDevice. It is for sessions: who holds
// a token calls Verify, and has the next one issued.
func (m *Manager) Challenge(s authn.FactorAdder, page func(w http.ResponseWriter, r *http.Request, err error)) http.Handler {
	if s == nil || page == nil {
		panic("authn/totp: Challenge needs a FactorAdder, such as a session.Manager, and a page")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		id, ok := authn.FromContext(r.Context())
		switch {
		case !ok || id.Kind != authn.KindUser:
			authn.WriteError(w, r, authn.NoCredential("no login"))
		case r.Method == http.MethodGet || r.Method == http.MethodHead:
			page(w, r, nil)
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", "GET, HEAD, POST")
			authn.WriteError(w, r, &authn.Error{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed"})
		default:
			a, err := readAnswer(w, r)
			if err == nil {
				err = m.answer(w, r, s, id.Subject, a)
			}
			switch {
			case err != nil && !a.program && (errors.Is(err, ErrWrong) || authn.AsError(err).Status == http.StatusTooManyRequests):
				if wait := authn.AsError(err).RetryAfter; wait > 0 {
					w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
				}
				page(w, r, err)
			case err != nil:
				authn.WriteError(w, r, err)
			case a.program:
				w.WriteHeader(http.StatusNoContent)
			default:
				//nolint:gosec // G710: ReturnTo answers paths of this host only
				http.Redirect(w, r, authn.ReturnTo(r, "/"), http.StatusSeeOther)
			}
		}
	})
}

// answer is what somebody has typed.
type answer struct {
	Code    string `json:"code"`
	Trust   bool   `json:"trust_device"`
	program bool
}

func (m *Manager) answer(w http.ResponseWriter, r *http.Request, s authn.FactorAdder, subject string, a answer) error {
	ctx := authn.WithClient(r.Context(), authn.ClientOf(r)) // for events
	f, t, err := m.verify(ctx, subject, a.Code)
	if err != nil {
		return err
	}
	if _, err := s.AddFactor(w, r, f); err != nil {
		return err
	}
	if a.Trust && m.cfg.TrustDevice > 0 {
		return m.trust(w, r, t)
	}
	return nil
}

// readAnswer reads a form, which may have been parsed already, or JSON.
func readAnswer(w http.ResponseWriter, r *http.Request) (a answer, err error) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	switch media {
	case "application/x-www-form-urlencoded":
		if err = r.ParseForm(); err == nil {
			a.Code = r.PostForm.Get("code")
			a.Trust = slices.Contains([]string{"on", "1", "true"}, r.PostForm.Get("trust_device"))
		}
	case "application/json":
		a.program = true
		var body []byte
		if body, err = io.ReadAll(r.Body); err == nil {
			err = json.Unmarshal(body, &a)
		}
	default:
		return a, authn.Malformed("neither a form nor JSON", nil)
	}
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return a, &authn.Error{Status: http.StatusRequestEntityTooLarge, Code: "too_large", Err: err}
	}
	if err != nil {
		return a, authn.Malformed("body", err)
	}
	return a, nil
}
