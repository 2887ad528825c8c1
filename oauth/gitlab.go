package oauth

import (
	"strings"

	"github.com/gatehouse-go/authn"
)

// GitLab is named "gitlab", at base: "https://gitlab.example", "" for gitlab.com.
// https://docs.gitlab.com/integration/openid_connect_provider/
func GitLab(base, id string, secret authn.Secret) Provider {
	if base == "" {
		base = "https://gitlab.com"
	}
	return OIDC("gitlab", strings.TrimRight(base, "/"), id, secret)
}
