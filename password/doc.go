// Package password is for passwords over the host's own users: logging in,
// asking again, changing and resetting, and the tokens of links in mails. Start
// with [New] and [Authenticator.Authenticate]; [store.Passwords] is what a host
// implements over its table of users.
//
//	users, err := password.New(table, attempts, password.Config{Revoke: sessions, OneTime: links})
//	hash, err := users.Prepare(ctx, typed, password.About{Email: email}) // to register
//	id, err := users.Authenticate(r, email, typed)                       // then session's Login or jwtauth's Issue
//	id, err = users.Change(r, id.Subject, typed, next, password.About{Email: email})
//	err = users.Forgot(r, email, send)
//	subject, err := users.Reset(r, token, next, password.About{Email: email})
//
// attempts is a ratelimit.Attempts, which counts the guesses; links is a
// [OneTime]. [Policy] says what a new password has to be.
//
// A [Hasher] alone is for hosts that have a login of their own, and takes any
// password:
//
//	hasher, err := password.NewHasher(password.HasherConfig{Pepper: keychain})
//	hash, err := hasher.Hash(ctx, "correct horse battery staple") // argon2id, a PHC string
//	v, err := hasher.Verify(ctx, hash, typed)
//	if v.OK && v.NeedsRehash {
//		// store hasher.Hash(ctx, typed) instead, if it is still the same
//	}
//
// # Hashes
//
// New hashes are argon2id at 64 MiB, 3 passes and 4 threads: about a tenth of a
// second. See [Params] for smaller machines. Hashes of bcrypt verify as well;
// those of Django, passlib, scrypt and htpasswd do where [HasherConfig].Schemes
// says so, and a host's own [Scheme] does. All are replaced when their owner
// logs in the next time, and so are those of other parameters or of an older
// pepper.
//
// A peppered hash names its key: as keyid= among the parameters of argon2id, and
// as keyid=KEY before a bcrypt hash, which other software must take off, and can
// not verify without the pepper. What is hashed is then the HMAC-SHA-256 of the
// password, for bcrypt in base64 without padding.
//
// # Load
//
// Hashing is what a flood of logins would exhaust a machine by. So it happens a
// few at a time, by memory and by processors, and the others wait in order of
// arrival, as long as their context lives. The queue is bounded, too: who finds
// it full is answered 503 with Retry-After by [ErrBusy], never 401. One Hasher
// serves the whole process.
//
// # Security
//
// Passwords are UTF-8 of up to 1024 bytes, normalised (NFC); nothing is cut off
// silently. A stored hash is refused by its form before memory is allocated for
// it: whoever can write to the table must not stop the service. Nothing of a
// password or a hash is in an error.
//
// bcrypt is here for tables that other software reads. It reads 72 bytes, so
// that longer new passwords are an error there.
//
// A pepper helps when the table is stolen without the keys; it is no substitute
// for a slow hash. When its key is lost, all passwords are.
package password
