package authn_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html/template"
	"log/slog"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
)

const raw = "hunter2-hunter2"

// C12: no printer of the standard library shows a Secret or a Keychain, at any depth.
func TestSecretsDoNotPrint(t *testing.T) {
	const key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
	type inner struct{ s authn.Secret }
	type inXML struct{ S authn.Secret }
	type nested struct {
		S      authn.Secret
		hidden authn.Secret
		deep   inner
		Deeper *inner
		List   []authn.Secret
		Map    map[string]authn.Secret
		Any    any
		Chain  *authn.Keychain
		chain  *authn.Keychain
	}
	s, kc := authn.NewSecret(raw), authn.Must(authn.ParseKeychain(key))
	n := nested{s, s, inner{s}, &inner{s}, []authn.Secret{s}, map[string]authn.Secret{"k": s}, s, kc, kc}
	var out bytes.Buffer
	for _, verb := range strings.Split("v +v #v s q x X d t c b o O U e E f F g G p T w", " ") {
		for _, v := range []any{s, &s, n, &n, []any{n}, struct{ x any }{n}, kc, *kc, struct{ k authn.Keychain }{*kc}} {
			fmt.Fprintf(&out, "%"+verb+"\n", v)
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("x", "secret", s, "nested", n, "pointer", &n, "any", any(s), "chain", kc)
	}
	out.Write(authn.Must(json.Marshal(map[string]any{"s": s, "p": &s, "list": n.List, "map": n.Map, "n": struct{ S authn.Secret }{s}, "k": kc})))
	out.Write(authn.Must(xml.Marshal(inXML{s})))
	if err := template.Must(template.New("").Parse("{{.}} {{printf `%s` .}}")).Execute(&out, s); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(&out, fmt.Errorf("wrapped: %w", fmt.Errorf("%v", s)))
	for _, leak := range []string{raw, key, fmt.Sprintf("%x", raw), fmt.Sprintf("%v", []byte(raw)), "0123456789abcdef", fmt.Sprintf("%v", []byte("01234567"))[:20]} {
		if i := strings.Index(strings.ToLower(out.String()), strings.ToLower(leak)); i >= 0 {
			t.Errorf("%q leaked: …%s…", leak, out.String()[max(0, i-80):i+len(leak)])
		}
	}
	if got := fmt.Sprintf("%s %v %+v %#v %v", s, s, struct{ S authn.Secret }{s}, s, kc); got != "[redacted] [redacted] {S:[redacted]} [redacted] [redacted]" {
		t.Errorf("got %s", got)
	}
}

func TestSecretReveals(t *testing.T) {
	if s := authn.NewSecret(raw); s.Reveal() != raw || s.IsZero() {
		t.Error("the value is lost")
	}
	var zero authn.Secret
	if zero.Reveal() != "" || !zero.IsZero() || !authn.NewSecret("").IsZero() || zero.String() != "[redacted]" {
		t.Error("the zero Secret is not empty")
	}
}
