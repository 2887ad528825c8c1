package memstore

import (
	"context"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// passwords is store.PasswordTable. One lock does: what it guards takes less
// than a microsecond, and the hashing around it a hundred thousand times that.
type passwords struct {
	max       int
	mu        sync.RWMutex
	bySubject map[string]*store.Password
	byName    map[string]*store.Password // the same
}

func (p *passwords) init(max int) {
	p.max = max
	p.bySubject, p.byName = make(map[string]*store.Password), make(map[string]*store.Password)
}

// read is what is kept of key.
func (p *passwords) read(by map[string]*store.Password, key string) (store.Password, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	row, ok := by[key]
	if !ok {
		return store.Password{}, store.ErrNotFound
	}
	return *row, nil
}

// PasswordByName is of store.PasswordTable, as are the methods below.
func (p *passwords) PasswordByName(_ context.Context, name string) (store.Password, error) {
	return p.read(p.byName, name)
}

func (p *passwords) PasswordBySubject(_ context.Context, subject string) (store.Password, error) {
	return p.read(p.bySubject, subject)
}

func (p *passwords) ReplacePasswordHash(_ context.Context, subject, old, next string, _ time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	row, ok := p.bySubject[subject]
	if !ok || row.Hash != old {
		return store.ErrConflict
	}
	row.Hash = next
	return nil
}

func (p *passwords) CreatePassword(_ context.Context, row store.Password, _ time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bySubject[row.Subject] != nil || p.byName[row.Name] != nil {
		return store.ErrExists
	}
	if len(p.bySubject) >= p.max {
		return store.ErrFull
	}
	p.bySubject[row.Subject], p.byName[row.Name] = &row, &row
	return nil
}

func (p *passwords) DeletePassword(_ context.Context, subject string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if row, ok := p.bySubject[subject]; ok {
		delete(p.bySubject, subject)
		delete(p.byName, row.Name)
	}
	return nil
}
