package memstore

import (
	"bytes"
	"context"
	"sync"

	"github.com/gatehouse-go/authn/store"
)

// providerTokens is store.ProviderTokens. One lock does: what it guards takes
// less than a microsecond, and the call to a provider around it a hundred
// thousand times that. What is answered is shared, so that it is replaced and
// never changed.
type providerTokens struct {
	max       int
	mu        sync.RWMutex
	n         int
	bySubject map[string]map[string][]byte // then by provider
}

func (p *providerTokens) init(max int) { p.max, p.bySubject = max, make(map[string]map[string][]byte) }

// ProviderToken is of store.ProviderTokens, as are the methods below.
func (p *providerTokens) ProviderToken(_ context.Context, subject, provider string) (sealed []byte, err error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if sealed, ok := p.bySubject[subject][provider]; ok {
		return sealed, nil
	}
	return nil, store.ErrNotFound
}

func (p *providerTokens) PutProviderToken(_ context.Context, subject, provider string, sealed []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	tokens := p.bySubject[subject]
	if _, ok := tokens[provider]; !ok {
		if p.n >= p.max {
			return store.ErrFull
		}
		p.n++
	}
	if tokens == nil {
		tokens = make(map[string][]byte)
		p.bySubject[subject] = tokens
	}
	tokens[provider] = bytes.Clone(sealed)
	return nil
}

func (p *providerTokens) ReplaceProviderToken(_ context.Context, subject, provider string, old, sealed []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	tokens := p.bySubject[subject]
	if there, ok := tokens[provider]; !ok || !bytes.Equal(there, old) {
		return store.ErrConflict
	}
	tokens[provider] = bytes.Clone(sealed)
	return nil
}

func (p *providerTokens) DeleteProviderToken(_ context.Context, subject, provider string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	tokens := p.bySubject[subject]
	if _, ok := tokens[provider]; !ok {
		return nil
	}
	p.n--
	if delete(tokens, provider); len(tokens) == 0 {
		delete(p.bySubject, subject)
	}
	return nil
}

func (p *providerTokens) DeleteProviderTokensOf(_ context.Context, subject string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n -= len(p.bySubject[subject])
	delete(p.bySubject, subject)
	return nil
}
