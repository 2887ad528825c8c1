package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/oauth/tokenserver"
)

// walk sends the calls, and then changes keys and revokes under load. The first
// answer that is not what it has to be is the error, and so is a count.
func (h *house) walk(ctx context.Context, out io.Writer) error {
	if err := h.calls.Walk(ctx, out); err != nil {
		return err
	}
	c, err := h.underLoad(ctx)
	if err != nil {
		return err
	}
	fmt.Fprint(out, c)
	return c.check()
}

// hands are how many of each client send at once.
const hands = 4

// underLoad rotates the signing key and then disables a client, while that one and
// the worker send.
func (h *house) underLoad(ctx context.Context) (counts, error) {
	h.quiet.Store(true) // from here on it would be a line for each refusal
	account, secret, err := h.auth.clients.CreateClient(ctx, tokenserver.Client{Name: "courier", Scopes: []string{"orders:read"}, Audience: []string{forOrders}})
	if err != nil {
		return counts{}, err
	}
	courier := newWorker(account.ID, secret, h.clients[""], h.auth.url, h.orders)

	t := &traffic{shots: make(chan shot)}
	var all sync.WaitGroup
	defer all.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for range hands {
		all.Go(func() { t.send(ctx, h.worker) })
		all.Go(func() { t.send(ctx, courier) })
	}
	rotation, err := t.during(ctx, func() error {
		err := h.admin(ctx, "/admin/rotate")
		h.ahead.Add(int64(publish + time.Minute)) // when it signs, which nobody need wait for here
		return err
	})
	if err != nil {
		return counts{}, err
	}
	revocation, err := t.during(ctx, func() error { return h.admin(ctx, "/admin/clients/"+account.ID+"/disable") })
	if err != nil {
		return counts{}, err
	}
	return count(t.seen, rotation, revocation, account.ID), nil
}

// admin is what an operator does.
func (h *house) admin(ctx context.Context, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.auth.url+path, nil)
	if err != nil {
		return err
	}
	resp, err := h.clients["operator"].Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("%s: %s", path, resp.Status)
	}
	return nil
}
