package jwtauth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// J14: Run rotates by age, one instance of several, and goes on after errors.
func TestRunRotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		config := func(cfg *jwtauth.RingConfig) { cfg.RotateEvery = 30 * 24 * time.Hour }
		instances := []*ringInstance{s.instance(config), s.instance(config)}
		instances[0].signing()
		first := time.Now()
		time.Sleep(17 * time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		for _, i := range instances {
			i.st.delay.Store(int64(time.Millisecond))
			go func() { done <- i.Run(ctx) }()
		}
		time.Sleep(time.Until(first.Add(30*24*time.Hour - time.Minute)))
		if n := len(s.events.Events(authn.EventRotated)); n != 0 {
			t.Errorf("%d rotations before it is due", n)
		}
		time.Sleep(2 * time.Minute)
		if n := len(s.events.Events(authn.EventRotated)); n != 1 {
			t.Errorf("%d rotations when it is due, want 1", n)
		}
		before := instances[0].st.lists.Load()
		time.Sleep(24 * time.Hour)
		if n := instances[0].st.lists.Load() - before; n > 25 {
			t.Errorf("%d reads a day", n)
		}
		time.Sleep(29*24*time.Hour - 2*time.Minute)
		for _, i := range instances {
			i.st.down.Store(true)
		}
		time.Sleep(time.Hour)
		if n := len(s.events.Events(authn.EventRotated)); n != 1 {
			t.Errorf("%d rotations", n)
		}
		if n := len(s.events.Events(authn.EventOutage)); n < 2 || n > 130 {
			t.Errorf("%d outages in an hour", n)
		}
		instances[1].st.down.Store(false)
		time.Sleep(2 * time.Minute)
		if n := len(s.events.Events(authn.EventRotated)); n != 2 {
			t.Errorf("%d rotations after the outage, want 2", n)
		}
		cancel()
		for range instances {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// J14: where Run cannot rotate, that is an event, and it tries again after a minute;
// when it is told to end, that is none.
func TestRunTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		ring := s.instance(func(cfg *jwtauth.RingConfig) { cfg.RotateEvery = 2 * time.Hour })
		ring.signing()
		time.Sleep(2 * time.Hour)
		full := store.ErrFull
		ring.st.addError.Store(&full)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- ring.Run(ctx) }()
		time.Sleep(time.Minute - 1)
		if e := s.events.Events(authn.EventOutage); len(e) != 1 || e[0].Reason != "key rotation" || !errors.Is(e[0].Err, full) {
			t.Errorf("events %+v", e)
		}
		ring.st.addError.Store(nil)
		time.Sleep(time.Nanosecond)
		if synctest.Wait(); len(s.events.Events(authn.EventRotated)) != 1 {
			t.Errorf("%d rotations after a minute", len(s.events.Events(authn.EventRotated)))
		}
		ring.st.delay.Store(int64(2 * time.Second))
		time.Sleep(time.Hour + time.Second) // it looks, and waits for the store
		cancel()
		if err := <-done; err != nil || len(s.events.Events(authn.EventOutage)) != 1 {
			t.Errorf("%v, events %+v", err, s.events.Events(authn.EventOutage))
		}
		time.Sleep(time.Minute)
	})
}

// J14: Run without RotateEvery is a mistake.
func TestRunNeedsRotateEvery(t *testing.T) {
	if err := newRingService(t).instance().Run(t.Context()); err == nil || err.Error() != "authn/jwtauth: Run needs RingConfig.RotateEvery" {
		t.Error(err)
	}
}
