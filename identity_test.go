package authn_test

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
)

var update = flag.Bool("update", false, "rewrite golden files")

func full() *authn.Identity {
	at := time.Date(2026, 11, 22, 12, 34, 56, 789012000, time.UTC)
	return &authn.Identity{
		Subject: "ada", Kind: authn.KindUser, Method: "session", Issuer: "https://id.example", CredentialID: "s1",
		Scopes: []string{"orders:read"}, Roles: []string{"editor"},
		Factors: []authn.Factor{{Name: "pwd", At: at}}, Pending: []string{"otp"},
		VerifiedAt: at, ExpiresAt: at.Add(time.Hour), Attributes: map[string]string{"tenant": "acme"}, Credential: "not persisted",
	}
}

// C13: the persisted form does not change: old sessions must stay readable.
func TestIdentityJSONIsGolden(t *testing.T) {
	minimal := &authn.Identity{Subject: "svc", Kind: authn.KindClient}
	got := authn.Must(json.MarshalIndent([]*authn.Identity{full(), minimal}, "", "\t"))
	const golden = "testdata/identity.golden.json"
	if *update {
		if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := authn.Must(os.ReadFile(golden))
	if string(got)+"\n" != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	var back []*authn.Identity
	if err := json.Unmarshal(want, &back); err != nil {
		t.Fatal(err)
	}
	stripped := full()
	stripped.VerifiedAt, stripped.Credential = time.Time{}, nil
	if !reflect.DeepEqual(back, []*authn.Identity{stripped, minimal}) {
		t.Errorf("read back %+v", back)
	}
}

// C13: Kind is text, and an invalid one is never written or read.
func TestKindIsText(t *testing.T) {
	for _, k := range []authn.Kind{authn.KindUser, authn.KindClient, authn.KindKey} {
		var back authn.Kind
		if err := json.Unmarshal(authn.Must(json.Marshal(k)), &back); err != nil || back != k {
			t.Errorf("%v: %v, %v", k, back, err)
		}
	}
	if _, err := json.Marshal(authn.Kind(4)); err == nil {
		t.Error("Kind 4 is written")
	}
	var k authn.Kind
	for _, in := range []string{`"root"`, `"User"`, `1`, `"invalid"`} {
		if err := json.Unmarshal([]byte(in), &k); err == nil {
			t.Errorf("%s is read as %v", in, k)
		}
	}
	if authn.Kind(0).String() != "invalid" || (authn.KindKey+1).String() != "invalid" || authn.Kind(200).String() != "invalid" {
		t.Error("an invalid Kind has a name")
	}
}

// C13: a clone shares nothing that can be changed.
func TestCloneIsDeep(t *testing.T) {
	id := full()
	c := id.Clone()
	if !reflect.DeepEqual(c, id) {
		t.Fatalf("clone %+v", c)
	}
	c.Scopes[0], c.Roles[0], c.Factors[0].Name, c.Pending[0], c.Attributes["tenant"] = "x", "x", "x", "x", "x"
	if !reflect.DeepEqual(id, full()) {
		t.Errorf("the original was changed: %+v", id)
	}
	if (*authn.Identity)(nil).Clone() != nil {
		t.Error("the clone of nil is something")
	}
}

// C5: proving a factor pays for that one only, and renews its time.
func TestWithFactorPaysForOne(t *testing.T) {
	id := full()
	id.Pending = []string{"otp", "hwk"}
	now := time.Now()
	got := id.WithFactor(authn.Factor{Name: "otp", At: now})
	if !reflect.DeepEqual(got.Pending, []string{"hwk"}) || len(got.Factors) != 2 {
		t.Errorf("owes %v, has %v", got.Pending, got.Factors)
	}
	got = got.WithFactor(authn.Factor{Name: "hwk", At: now}).WithFactor(authn.Factor{Name: "pwd", At: now})
	at, ok := got.FactorAt("pwd")
	if got.Pending != nil || len(got.Factors) != 3 || !ok || !at.Equal(now) {
		t.Errorf("owes %v, has %v", got.Pending, got.Factors)
	}
	if len(id.Pending) != 2 || len(id.Factors) != 1 {
		t.Error("the original was changed")
	}
}

func TestFactorAtIsTheLatest(t *testing.T) {
	now := time.Now()
	late, early := authn.Factor{Name: "pwd", At: now}, authn.Factor{Name: "pwd", At: now.Add(-time.Hour)}
	id := authn.User("ada", "x", late, early)
	for range 2 {
		if at, ok := id.FactorAt("pwd"); !ok || !at.Equal(now) {
			t.Errorf("FactorAt = %v, %v", at, ok)
		}
		id.Factors = []authn.Factor{early, late}
	}
	if _, ok := id.FactorAt("otp"); ok {
		t.Error("a factor that was not proven")
	}
	var none *authn.Identity
	if _, ok := none.FactorAt("pwd"); ok || none.HasScope("a") || none.HasRole("a") {
		t.Error("a nil Identity has something")
	}
}

func TestContextOfNobody(t *testing.T) {
	if id, ok := authn.FromContext(t.Context()); ok || id != nil {
		t.Errorf("FromContext = %v, %v", id, ok)
	}
	if id, ok := authn.FromContext(authn.NewContext(t.Context(), nil)); ok || id != nil {
		t.Errorf("FromContext of nil = %v, %v", id, ok)
	}
}
