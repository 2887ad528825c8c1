package oauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
)

const githubAPI = "https://api.github.com"

// GitHub is named "github". It is plain OAuth 2: Subject is the numeric id, since a
// login name may pass to others, and Issuer "https://github.com". Email is the
// primary address, if GitHub has verified it, else "".
// https://docs.github.com/apps/oauth-apps/building-oauth-apps/authorizing-oauth-apps
func GitHub(id string, secret authn.Secret) Provider {
	p := OAuth2("github", oauth2.Config{
		ClientID: id, ClientSecret: secret.Reveal(), Scopes: []string{"read:user", "user:email"},
		Endpoint: oauth2.Endpoint{
			AuthURL: "https://github.com/login/oauth/authorize", TokenURL: "https://github.com/login/oauth/access_token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}, githubProfile)
	p.spec.revoke = func(ctx context.Context, c *http.Client, token string) error {
		return githubRevoke(ctx, c, id, secret, token)
	}
	return p
}

func githubProfile(ctx context.Context, c *http.Client) (Profile, error) {
	var claims map[string]any
	if err := getJSON(ctx, c, githubAPI+"/user", &claims); err != nil {
		return Profile{}, err
	}
	number, _ := claims["id"].(json.Number)
	id, err := strconv.ParseInt(number.String(), 10, 64)
	if err != nil || id <= 0 {
		return Profile{}, errors.New("the user has no numeric id")
	}
	p := Profile{Subject: strconv.FormatInt(id, 10), Claims: claims}
	p.Name, _ = claims["name"].(string)
	if p.Name == "" {
		p.Name, _ = claims["login"].(string)
	}
	p.Picture, _ = claims["avatar_url"].(string)
	p.Email, err = githubEmail(ctx, c)
	p.EmailVerified = p.Email != ""
	return p, err
}

// githubEmail is the primary address, if it is verified. The "email" of /user is
// what the user shows to the public, of which nothing is said.
func githubEmail(ctx context.Context, c *http.Client) (string, error) {
	var emails []struct {
		Email             string `json:"email"`
		Primary, Verified bool
	}
	err := getJSON(ctx, c, githubAPI+"/user/emails?per_page=100", &emails)
	if status := (statusError{}); errors.As(err, &status) && !status.limited && (status.code == http.StatusForbidden || status.code == http.StatusNotFound) {
		return "", nil // the scope user:email, or an App's permission, was not granted
	}
	if err != nil {
		return "", err
	}
	for _, e := range emails {
		if e.Primary && e.Verified {
			return e.Email, nil
		}
	}
	return "", nil
}

// githubRevoke ends the grant of the user, and with it all its tokens.
func githubRevoke(ctx context.Context, c *http.Client, id string, secret authn.Secret, token string) error {
	body, err := json.Marshal(map[string]string{"access_token": token})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, fmt.Sprintf("%s/applications/%s/grant", githubAPI, id), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth(id, secret.Reveal())
	req.Header.Set("Accept", "application/vnd.github+json")
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	return revoked(resp, err, http.StatusNotFound, http.StatusUnprocessableEntity)
}
