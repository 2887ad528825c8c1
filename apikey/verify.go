package apikey

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// method is the Method of Identities and events.
const method = "apikey"

// verified is one allocation for all that a good key needs: its Identity, and
// what FromContext shows beside that. Its size is most of what Verify costs.
type verified struct {
	identity                           authn.Identity
	keys                               *Keys
	name, prefix, lastFour, replacedBy string
	metadata                           map[string]string
	createdAt                          time.Time
}

func newVerified(k *Keys, rec *store.APIKey, now, end time.Time) *verified {
	v := &verified{
		identity: authn.Identity{
			Subject: rec.Owner, Kind: authn.KindKey, Method: method, CredentialID: rec.ID, Scopes: slices.Clip(rec.Scopes),
			VerifiedAt: now, ExpiresAt: end,
		},
		keys: k, name: rec.Name, prefix: rec.Prefix, lastFour: rec.LastFour, replacedBy: rec.ReplacedBy,
		metadata: rec.Metadata, createdAt: rec.CreatedAt,
	}
	v.identity.Credential = v
	return v
}

// Verify is of [authn.Verifier]: X-API-Key, or Authorization by the scheme
// Bearer or ApiKey. A value without our prefix is another method's. The Identity
// is of KindKey, its Subject the key's owner; see also [FromContext].
func (k *Keys) Verify(r *http.Request) (*authn.Identity, error) {
	raw, err := k.credential(r.Header)
	switch {
	case err != nil:
		return nil, k.report(r, authn.Malformed("two keys", err), nil)
	case raw == "":
		return nil, authn.ErrNoCredential
	}
	now := k.cfg.Now()
	digest, until, wrong := k.inspect(raw, now)
	if wrong != "" {
		return nil, k.report(r, authn.Refused(wrong, nil), nil)
	}
	rec, err := k.lookup(r.Context(), digest, now)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, k.report(r, authn.Refused("unknown", nil), nil)
	case err != nil:
		return nil, k.report(r, outage(err), nil)
	case subtle.ConstantTimeCompare(rec.Digest[:], digest[:]) != 1: // a store that answers another's record
		return nil, k.report(r, authn.Refused("unknown", nil), nil)
	case !rec.RevokedAt.IsZero():
		return nil, k.report(r, authn.Refused("revoked", nil), &rec)
	}
	end := earlier(k.endsAt(&rec), until)
	if !end.IsZero() && !now.Before(end) {
		return nil, k.report(r, authn.Refused("expired", nil), &rec)
	}
	k.use(r, &rec, now)
	return &newVerified(k, &rec, now, end).identity, nil
}

// The two carriers, as net/http spells them.
const (
	fieldKey  = "X-Api-Key"
	fieldAuth = "Authorization"
)

var errTwoKeys = errors.New("authn/apikey: more than one X-API-Key or Authorization, or a key in both")

// credential is the value that has one of our prefixes, "" if there is none.
func (k *Keys) credential(h http.Header) (string, error) {
	fields, auth := h[fieldKey], h[fieldAuth]
	if len(fields) > 1 || len(auth) > 1 {
		return "", errTwoKeys
	}
	var key, bearer string
	if len(fields) == 1 && k.ours(fields[0]) {
		key = fields[0]
	}
	if len(auth) == 1 {
		if token := bearerToken(auth[0]); k.ours(token) {
			bearer = token
		}
	}
	if key != "" && bearer != "" {
		return "", errTwoKeys
	}
	return key + bearer, nil
}

// ours reports whether v has the prefix of a format.
func (k *Keys) ours(v string) bool {
	for i := range k.formats {
		if strings.HasPrefix(v, k.formats[i].prefix) {
			return true
		}
	}
	return false
}

// bearerToken is what follows the scheme Bearer (RFC 6750 §2.1) or ApiKey, as
// the challenge says, "" if that is not the scheme. Schemes are
// case-insensitive (RFC 9110 §11.1).
func bearerToken(authorization string) string {
	scheme, token, ok := strings.Cut(authorization, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "ApiKey") {
		return ""
	}
	return strings.TrimLeft(token, " ")
}

// inspect says what is wrong with raw without asking the store, "" if that
// must decide; then it answers raw's digest, and when its format ends, zero
// for never.
func (k *Keys) inspect(raw string, now time.Time) (digest store.Digest, until time.Time, wrong string) {
	if len(raw) > maxKeyLen {
		return digest, until, "too long"
	}
	buf := buffers.Get().(*[maxKeyLen]byte)
	defer buffers.Put(buf)
	key := buf[:copy(buf[:], raw)]
	defer clear(key)
	for i := range k.formats {
		f := &k.formats[i]
		if !strings.HasPrefix(raw, f.prefix) {
			continue
		}
		fault := f.wrong(key)
		if fault == "" && !f.until.IsZero() && !now.Before(f.until) {
			fault = "legacy format ended"
		}
		if fault == "" {
			return sha256.Sum256(key), f.until, ""
		}
		if wrong == "" {
			wrong = fault
		}
	}
	return digest, until, wrong
}

// buffers hold a key while it is looked at: CRC-32 and SHA-256 take bytes, and
// a copy of each request's key would be garbage. They are cleared after use.
var buffers = sync.Pool{New: newBuffer}

func newBuffer() any { return new([maxKeyLen]byte) }

// cached is an answer of the store, good while its generation lasts.
type cached struct {
	rec        store.APIKey
	generation uint64
}

// lookup is one read of the store, or of the cache. The generation is taken
// before the store is asked: an answer that a write here has overtaken is
// kept under an old generation, and never used.
func (k *Keys) lookup(ctx context.Context, d store.Digest, now time.Time) (store.APIKey, error) {
	if k.known == nil || store.InTx(ctx) {
		return k.st.APIKeyByDigest(ctx, d)
	}
	generation := k.generation.Load()
	if c, ok := k.known.Get(d, now); ok && c.generation == generation {
		return c.rec, nil
	}
	if c, ok := k.unknown.Get(d, now); ok && c.generation == generation {
		return store.APIKey{}, store.ErrNotFound
	}
	rec, err := k.st.APIKeyByDigest(ctx, d)
	switch {
	case err == nil:
		k.known.Put(d, cached{rec, generation}, now.Add(k.cfg.CacheTTL), now)
	case errors.Is(err, store.ErrNotFound):
		k.unknown.Put(d, cached{generation: generation}, now.Add(k.cfg.CacheTTL), now)
	}
	return rec, err
}

// written voids the caches after a write. It also does so when that failed or
// panicked, since its effect may be there all the same, but not when the store
// says that nothing was written: else whoever may try could empty the caches.
func (k *Keys) written(err *error) {
	for _, nothing := range [...]error{store.ErrNotFound, store.ErrConflict, store.ErrLimit, store.ErrExists} {
		if errors.Is(*err, nothing) {
			return
		}
	}
	k.generation.Add(1)
}
