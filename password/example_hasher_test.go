package password_test

import (
	"context"
	"fmt"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
)

// A service takes over the users of a Django application. Their hashes verify,
// and each is replaced when its owner logs in.
func ExampleHasher() {
	hasher := authn.Must(password.NewHasher(password.HasherConfig{
		Argon2:  password.Argon2Small(), // for small machines
		Schemes: password.Django(),
	}))
	ctx := context.Background()

	stored := "pbkdf2_sha256$1000$p4z4CkXKbBq8XyeuornE30$FA4PB5ju0/1HEIDnoe/ZL9XCvZ5tInUs3kPT6skDy4g="
	for range 2 {
		v, err := hasher.Verify(ctx, stored, "pässword")
		fmt.Printf("%+v %v\n", v, err)
		if v.OK && v.NeedsRehash {
			stored = authn.Must(hasher.Hash(ctx, "pässword"))
		}
	}
	fmt.Println(stored[:len("$argon2id$v=19$m=19456,t=2,p=1$")])

	_, err := hasher.Verify(ctx, "$argon2id$v=19$m=4294967295,t=9,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA", "pässword")
	fmt.Println(err)

	// Output:
	// {OK:true NeedsRehash:true Scheme:django-pbkdf2-sha256} <nil>
	// {OK:true NeedsRehash:false Scheme:argon2id} <nil>
	// $argon2id$v=19$m=19456,t=2,p=1$
	// authn/password: a stored hash is malformed or out of bounds: argon2id: memory times time: at most 4194304 KiB are allowed
}
