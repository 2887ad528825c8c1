// Package totp is the second factor: codes of an app (TOTP, RFC 6238), recovery
// codes, and browsers that may skip them. Start with [New], and give
// [Manager.Owed] to session and jwtauth: then whoever is enrolled owes "otp",
// whichever way they came in, and is nobody until it is proven.
//
//	codes, err := totp.New(st, keychain, totp.Config{Issuer: "Acme"})
//	sessions, err := session.New(st, session.Config{Owed: codes.Owed})
//	site.Handle("/login/otp", guard.Require(authn.AllowPending("otp"))(codes.Challenge(sessions, page)))
//
// A user enrols by [Manager.Begin], which shows a QR code, and [Manager.Confirm],
// which takes the first code and answers recovery codes to keep. Routes that a
// stolen session must not reach are behind authn.Within(d, "otp").
//
// # Codes
//
// They are of 6 digits and 30 s, over HMAC-SHA-1: what all apps can do. Google
// Authenticator and others ignore what the QR code says of algorithm, digits and
// period, and show wrong codes for anything else; [Config] can ask for 8 digits
// and SHA-256 where the apps are known. Spaces and hyphens are taken off. The
// code of the step before and of the next one are taken, too, so that a phone's
// clock may be 30 s off. Instances must agree on the time to a few seconds.
//
// A code is good once, on whichever instance: the store moves on the step that was
// accepted last, and takes no code of it or of an older one, not even for another
// enrolment.
//
// # Guessing
//
// Each code is counted as wrong before it is looked at. Who calls Verify has
// proven something else, a password say; guesses are counted apart from those at
// passwords, and no right password clears them. After 5 wrong ones in a row each
// one makes the next wait: 30 s, then twice as long, up to 15 min; a right code
// ends that. After 100 in a row, or 200 within 30 days of the first of them
// whatever was right in between, codes stop, until their owner uses a recovery
// code or an operator calls [Manager.Reset].
//
// Of a million codes three are right at a time. Who has the password and never
// rests guesses one with a chance of
//
//   - 0.03 % ever, while the owner does not log in: 1-(1-3/10^6)^100;
//   - 0.12 % in a day and 0.78 % in a year, while the owner logs in often enough
//     that no row gets too long: at most two times 200 guesses in a day, where two
//     periods of 30 days meet, and 13 times 200 in a year. 1-(1-3/10^6)^2600 is
//     below 0.8 %.
//
// A recovery code that is used, and a Reset, begin a new count: up to 200 guesses,
// or 0.06 %, more each. Whose codes were stopped should change their password,
// which somebody knows; the event "locked" says so. With 8 digits all of this is
// a hundredth.
//
// Recovery codes have 80 random bits. Wrong ones make the next one wait, in a count
// of their own, and never stop. Who has the password can keep both counts waiting,
// and the owner out, until it is changed: with it go all half logins.
//
// # Security
//
// Secrets lie in the store sealed by the [authn.Keychain], each for its subject
// only, and recovery codes as digests under a key that is sealed with the secret. A
// secret is sealed again, by the newest key, when its owner uses a code; an old key
// can be dropped once all have. Without its key an enrolment is an outage, never a
// way in: Reset ends it.
//
// Nothing here helps against a page that looks like the service and passes a code
// on at once. Only passkeys do.
//
// Confirm ends no session. A service that wants whatever began without a code to
// end calls session.Manager.RevokeOthers and jwtauth.Issuer.RevokeSubject then.
//
// A trusted device is a cookie that its thief can use as well, with the password. It
// proves no factor, so that authn.Within still asks.
package totp
