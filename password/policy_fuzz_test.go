package password_test

import (
	"reflect"
	"slices"
	"testing"

	"github.com/gatehouse-go/authn/password"
)

// P9: whatever is typed, the answer is the same each time, in the order that is
// documented, and nothing panics.
func FuzzPolicy(f *testing.F) {
	order := []string{"too_long", "not_text", "too_short", "classes", "common", "similar", "breached"}
	f.Fuzz(func(t *testing.T, pw, name, email, service string) {
		about := password.About{Name: name, Email: email, Service: service}
		for _, p := range []password.Policy{{}, password.Classic(), {MinLength: 8, Forbidden: []string{service, name}}} {
			vs := violations(t, p, pw, about)
			if again := violations(t, p, pw, about); !reflect.DeepEqual(vs, again) {
				t.Errorf("%v, and then %v", vs, again)
			}
			last := 0
			for _, v := range vs {
				at := slices.Index(order, v.Code)
				if at < last {
					t.Errorf("%v are not in order", vs)
				}
				last = at
			}
		}
	})
}
