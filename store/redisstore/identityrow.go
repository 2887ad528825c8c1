package redisstore

import (
	"fmt"
	"time"

	"github.com/gatehouse-go/authn"
)

// joinIdentity writes names and values of the fields that are not zero, but for
// the Subject, which is of the login. It is not JSON, since reading that takes
// as long as half of a round trip. Like there, a name that is not known is
// passed over.
func joinIdentity(id authn.Identity) (string, error) {
	kind, err := id.Kind.MarshalText()
	if err != nil {
		return "", fmt.Errorf("authn/redisstore: Session.Identity: %w", err)
	}
	var all []string
	set := func(name, value string) {
		if value != "" {
			all = append(all, name, value)
		}
	}
	var factors, attributes []string
	for _, f := range id.Factors {
		factors = append(factors, f.Name, at(f.At))
	}
	for name, value := range id.Attributes {
		attributes = append(attributes, name, value)
	}
	set("kind", string(kind))
	set("method", id.Method)
	set("issuer", id.Issuer)
	set("credential", id.CredentialID)
	set("scopes", join(id.Scopes...))
	set("roles", join(id.Roles...))
	set("factors", join(factors...))
	set("pending", join(id.Pending...))
	set("expires", at(id.ExpiresAt))
	set("attributes", join(attributes...))
	return join(all...), nil
}

// kindUser is nearly every kind, and need not be copied to be read.
var kindUser = authn.KindUser.String()

// identity reads what joinIdentity has written.
func (r *textReader) identity(id *authn.Identity) {
	for r.rest != "" {
		name := r.text()
		value := textReader{rest: r.text()}
		switch name {
		case "kind":
			if id.Kind = authn.KindUser; value.rest != kindUser {
				value.err = id.Kind.UnmarshalText([]byte(value.rest))
			}
		case "method":
			id.Method = value.rest
		case "issuer":
			id.Issuer = value.rest
		case "credential":
			id.CredentialID = value.rest
		case "scopes":
			id.Scopes = value.texts()
		case "roles":
			id.Roles = value.texts()
		case "factors":
			id.Factors = make([]authn.Factor, 0, 2)
			for value.rest != "" {
				id.Factors = append(id.Factors, authn.Factor{Name: value.text(), At: value.time()})
			}
		case "pending":
			id.Pending = value.texts()
		case "expires":
			id.ExpiresAt = value.micros()
		case "attributes":
			id.Attributes = make(map[string]string)
			for value.rest != "" {
				id.Attributes[value.text()] = value.text()
			}
		}
		if r.err == nil {
			r.err = value.err
		}
	}
}

func (r *textReader) texts() (all []string) {
	for r.rest != "" {
		all = append(all, r.text())
	}
	return all
}

// at is "" for the zero time.
func at(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return micros(t)
}
