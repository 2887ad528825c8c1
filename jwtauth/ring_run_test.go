package jwtauth_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
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

// J14: Run without RotateEvery is a mistake.
func TestRunNeedsRotateEvery(t *testing.T) {
	if err := newRingService(t).instance().Run(t.Context()); err == nil || err.Error() != "authn/jwtauth: Run needs RingConfig.RotateEvery" {
		t.Error(err)
	}
}
