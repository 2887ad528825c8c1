package password

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/internal/cache"
	"github.com/gatehouse-go/authn/internal/crossorigin"
	"github.com/gatehouse-go/authn/store"
)

const (
	maxBasicCache   = time.Minute
	basicCachePairs = 1000
	// maxBasic bounds the field: a name, a colon and a password in base64.
	maxBasic = 4 * (maxPassword + maxText + 3) / 3
)

// Basic is HTTP Basic (RFC 7617), for internal tools: names and passwords in
// UTF-8. Each request is a guess and costs a hash, unless Config.BasicCache
// remembers it. Browsers send the credential unasked once they know it, so that
// requests which other sites make are refused by 403 as those of cookies are.
// Serve it over TLS only.
func (a *Authenticator) Basic() authn.Verifier { return a.basic }

type basic struct {
	a   *Authenticator
	key [32]byte // of the pairs in the cache
	ok  *cache.Cache[[sha256.Size]byte, believed]
}

// believed is a pair that was right for the user's hash of then.
type believed struct {
	subject, hash string
	at            time.Time
}

func newBasic(a *Authenticator) *basic {
	b := &basic{a: a}
	if a.cfg.BasicCache > 0 {
		rand.Read(b.key[:])
		b.ok = cache.New[[sha256.Size]byte, believed](basicCachePairs)
	}
	return b
}

// Describe is of [authn.Describer].
func (b *basic) Describe() authn.Description {
	return authn.Description{
		Challenges:  []authn.Challenge{{Scheme: "Basic", Params: map[string]string{"charset": "UTF-8"}}},
		Credentials: []string{"Authorization"},
	}
}

// Verify is of [authn.Verifier].
func (b *basic) Verify(r *http.Request) (*authn.Identity, error) {
	name, password, err := basicCredential(r.Header)
	switch {
	case errors.Is(err, authn.ErrNoCredential):
		return nil, err
	case err != nil:
		return nil, b.a.log.Refusal(r, authn.Malformed("Basic credential", err))
	}
	if e := crossorigin.Check(nil, r); e != nil {
		return nil, b.a.log.Refusal(r, e)
	}
	id, err := b.authenticate(r, name, password)
	if err != nil {
		e := *authn.AsError(err)
		if e.Status == http.StatusUnauthorized {
			e.Code = "invalid_token" // RFC 6750's, as of every other verifier
		}
		return nil, &e
	}
	if b.a.cfg.Owed != nil {
		owed, err := b.a.cfg.Owed(r.Context(), r, id.Clone())
		if err != nil {
			return nil, err
		}
		id.Pending = slices.Clone(owed)
	}
	return id, nil
}

// authenticate believes a pair for a while, while the user's hash is the one
// that it was right for.
func (b *basic) authenticate(r *http.Request, name, password string) (*authn.Identity, error) {
	if b.ok == nil {
		return b.a.Authenticate(r, name, password)
	}
	began := b.a.cfg.Now()
	pair := b.pair(name, password)
	if known, ok := b.ok.Get(pair, began); ok {
		rec, err := b.a.users.PasswordBySubject(r.Context(), known.subject)
		if err == nil && rec.Hash == known.hash && sameName(rec.Name, name) {
			id := b.a.identity(known.subject, began)
			id.Factors[0].At = known.at
			return id, nil
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, b.a.log.Refusal(r, audit.Outage("users", err))
		}
	}
	id, hash, err := b.a.authenticate(r, name, password)
	if err != nil {
		return nil, err
	}
	b.ok.Put(pair, believed{id.Subject, hash, id.Factors[0].At}, began.Add(b.a.cfg.BasicCache), began)
	return id, nil
}

// sameName reports whether a user who was renamed is still called so.
func sameName(stored, given string) bool {
	name, ok := NormalName(given)
	was, _ := NormalName(stored) // a host's table may have it as it was written
	return ok && name == was
}

// pair is a MAC: the cache holds no password.
func (b *basic) pair(name, password string) (sum [sha256.Size]byte) {
	mac := hmac.New(sha256.New, b.key[:])
	mac.Write([]byte(name))
	mac.Write([]byte{0}) // which no name has
	mac.Write([]byte(password))
	mac.Sum(sum[:0])
	return sum
}

var (
	errTwoFields = errors.New("authn/password: more than one Authorization")
	errNotBasic  = errors.New("authn/password: Authorization: Basic without base64 of name:password in UTF-8")
)

// basicCredential reads the field of RFC 7617 §2.
func basicCredential(h http.Header) (name, password string, err error) {
	fields := h["Authorization"]
	if len(fields) > 1 {
		return "", "", errTwoFields
	}
	if len(fields) == 0 {
		return "", "", authn.ErrNoCredential
	}
	scheme, value, _ := strings.Cut(fields[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", authn.ErrNoCredential
	}
	value = strings.TrimLeft(value, " ")
	if len(value) > maxBasic {
		return "", "", errNotBasic
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil {
		return "", "", errNotBasic
	}
	name, password, ok := strings.Cut(string(raw), ":")
	if !ok || strings.ContainsFunc(string(raw), func(c rune) bool { return c < ' ' || c == 0x7f || c == '\uFFFD' }) {
		return "", "", errNotBasic
	}
	return name, password, nil
}
