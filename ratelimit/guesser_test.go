package ratelimit_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn/ratelimit"
)

// R10: the package's doc states what a guesser can reach who never rests. These
// are its figures.
func TestWhatAGuesserReaches(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name      string
		client    func(i int) *http.Request
		day, year int
	}{
		{"from one address", func(int) *http.Request { return client() }, 70, 18_300},
		{"from any number", func(i int) *http.Request {
			return from(fmt.Sprintf("2001:db8:%x:%x::1", i>>16&0xffff, i&0xffff))
		}, 75, 18_300},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := newAttempts(t, newLimits(), ratelimit.AttemptsConfig{})
				began, through, firstDay := time.Now(), 0, 0
				for i := 0; time.Since(began) < 365*day; i++ {
					refused, wait := guess(t, a, c.client(i), "ada", "")
					if refused {
						time.Sleep(wait)
						continue
					}
					through++
					if time.Since(began) < day {
						firstDay = through
					}
				}
				t.Logf("%d guesses in the first day, %d in the first year", firstDay, through)
				if firstDay > c.day || through > c.year {
					t.Errorf("%d and %d guesses, but the doc says %d and %d", firstDay, through, c.day, c.year)
				}
			})
		})
	}
}
