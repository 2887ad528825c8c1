package oauth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/cookies"
)

const (
	flowPurpose = "authn/oauth flow"
	flowPrefix  = "__Host-oauth-"
	flowFor     = 10 * time.Minute
	// maxFlows may be under way in a browser.
	maxFlows = 4
	// maxCookie is of a cookie's name and value together: several are sent with
	// each request to the host.
	maxCookie = 400
	// maxEvicted bounds what one response takes away.
	maxEvicted = 16
	// stateLen is of 32 bytes in base64url; so much of it names the cookie.
	stateLen     = 43
	stateInName  = 16
	flowSecret   = 32
	flowLink     = 16
	flowTimeSize = 8
)

// flow is one login on its way: what its cookie says.
type flow struct {
	secret   [flowSecret]byte
	created  time.Time // of whole seconds
	link     []byte    // digest of who started it by Link; nil of a login
	provider string
	returnTo string
}

func newFlow(provider, returnTo string, link []byte, now time.Time) *flow {
	f := &flow{created: now.Truncate(time.Second), link: link, provider: provider}
	rand.Read(f.secret[:])
	if authn.ReturnTo(&http.Request{URL: queryOf(returnTo)}, "") != "" {
		f.returnTo = returnTo
	}
	if f.tooLong() {
		f.returnTo, _, _ = strings.Cut(f.returnTo, "?")
	}
	if f.tooLong() {
		f.returnTo = ""
	}
	return f
}

// derive is one of the three values that a flow sends, or shows later. Of one
// nobody can tell another.
func (f *flow) derive(use string) string {
	mac := hmac.New(sha256.New, f.secret[:])
	mac.Write([]byte(use))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (f *flow) state() string    { return f.derive("state") }
func (f *flow) nonce() string    { return f.derive("nonce") }
func (f *flow) verifier() string { return f.derive("verifier") } // of 43 characters, as RFC 7636 §4.1 has it

// path is where the flow goes back to, whoever has made the cookie.
func (f *flow) path() string { return authn.Pages{}.Next(nil, f.returnTo) }

// encode is of fixed length first.
func (f *flow) encode() []byte {
	b := slices.Clone(f.secret[:])
	b = binary.BigEndian.AppendUint64(b, uint64(f.created.Unix()))
	b = append(b, byte(len(f.link)))
	b = append(b, f.link...)
	b = append(b, byte(len(f.provider)))
	b = append(b, f.provider...)
	return append(b, f.returnTo...)
}

func decodeFlow(b []byte) (*flow, bool) {
	f := &flow{}
	if len(b) < flowSecret+flowTimeSize {
		return nil, false
	}
	b = b[copy(f.secret[:], b):]
	f.created = time.Unix(int64(binary.BigEndian.Uint64(b)), 0)
	b = b[flowTimeSize:]
	link, b, ok := cutField(b)
	if !ok || len(link) != 0 && len(link) != flowLink {
		return nil, false
	}
	if len(link) != 0 {
		f.link = link
	}
	name, b, ok := cutField(b)
	f.provider, f.returnTo = string(name), string(b)
	return f, ok
}

// cutField is what the first byte is the length of, and the rest.
func cutField(b []byte) (field, rest []byte, ok bool) {
	if len(b) == 0 || len(b)-1 < int(b[0]) {
		return nil, nil, false
	}
	n := 1 + int(b[0])
	return b[1:n], b[n:], true
}

// sealed is how much longer Seal makes a value.
const sealed = 37

func (f *flow) tooLong() bool {
	value := base64.RawURLEncoding.EncodedLen(len(f.encode()) + sealed)
	return len(flowPrefix)+stateInName+len("=")+value > maxCookie
}

// cookieName is of the flow that state belongs to; false: of none.
func cookieName(state string) (string, bool) {
	if len(state) != stateLen {
		return "", false
	}
	if _, err := base64.RawURLEncoding.DecodeString(state); err != nil || strings.ContainsAny(state, "\r\n") {
		return "", false
	}
	return flowPrefix + state[:stateInName], true
}

// setFlow sends the cookie of f, and takes away the oldest where there would be
// more than maxFlows. It is Lax for a form_post, too: forward does not read it, and
// with None the images of any site would fill the browser with flows until the
// session's cookie falls out.
func (l *Login) setFlow(w http.ResponseWriter, r *http.Request, f *flow) error {
	name, _ := cookieName(f.state())
	value, err := l.kc.Seal(flowPurpose, f.encode(), []byte(name))
	if err != nil {
		return outage("keychain", err)
	}
	for _, old := range l.evicted(r) {
		endCookie(w, old)
	}
	cookies.Set(w, &http.Cookie{
		Name: name, Value: base64.RawURLEncoding.EncodeToString(value), Path: "/", MaxAge: int(flowFor / time.Second),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	return nil
}

// evicted are the names of flow cookies that leave when one more comes: those that
// are dead, and the oldest.
func (l *Login) evicted(r *http.Request) (names []string) {
	type pending struct {
		name    string
		created time.Time
	}
	var live []pending
	for _, c := range r.Cookies() {
		if !strings.HasPrefix(c.Name, flowPrefix) || len(names) == maxEvicted || len(live) == maxEvicted {
			continue
		}
		if f, ok := l.openFlow(r, c.Name); ok && l.alive(f) {
			live = append(live, pending{c.Name, f.created})
		} else {
			names = append(names, c.Name)
		}
	}
	// Browsers send older cookies first (RFC 6265 §5.4), which decides within a
	// second.
	slices.SortStableFunc(live, func(a, b pending) int { return a.created.Compare(b.created) })
	for ; len(live) >= maxFlows; live = live[1:] {
		names = append(names, live[0].name)
	}
	return names
}

// openFlow is what the cookie says, if this service has made it for that name.
func (l *Login) openFlow(r *http.Request, name string) (*flow, bool) {
	value, n := cookies.Find(r.Header, name)
	if n != 1 || len(value) > maxCookie {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return nil, false
	}
	plain, _, err := l.kc.Open(flowPurpose, raw, []byte(name))
	if err != nil {
		return nil, false
	}
	return decodeFlow(plain)
}

// alive allows for instances whose clocks differ.
func (l *Login) alive(f *flow) bool {
	age := l.cfg.Now().Sub(f.created)
	return age >= -leeway && age < flowFor
}

func endCookie(w http.ResponseWriter, name string) {
	cookies.Set(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}
