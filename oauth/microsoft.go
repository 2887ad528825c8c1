package oauth

import (
	"errors"
	"slices"
	"strings"

	"github.com/gatehouse-go/authn"
)

const microsoftHost = "https://login.microsoftonline.com/"

// Microsoft is named "microsoft" and lets in who belongs to one of these tenants
// (Entra ID directories), which are GUIDs; personal accounts are of tenant
// 9188040d-6c67-4c5b-b112-36a304b66dad. Issuer names the tenant,
// and Subject is of this client id: another registration has other Subjects.
// https://learn.microsoft.com/entra/identity-platform/id-token-claims-reference
//
// EmailVerified is never true: an administrator of any tenant can write any address
// into an account.
func Microsoft(id string, secret authn.Secret, tenants ...string) Provider {
	tenants = slices.Clone(tenants)
	for i, t := range tenants {
		tenants[i] = strings.ToLower(t)
	}
	p := OIDC("microsoft", microsoftHost+"common/v2.0", id, secret)
	p.spec.published = microsoftHost + "{tenantid}/v2.0"
	if len(tenants) == 0 || slices.ContainsFunc(tenants, func(t string) bool { return !isGUID(t) }) {
		p.spec.err = errors.New("name the tenants that it lets in, each a GUID")
		return p
	}
	if len(tenants) == 1 {
		p.spec.issuer, p.spec.published = microsoftHost+tenants[0]+"/v2.0", ""
	} else {
		p.spec.keyIssuer = microsoftKeyIssuer
	}
	p.spec.issuers = func(iss string) string {
		for _, t := range tenants {
			if iss == microsoftHost+t+"/v2.0" {
				return iss
			}
		}
		return ""
	}
	p.spec.adjust = func(p *Profile) { p.EmailVerified = false }
	return p
}

// microsoftKeyIssuer is for the keys of all tenants, each of which says whose tokens
// it signs: that of personal accounts must not sign for a directory.
// https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-the-signing-key-issuer
func microsoftKeyIssuer(of, iss string) bool {
	tenant := strings.TrimSuffix(strings.TrimPrefix(iss, microsoftHost), "/v2.0")
	return strings.NewReplacer("{tenantid}", tenant, "{tenantId}", tenant).Replace(of) == iss
}

// isGUID reports whether s is 8-4-4-4-12 hexadecimal digits in lower case.
func isGUID(s string) bool {
	for i, c := range []byte(s) {
		hyphen := i == 8 || i == 13 || i == 18 || i == 23
		if hyphen != (c == '-') || !hyphen && !strings.ContainsRune("0123456789abcdef", rune(c)) {
			return false
		}
	}
	return len(s) == 36
}
