package password_test

import (
	"errors"
	"fmt"

	"github.com/gatehouse-go/authn/password"
)

// What is wrong comes all at once, in codes that a host words in its users'
// languages.
func ExamplePolicy_Check() {
	words := map[string]string{
		"too_short": "Use %d characters or more.",
		"common":    "This is one of the first passwords that are tried.",
		"similar":   "This is made of your %s.",
	}
	word := func(v password.Violation) string {
		switch v.Code {
		case "too_short":
			return fmt.Sprintf(words[v.Code], v.Args["min"])
		case "similar":
			return fmt.Sprintf(words[v.Code], v.Args["to"])
		}
		return words[v.Code]
	}
	about := password.About{Name: "ada", Email: "ada.vanterpool@example.com", Service: "acme"}
	for _, next := range []string{"P@ssw0rd1", "Vanterpool1815", "harbour osprey teapot"} {
		err := password.NIST().Check(next, about)
		if weak, ok := errors.AsType[*password.PolicyError](err); ok {
			for _, v := range weak.Violations {
				fmt.Println(next+":", word(v))
			}
			continue
		}
		fmt.Println(next + ": good")
	}
	// Output:
	// P@ssw0rd1: Use 15 characters or more.
	// P@ssw0rd1: This is one of the first passwords that are tried.
	// Vanterpool1815: Use 15 characters or more.
	// Vanterpool1815: This is made of your email.
	// harbour osprey teapot: good
}
