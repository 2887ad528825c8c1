package password

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gatehouse-go/authn"
)

// Violation is one thing that is wrong with a new password, for the host to
// word in its users' languages. Nothing in it is of the password. The codes,
// in the order in which a [PolicyError] has them, and their Args:
//
//   - "too_long" {"max": 1024}: more bytes than this, 72 where new hashes are
//     bcrypt; nothing else is looked at
//   - "not_text" {}: invalid UTF-8, or a NUL; nothing else is looked at
//   - "too_short" {"min": 15}: fewer code points, in NFC
//   - "classes" {"min": 4, "have": 2}: fewer of lower case, upper case, digits
//     and others
//   - "common" {}: a common password, or a trivial variant of one
//   - "similar" {"to": "name"}: made mostly of the user's name, "email",
//     "service" or a "forbidden" word; one Violation for each of them
//   - "breached" {"count": 3730471}: so often in breaches that are public
type Violation struct {
	Code string         `json:"code"`
	Args map[string]any `json:"args,omitempty"`
}

func tooLong(most int) Violation {
	return Violation{Code: "too_long", Args: map[string]any{"max": most}}
}

// PolicyError is all that is wrong with a new password. It wraps an
// *[authn.Error], so that [authn.WriteError] answers 422 weak_password.
type PolicyError struct {
	// Violations has one at least.
	Violations []Violation
}

// Error names the codes.
func (e *PolicyError) Error() string {
	codes := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		codes[i] = v.Code
	}
	return "authn/password: a new password is refused: " + strings.Join(codes, ", ")
}

// Unwrap is the *authn.Error.
func (e *PolicyError) Unwrap() error { return errWeak }

var errWeak = &authn.Error{
	Status: http.StatusUnprocessableEntity, Code: "weak_password", Reason: "weak password",
	Err: errors.New("authn/password: a new password is refused"),
}
