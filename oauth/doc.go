// Package oauth is "log in with …": people come by an account that they have at
// Google, GitHub, their company or any OpenID provider. Start with [NewLogin].
//
//	login, err := oauth.NewLogin(keychain, oauth.Config{
//		BaseURL:   "https://app.example/auth",
//		Providers: []oauth.Provider{oauth.Google(id, secret)},
//		OnLogin:   onLogin, // finds or creates the user, and calls session.Manager.Login
//	})
//	mux.Handle("/auth/", login)
//
// (Beside a pattern "GET /" that is "GET /auth/" and "POST /auth/".) A link to
// /auth/google/login?return_to=/orders starts a login, and
// https://app.example/auth/google/callback is the redirect URI to register at the
// provider. There is one for each provider, and none is ever made of a request's
// Host.
//
// # The flow
//
// It is the authorization code flow with PKCE by S256, state and nonce (RFC 6749,
// 7636, 9207, 9700 and OpenID Connect Core), each flow in a cookie of its own,
// which is sealed, lasts 10 min and ends at the callback, whatever the outcome. Up
// to four may be under way in one browser. There is one token request for a login,
// and no way to go without PKCE.
//
// The cookie is __Host-, Secure and HttpOnly. Browsers keep such a cookie from
// https only; most take it from http://localhost. It is SameSite=Lax. A provider
// that answers by a form (response_mode=form_post; Apple) makes a POST from another
// site, without cookies, which is sent on to where they are.
// http.CrossOriginProtection, session.Manager.Protect
// among it, must let that callback pass: mount the Login outside of it, or
//
//	protection.AddInsecureBypassPattern("POST /auth/apple/callback")
//
// # Answers
//
// Errors go to Config.OnError, as [authn.Error]s with fixed codes and nothing of
// the provider's: 400 invalid_request; 401 login_expired (begun too long ago, in
// another browser or at another provider, or finished already), login_failed (what the provider answered
// does not hold), access_denied (the user said no) and login_required (of
// prompt=none); 404 not_found; 405 method_not_allowed; 503 unavailable, with
// Retry-After. What was wrong is in the event. The request that OnError gets has
// the flow's return path as its URL, not the callback's, so that [authn.Pages]
// sends a browser back to the login page with the way back.
//
// # Accounts
//
// A [Profile] is found again by (Issuer, Subject) and by nothing else. Never look
// for a user by the e-mail address: a provider may let people claim addresses that
// are not theirs, addresses pass to others, and who registers here first with
// somebody's address would be let into what that person later does (account
// pre-hijacking). Who has an account already links a provider to it while signed
// in: [Login.Link].
//
// # Tokens
//
// With Config.Tokens, [Login.SaveToken] keeps what lets the service call the
// provider's API as the user, sealed; [Login.TokenSource] refreshes it.
package oauth
