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
	usual map[kindOfHash]time.Duration
	mixed bool
}

// kindOfHash is what hashes have in common that take equally long.
type kindOfHash struct {
	scheme  string
	current bool
}

// share is how much one measurement moves the usual one.
const share = 8

// saw learns how long a hash of c's kind takes.
func (p *padding) saw(c comparison) {
	took := c.took
	if took <= 0 {
		return
	}
	kind := kindOfHash{c.Scheme, c.current}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.usual == nil {
		p.usual = make(map[kindOfHash]time.Duration)
	}
	if old, ok := p.usual[kind]; ok {
		took = old + (took-old)/share
	}
	p.usual[kind] = took
	p.mixed = p.mixed || !c.current
}

// wait waits for what is missing from took to the slowest, or until ctx ends.
func (p *padding) wait(ctx context.Context, took time.Duration) {
	var slowest time.Duration
	p.mu.Lock()
	if p.mixed && took > 0 {
		for _, d := range p.usual {
			slowest = max(slowest, d)
		}
	}
	p.mu.Unlock()
	pause(ctx, slowest-took)
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
