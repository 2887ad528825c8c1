package password

import (
	"context"
	"sync"
	"time"
)

// padding makes all failures last as long as one at the slowest hash that is
// in use: else who has an older hash could be told from who is unknown. While
// all hashes are as new ones are, there is nothing to hide.
type padding struct {
	mu    sync.Mutex
	usual map[kindOfHash]time.Duration // of one password
	mixed bool
}

// kindOfHash is what hashes have in common that take equally long: tables have
// one scheme at many costs, since these rose with the years.
type kindOfHash struct {
	scheme             string
	kib, threads, cost int
}

// maxKinds bounds what a hostile table fills.
const maxKinds = 256

// share is how much one measurement moves the usual one.
const share = 8

// saw learns how long a hash of c's kind takes.
func (p *padding) saw(c comparison) {
	if c.took <= 0 {
		return
	}
	took, kind := c.took/time.Duration(c.tries), c.kind
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.usual == nil {
		p.usual = make(map[kindOfHash]time.Duration)
	}
	old, ok := p.usual[kind]
	switch {
	case ok:
		p.usual[kind] = old + (took-old)/share
	case len(p.usual) < maxKinds:
		p.usual[kind] = took
	}
	p.mixed = p.mixed || !c.current
}

// wait waits for what c lacks to as many tries of the slowest, or until ctx
// ends.
func (p *padding) wait(ctx context.Context, c comparison) {
	var slowest time.Duration
	p.mu.Lock()
	if p.mixed && c.took > 0 {
		for _, d := range p.usual {
			slowest = max(slowest, d)
		}
	}
	p.mu.Unlock()
	pause(ctx, slowest*time.Duration(c.tries)-c.took)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
