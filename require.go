package authn

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Require lets through whom v knows, who owes no factor and whom no rule
// refuses. The handler finds the Identity by [FromContext].
//
// A nil v panics when the route is built, and so does a nil rule.
func Require(v Verifier, rules ...Rule) func(http.Handler) http.Handler {
	return Guard{Verifier: v}.Require(rules...)
}

// Optional lets anonymous requests through, too, without an Identity: who
// brings no credential, only a stale cookie, or still owes a factor. A bad
// credential in a header field is refused, and an outage is 503.
func Optional(v Verifier) func(http.Handler) http.Handler {
	return Guard{Verifier: v}.Optional()
}

// Allow applies rules to the Identity that an outer [Require] or [Optional]
// put in the context, for routers that verify once for a group of routes. It
// answers as the outer one does. Nobody there is a 401.
func Allow(rules ...Rule) func(http.Handler) http.Handler {
	return Guard{}.Allow(rules...)
}

// Check is Require's whole decision, for gRPC, websockets and whatever has no
// http.Handler: put the Identity into a context by [NewContext], or answer the
// error, an *Error, by [WriteError]. What it lets through has none of the fields
// that caches need. Routers with middleware of their own shape wrap Require, as
// examples/routers does for gin.
func Check(v Verifier, r *http.Request, rules ...Rule) (*Identity, error) {
	return Guard{Verifier: v}.Check(r, rules...)
}

// ErrorHandler answers a refused request. Cache-Control: no-store is set
// already. Hand on to [WriteError] what it does not answer itself.
type ErrorHandler func(w http.ResponseWriter, r *http.Request, err *Error)

// AcceptFunc sees each request that is let through, before its handler: to set
// header fields or to count. r's context has the Identity.
type AcceptFunc func(w http.ResponseWriter, r *http.Request, id *Identity)

// Guard is Require, Optional, Allow and Check with the host's own answers. Its
// checks are the same. Only Verifier is required. Changing a Guard does not
// change the middleware that it has made.
type Guard struct {
	// Verifier says who a request comes from. Allow does without.
	Verifier Verifier
	// Rules come before those of each route. Optional applies them to whoever
	// is signed in.
	Rules []Rule
	// OnError answers refused requests. Defaults to WriteError.
	OnError ErrorHandler
	// OnAccept sees accepted ones, such as by Sunset or apikey.Keys.OnAccept.
	OnAccept AcceptFunc
	// OnEvent gets what no verifier has reported: denials, outages, refusals
	// by verifiers without events of their own. A request without any
	// credential is no event, nor is an outage whose client has gone.
	OnEvent EventFunc
	// Realm names the protected space in challenges. Defaults to "api".
	Realm string
}

// Require is the function of the same name, by g.
func (g Guard) Require(rules ...Rule) func(http.Handler) http.Handler {
	p := g.policy("Require", rules)
	mustVerifier(g.Verifier, "Require")
	return func(next http.Handler) http.Handler {
		mustHandler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id, err := p.check(r)
			if err != nil {
				p.refuse(w, r, err)
				return
			}
			p.accept(w, r, id, next)
		})
	}
}

// Optional is the function of the same name, by g.
func (g Guard) Optional() func(http.Handler) http.Handler {
	p := g.policy("Optional", nil)
	mustVerifier(g.Verifier, "Optional")
	return func(next http.Handler) http.Handler {
		mustHandler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id, err := p.identify(r)
			owes := false
			if err == nil {
				_, owes = p.owes(id)
			}
			switch {
			case owes:
				id = nil
			case err == nil:
				if err = p.verdict(r, id); err != nil {
					err = p.refusal(r, id, err)
				}
			case isAbsent(err):
				if p.onEvent != nil {
					p.report(r, nil, p.complete(err)) // a stale cookie
				}
				id, err = nil, nil
			default:
				err = p.refusal(r, nil, err)
			}
			switch {
			case err != nil:
				p.refuse(w, r, err)
			case id != nil:
				p.accept(w, r, id, next)
			default:
				p.accept(w, r, nil, next)
			}
		})
	}
}

// Allow is the function of the same name. With fields of its own, g answers;
// the zero Guard answers as the outer Require does.
func (g Guard) Allow(rules ...Rule) func(http.Handler) http.Handler {
	p := g.policy("Allow", rules)
	inherit := g.Verifier == nil && g.OnError == nil && g.OnEvent == nil && g.Realm == ""
	return func(next http.Handler) http.Handler {
		mustHandler(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			id, err := (*Identity)(nil), ErrNoCredential
			outer, ok := r.Context().Value(passKey{}).(*pass)
			if ok && outer.id != nil {
				id, err = outer.id, flaw(outer.id)
				if err == nil {
					err = p.verdict(r, id)
				}
			}
			if err != nil {
				answer := p
				if ok && inherit && outer.policy != nil {
					answer = p.answeringAs(outer.policy)
				}
				answer.refuse(w, r, answer.refusal(r, id, err))
				return
			}
			if p.onAccept != nil {
				p.onAccept(w, r, id)
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Check is the function of the same name, by g. It calls OnEvent, but neither
// OnError nor OnAccept: there is no ResponseWriter. See [Guard.Refuse].
func (g Guard) Check(r *http.Request, rules ...Rule) (*Identity, error) {
	mustVerifier(g.Verifier, "Check")
	return g.policy("Check", rules).check(r)
}

// Refuse answers what [Guard.Check] refused, by OnError, with the header
// fields that caches need.
func (g Guard) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	p := g.policy("Refuse", nil)
	p.refuse(w, r, p.complete(err))
}

// policy is a Guard with a route's rules, made ready.
type policy struct {
	verifier    Verifier
	rules       []Rule
	owable      []string // factors that may be owed here
	scopes      []string // that satisfy all rules
	onError     ErrorHandler
	onAccept    AcceptFunc
	onEvent     EventFunc
	realm       string
	challenges  []Challenge
	credentials []string
	vary        []string
	varyLine    string
	private     bool
	cookies     bool // are looked at
}

func (g Guard) policy(where string, rules []Rule) *policy {
	p := &policy{
		verifier: g.Verifier, onError: g.OnError, onAccept: g.OnAccept, onEvent: g.OnEvent, realm: g.Realm,
		challenges: bearer,
	}
	if p.onError == nil {
		p.onError = func(w http.ResponseWriter, r *http.Request, err *Error) { WriteError(w, r, err) }
	}
	if g.Verifier != nil {
		d := describe(g.Verifier)
		p.credentials = appendFields(nil, d.Credentials)
		if slices.Contains(p.credentials, "Cookie") {
			panic("authn: " + where + ": Description.Credentials has Cookie, which browsers send unasked: it belongs in Vary")
		}
		p.vary = appendFields(slices.Clone(p.credentials), d.Vary)
		p.cookies = slices.Contains(p.vary, "Cookie")
		p.varyLine = strings.Join(p.vary, ", ")
		p.private = d.Private || slices.ContainsFunc(p.vary, func(f string) bool { return f != "Authorization" })
		if len(d.Challenges) > 0 {
			p.challenges = d.Challenges
		}
	}
	for _, rs := range [...][]Rule{g.Rules, rules} {
		for _, rule := range rs {
			p.add(where, rule)
		}
	}
	return p
}

func (p *policy) add(where string, rule Rule) {
	mustRule(rule, where)
	switch rule := rule.(type) {
	case allowPending:
		p.owable = append(p.owable, rule...)
		return
	case scopeRule:
		p.scopes = appendNew(p.scopes, rule.sufficient())
	}
	p.rules = append(p.rules, rule)
}

func appendNew(have, more []string) []string {
	for _, s := range more {
		if !slices.Contains(have, s) {
			have = append(have, s)
		}
	}
	return slices.Clip(have)
}

// answeringAs is p's rules with the answers of outer.
func (p *policy) answeringAs(outer *policy) *policy {
	answers := *outer
	answers.rules, answers.owable, answers.scopes = p.rules, p.owable, p.scopes
	return &answers
}

// check is the whole decision. Its error is a complete *Error.
func (p *policy) check(r *http.Request) (*Identity, error) {
	id, err := p.identify(r)
	if err != nil {
		return nil, p.refusal(r, nil, err)
	}
	if err := p.verdict(r, id); err != nil {
		return nil, p.refusal(r, id, err)
	}
	return id, nil
}

// identify asks the verifier and holds it to its contract.
func (p *policy) identify(r *http.Request) (*Identity, error) {
	explicit := "" // a field that carries a credential
	for _, field := range p.credentials {
		switch v := r.Header[field]; {
		case len(v) > 1:
			return nil, Malformed("more than one "+field, nil)
		case len(v) == 1 && v[0] != "" && explicit == "":
			explicit = field
		}
	}
	if explicit != "" && p.cookies && len(r.Header["Cookie"]) > 0 {
		r = withoutCookies(r)
	}
	id, err := p.verifier.Verify(r)
	switch {
	case err == nil:
		return id, flaw(id)
	case explicit != "" && isAbsent(err):
		return nil, Refused("nobody claims this "+explicit, nil)
	default:
		return nil, err
	}
}

// withoutCookies is r for the verifiers when a header field carries a
// credential: that decides, for good or bad, and no cookie stands in for it.
func withoutCookies(r *http.Request) *http.Request {
	bare := *r
	bare.Header = maps.Clone(r.Header)
	delete(bare.Header, "Cookie")
	return &bare
}

// isAbsent reports whether err lets another verifier try: it is or wraps
// ErrNoCredential, and is no refusal or outage that has it for a cause.
func isAbsent(err error) bool {
	if !errors.Is(err, ErrNoCredential) {
		return false
	}
	e := AsError(err)
	return e.Status == http.StatusUnauthorized && e.Code == ""
}

// flaw is what no Identity may have, whoever made it.
func flaw(id *Identity) error {
	switch {
	case id == nil:
		return internalError("a Verifier answered neither an Identity nor an error")
	case id.Subject == "" || id.Kind == 0 || int(id.Kind) >= len(kindNames):
		return internalError("an Identity without Subject or Kind")
	}
	return nil
}

// owes is a factor that id owes and that this route does not excuse, or "".
func (p *policy) owes(id *Identity) (factor string, ok bool) {
	for _, factor := range id.Pending {
		if !slices.Contains(p.owable, factor) {
			return factor, true
		}
	}
	return "", false
}

// verdict is about what is owed and the rules.
func (p *policy) verdict(r *http.Request, id *Identity) error {
	if factor, ok := p.owes(id); ok {
		return StepUp(factor, 0)
	}
	for _, rule := range p.rules {
		if err := rule.Allow(r, id); err != nil {
			return err
		}
	}
	return nil
}

// refusal completes err and sends its event. A nil id is one that was not
// verified, else it was denied.
func (p *policy) refusal(r *http.Request, id *Identity, err error) *Error {
	e := p.complete(err)
	p.report(r, id, e)
	return e
}

// complete is err as the client will see it: with the realm, the challenges of
// all methods and the scopes that would do.
func (p *policy) complete(err error) *Error {
	if err == nil {
		err = internalError("nothing was refused")
	}
	e := *AsError(err)
	e.realm = p.realm
	if e.from == nil {
		e.from = err
	}
	if e.Challenges == nil {
		e.Challenges = p.challenges
	}
	if e.Code == codeScope {
		e.Scopes = appendNew(slices.Clone(p.scopes), e.Scopes)
	}
	return &e
}

// report sends what nobody has reported yet.
func (p *policy) report(r *http.Request, id *Identity, e *Error) {
	outage := e.Status >= http.StatusInternalServerError
	switch {
	case p.onEvent == nil || e.Reported:
		return
	case e.Reason == "" && isAbsent(e):
		return // nothing was presented
	case outage && errors.Is(r.Context().Err(), context.Canceled):
		return // the client has gone
	}
	event := Event{Kind: EventRefused, At: time.Now(), Addr: ClientOf(r).Addr, Reason: e.Reason, Err: e.Err}
	if outage {
		event.Kind = EventOutage
	} else if id != nil {
		event.Kind = EventDenied
	}
	if id == nil {
		id = e.About
	}
	if id != nil {
		event.Subject, event.SubjectKind, event.Actor = id.Subject, id.Kind, id.Subject
		event.Method, event.CredentialID = id.Method, id.CredentialID
	}
	p.onEvent(r.Context(), event)
	e.Reported = true
}

func (p *policy) refuse(w http.ResponseWriter, r *http.Request, err error) {
	p.mark(w.Header(), new([2]string))
	w.Header().Set("Cache-Control", "no-store")
	p.onError(w, r, AsError(err))
}

// accept lets r through as id, nil for nobody.
func (p *policy) accept(w http.ResponseWriter, r *http.Request, id *Identity, next http.Handler) {
	a := &admission{pass: pass{Context: r.Context(), id: id, policy: p, peer: r.RemoteAddr}}
	a.request = *r.WithContext(&a.pass) // inlined, so that its own copy is on the stack
	p.mark(w.Header(), &a.fields)
	if id != nil && p.onAccept != nil {
		p.onAccept(w, &a.request, id)
	}
	next.ServeHTTP(w, &a.request)
}

// mark tells caches what the answer depends on (RFC 9110 §12.5.5, RFC 9111
// §3.5), whether or not it was there this time. The handler may set its own; of
// what stands there before, only private and no-store are kept. values is room for the field values, to spare an allocation.
func (p *policy) mark(h http.Header, values *[2]string) {
	private := p.private
	if cc := h["Cache-Control"]; len(cc) > 0 {
		private = private && !listed(cc, "private") && !listed(cc, "no-store")
	}
	if len(h["Vary"]) == 0 && p.varyLine != "" {
		*values = [2]string{p.varyLine, "private"}
		h["Vary"] = values[0:1:1]
		if private {
			h["Cache-Control"] = values[1:2:2]
		}
		return
	}
	for _, field := range p.vary {
		if !listed(h["Vary"], field) {
			h.Add("Vary", field)
		}
	}
	if private {
		h.Set("Cache-Control", "private")
	}
}

// listed reports whether a list-valued field contains item, or everything.
func listed(values []string, item string) bool {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part == "*" || strings.EqualFold(part, item) {
				return true
			}
		}
	}
	return false
}

func mustHandler(next http.Handler) {
	if next == nil {
		panic("authn: middleware around a nil http.Handler")
	}
}
