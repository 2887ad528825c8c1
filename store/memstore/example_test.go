package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// follow lets a link be followed once. It asks for the one concern that it
// needs, so that any store will do.
func follow(ctx context.Context, claims store.Once, link string) string {
	now := time.Now()
	err := claims.ClaimOnce(ctx, "invitation", store.DigestOf(link), now.Add(time.Hour), now)
	switch {
	case err == nil:
		return "welcome"
	case errors.Is(err, store.ErrExists):
		return "this link was used before"
	default:
		return "try again later"
	}
}

// Everything but the line that makes the store is the same for all stores: for
// what must survive a restart, put a durable one in its place.
func ExampleNew() {
	ctx := context.Background()
	var st store.Store = memstore.New(memstore.Config{})
	if err := st.Open(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(follow(ctx, st, "https://example.com/join/4711"))
	fmt.Println(follow(ctx, st, "https://example.com/join/4711"))
	// Output:
	// welcome
	// this link was used before
}
