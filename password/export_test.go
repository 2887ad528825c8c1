package password

import "context"

// Need is what verifying encoded would take, or why h refuses to.
func Need(h *Hasher, encoded string) (kib, threads int, err error) {
	s, err := h.read(encoded)
	return s.kib, s.threads, err
}

// Dummy and Rehash are for the Authenticator.
func Dummy(ctx context.Context, h *Hasher, password string) error {
	_, err := h.dummy(ctx, password)
	return err
}

func Rehash(ctx context.Context, h *Hasher, password string) (string, error) {
	return h.rehash(ctx, password)
}

// DeadHash is what Dummy verifies.
func DeadHash(h *Hasher) string { return h.dead }

// ErrStored is what errors of a stored hash wrap.
var ErrStored = errStored

// Queued is how many may wait for each slot.
const Queued = queued

// Used is how many slots are taken, and KiB, and threads.
func Used(h *Hasher) int {
	h.slots.mu.Lock()
	defer h.slots.mu.Unlock()
	return h.slots.running + h.slots.used.kib + h.slots.used.threads + h.slots.waiting.Len()
}
