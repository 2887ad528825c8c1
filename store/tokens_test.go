package store_test

import (
	"testing"

	"github.com/gatehouse-go/authn/store"
)

// Tags are in refresh tokens, cookies and the keys of Redis: they never change.
func TestTagOf(t *testing.T) {
	for subject, want := range map[string]string{"": "47DEQpj8", "ann": "SZFeDX1L"} {
		if got := store.TagOf(subject); got != want {
			t.Errorf("TagOf(%q) = %q, want %q", subject, got, want)
		}
	}
}

// An issuer and an id are told apart: neither may lend the other a byte.
func TestTokenRefDigest(t *testing.T) {
	a := store.TokenRef{Issuer: "https://a", ID: "b"}
	for _, other := range []store.TokenRef{
		{Issuer: "https://", ID: "ab"}, {Issuer: "https://ab"}, {ID: "https://ab"}, {Issuer: "https://a", ID: "c"},
	} {
		if a.Digest() == other.Digest() {
			t.Errorf("%+v and %+v have one digest", a, other)
		}
	}
	same := a
	same.Subject, same.Family, same.Version = "ann", "f", 2
	if a.Digest() != same.Digest() {
		t.Error("the digest is of more than Issuer and ID")
	}
}
