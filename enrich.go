package authn

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-go/authn/internal/cache"
)

// EnrichFunc is the host's look at its own users, at each request: is the
// subject still active, which roles does it have? id is a clone that it may
// change and return; only Scopes, Roles and Attributes of what it returns
// count, the rest stands as the credential proved it.
//
// Errors are as of [Verifier]: [Refused] for a user who is gone, anything that
// is no *Error for an outage (503). Here ErrNoCredential is a refusal, too:
// the credential was there. So a login page stands outside: under [Optional], too,
// a user who is gone is refused.
type EnrichFunc func(ctx context.Context, id *Identity) (*Identity, error)

// Enrich applies f to whom v knows, before any rule.
func Enrich(v Verifier, f EnrichFunc) Verifier {
	mustVerifier(v, "Enrich")
	if f == nil {
		panic("authn: Enrich with a nil EnrichFunc")
	}
	return &enriched{v, f}
}

type enriched struct {
	verifier Verifier
	f        EnrichFunc
}

func (e *enriched) Describe() Description { return describe(e.verifier) }

func (e *enriched) Verify(r *http.Request) (*Identity, error) {
	id, err := e.verifier.Verify(r)
	if err != nil || id == nil {
		return id, err
	}
	more, err := e.f(r.Context(), id.Clone())
	switch {
	case isAbsent(err):
		return nil, about(id, Refused("unknown subject", nil)) // without err, which would say that nothing was there
	case err != nil:
		return nil, about(id, err)
	case more == nil:
		return nil, internalError("an EnrichFunc answered neither an Identity nor an error")
	}
	merged := *id
	merged.Scopes, merged.Roles, merged.Attributes = more.Scopes, more.Roles, more.Attributes
	return &merged, nil
}

// about is err with id for the event, if it is a refusal that says of nobody.
func about(id *Identity, err error) error {
	e := AsError(err)
	if e.Status >= http.StatusInternalServerError || e.About != nil {
		return err
	}
	refusal := *e
	refusal.About, refusal.from = id, err
	return &refusal
}

const (
	maxEnrichTTL = time.Minute
	maxEnriched  = 10_000
)

// CacheEnrich remembers f's answers for ttl, by method, issuer, kind, subject
// and credential id: at most 10 000 of them, and none for an Identity without
// a CredentialID, whose scopes nothing would tell apart. Errors are not
// remembered. f must not depend on ctx, Factors or Pending, which are not part
// of the key. A user who is switched off is let in for up to ttl more, so ttl
// is at most 60 s; it panics beyond that and below 1 ns.
func CacheEnrich(f EnrichFunc, ttl time.Duration) EnrichFunc {
	if f == nil {
		panic("authn: CacheEnrich with a nil EnrichFunc")
	}
	if ttl <= 0 || ttl > maxEnrichTTL {
		panic("authn: CacheEnrich wants a ttl over 0 and of at most 60 s, not " + ttl.String())
	}
	answers := cache.New[string, *Identity](maxEnriched)
	return func(ctx context.Context, id *Identity) (*Identity, error) {
		if id.CredentialID == "" {
			return f(ctx, id)
		}
		key := enrichKey(id)
		now := time.Now()
		if known, ok := answers.Get(key, now); ok {
			return known.Clone(), nil
		}
		more, err := f(ctx, id)
		if err != nil || more == nil {
			return more, err
		}
		answers.Put(key, more.Clone(), now.Add(ttl), now)
		return more, nil
	}
}

// enrichKey has the length before each part, so that no two Identities share one.
func enrichKey(id *Identity) string {
	b := []byte{byte(id.Kind)}
	for _, part := range [...]string{id.Method, id.Issuer, id.Subject, id.CredentialID} {
		b = strconv.AppendInt(b, int64(len(part)), 10)
		b = append(b, ':')
		b = append(b, part...)
	}
	return string(b)
}
