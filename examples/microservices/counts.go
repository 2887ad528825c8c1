package main

import (
	"fmt"
	"net/http"
)

// counts are what came of the traffic.
type counts struct {
	requests       int
	oldKey, newKey int // served since the rotation, by the key of the token
	before         int // of the revoked client's, served until that was asked for
	between        int // of its own until the answer: either is right
	after          int // of its own since the answer, refused
	noToken        int // of these, for another token
	others         int // of the other client's since the answer, served
	wronglyRefused int
	wronglyLetIn   int
	failed         int // anything else: an outage, or no answer
}

// count judges each request by when it was sent and when it was answered. Revoked
// is the client that was disabled.
func count(shots []shot, rotation, revocation span, revoked string) (c counts) {
	oldKey := ""
	for _, s := range shots {
		c.requests++
		if oldKey == "" && s.ended < rotation.asked {
			oldKey = s.kid
		}
		own, late := s.client == revoked, s.began > revocation.answered
		switch {
		case own && !late && s.ended > revocation.asked:
			c.between++
			continue
		case own && late && s.status == http.StatusUnauthorized:
			c.after++
			if s.kid == "" {
				c.noToken++
			}
			continue
		case s.status == http.StatusUnauthorized:
			c.wronglyRefused++
			continue
		case s.status != http.StatusOK:
			c.failed++
			continue
		case own && late:
			c.wronglyLetIn++
			continue
		case own:
			c.before++
		case late:
			c.others++
		}
		switch {
		case s.kid == "" || s.began < rotation.answered:
		case s.kid == oldKey:
			c.oldKey++
		default:
			c.newKey++
		}
	}
	return c
}

// String is for a visitor.
func (c counts) String() string {
	return fmt.Sprintf(`
Then %d requests of two clients, while the signing key was rotated and one client disabled:
  since the rotation       %5d served by a token of the old key
                           %5d by one of the new key
  the disabled client      %5d served before
                           %5d while it was being disabled, when either answer is right
                           %5d refused since that was answered, %d of them for another token
  the other client         %5d served since
  wrongly refused          %5d
  wrongly let in           %5d
  not answered             %5d
`, c.requests, c.oldKey, c.newKey, c.before, c.between, c.after, c.noToken, c.others, c.wronglyRefused, c.wronglyLetIn, c.failed)
}

// check is an error of a count that is not what it must be. One of the last that is
// zero would have shown nothing.
func (c counts) check() error {
	for _, must := range []struct {
		what string
		ok   bool
	}{
		{"wrongly let in", c.wronglyLetIn == 0},
		{"wrongly refused", c.wronglyRefused == 0},
		{"not answered", c.failed == 0},
		{"none served by a token of the old key", c.oldKey > 0},
		{"none served by a token of the new key", c.newKey > 0},
		{"none of the disabled client served before", c.before > 0},
		{"none of the disabled client refused since", c.after > c.noToken},
		{"no token refused to the disabled client since", c.noToken > 0},
		{"none of the other client served since", c.others > 0},
	} {
		if !must.ok {
			return fmt.Errorf("not what it must be: %s", must.what)
		}
	}
	return nil
}
