package password_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
)

// violations are what p finds, nil if nothing.
func violations(t *testing.T, p password.Policy, pw string, about password.About) []password.Violation {
	t.Helper()
	err := p.Check(pw, about)
	if err == nil {
		return nil
	}
	refused, ok := errors.AsType[*password.PolicyError](err)
	if !ok || len(refused.Violations) == 0 {
		t.Fatalf("Check of %q: got error %v, want a *PolicyError with violations", pw, err)
	}
	return refused.Violations
}

// codes are those of vs; of "similar" what it is to.
func codes(vs []password.Violation) string {
	var all []string
	for _, v := range vs {
		code := v.Code
		if to, ok := v.Args["to"].(string); ok {
			code += ":" + to
		}
		all = append(all, code)
	}
	return strings.Join(all, " ")
}

// P9: NIST asks for length alone, less of it beside a second factor; Classic
// for length and four classes. Nothing goes below 8.
func TestPoliciesCountCodePoints(t *testing.T) {
	alone, factor := password.About{}, password.About{SecondFactor: true}
	for _, c := range []struct {
		name   string
		policy password.Policy
		pw     string
		about  password.About
		want   string
	}{
		{"NIST, 15", password.NIST(), "harbour-osprey4", alone, ""},
		{"NIST, 14", password.NIST(), "harbour-osprey", alone, "too_short"},
		{"NIST, 8 beside a factor", password.NIST(), "vupuqoze", factor, ""},
		{"NIST, 7 beside a factor", password.NIST(), "vupuqoz", factor, "too_short"},
		{"zero is NIST, 15", password.Policy{}, "harbour-osprey4", alone, ""},
		{"zero is NIST, 14", password.Policy{}, "harbour-osprey", alone, "too_short"},
		{"zero is NIST, 8 beside a factor", password.Policy{}, "vupuqoze", factor, ""},
		{"with other fields, 14", password.Policy{Classes: 1}, "harbour-osprey", alone, "too_short"},
		{"MinLength counts beside a factor, 11 of 12", password.Policy{MinLength: 12}, "harbour-osp", factor, "too_short"},
		{"MinLength counts beside a factor, 12 of 12", password.Policy{MinLength: 12}, "harbour-ospr", factor, ""},
		{"never below 8", password.Policy{MinLength: 1, MinLengthWithFactor: 1}, "vupuqoz", alone, "too_short"},
		{"never below 8 beside a factor", password.Policy{MinLength: -1, MinLengthWithFactor: -1}, "vupuqoz", factor, "too_short"},
		{"8 where 1 is asked for", password.Policy{MinLength: 1}, "vupuqoze", alone, ""},

		{"code points, not bytes", password.NIST(), strings.Repeat("ж", 7) + "ёщю", alone, "too_short"},
		{"15 code points of 4 bytes", password.NIST(), "🦊🌵🎷🧭🪁🥁🪴🛶🧦🪜🎡🥨🪐🧲🛷", alone, ""},
		{"14 in NFC, 15 as they came", password.NIST(), "harbour-ospre\u0301y", alone, "too_short"},
		{"15 in NFC", password.NIST(), "harbour-ospre\u0301y4", alone, ""},

		{"Classic", password.Classic(), "Harbour-osp4", alone, ""},
		{"Classic, 11", password.Classic(), "Harbour-os4", alone, "too_short"},
		{"Classic, 11 beside a factor", password.Classic(), "Harbour-os4", factor, "too_short"},
		{"Classic without lower case", password.Classic(), "HARBOUR-OSP4", alone, "classes"},
		{"Classic without upper case", password.Classic(), "harbour-osp4", alone, "classes"},
		{"Classic without a digit", password.Classic(), "Harbour-ospr", alone, "classes"},
		{"Classic without others", password.Classic(), "Harbour4ospr", alone, "classes"},
		{"Classic in another script", password.Classic(), "Гаваньскопа 4", alone, ""},
		{"more classes than there are", password.Policy{Classes: 9}, "Harbour-osprey4", alone, ""},

		{"all at once", password.Classic(), "password", password.About{Service: "password"}, "too_short classes common similar:service"},
	} {
		if got := codes(violations(t, c.policy, c.pw, c.about)); got != c.want {
			t.Errorf("%s: %q is %q, want %q", c.name, c.pw, got, c.want)
		}
	}
}

// P5: what is longer than 1024 bytes or no text is refused before anything else
// is looked at.
func TestPolicyRefusesWhatIsNoText(t *testing.T) {
	long := strings.Repeat("harbour osprey 4 ", 60) // 1020 bytes
	for pw, want := range map[string]string{
		long + "1234":                "",
		long + "12345":               "too_long",
		strings.Repeat("x", 1<<20):   "too_long",
		"\xff" + long:                "not_text",
		"harbour-osprey4\x00":        "not_text",
		"\x00harbour-osprey4":        "not_text",
		"harbour-osprey\xed\xa0\x80": "not_text", // a surrogate
		"":                           "too_short",
	} {
		vs := violations(t, password.NIST(), pw, password.About{})
		if got := codes(vs); got != want {
			t.Errorf("%d bytes, %.20q: %q, want %q", len(pw), pw, got, want)
		}
		if want == "too_long" && !reflect.DeepEqual(vs[0].Args, map[string]any{"max": 1024}) {
			t.Errorf("too_long has Args %v", vs[0].Args)
		}
	}
}

// P9: violations are typed, so that a host can word them; and the error is an
// answer by itself, without the password.
func TestViolationsAreTyped(t *testing.T) {
	err := password.Classic().Check("Gonzalez", password.About{Name: "Gonzalez", Email: "gonzalez@example.com"})
	refused, ok := errors.AsType[*password.PolicyError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	want := []password.Violation{
		{Code: "too_short", Args: map[string]any{"min": 12}},
		{Code: "classes", Args: map[string]any{"min": 4, "have": 2}},
		{Code: "common"},
		{Code: "similar", Args: map[string]any{"to": "name"}},
		{Code: "similar", Args: map[string]any{"to": "email"}},
	}
	if !reflect.DeepEqual(refused.Violations, want) {
		t.Errorf("got %v, want %v", refused.Violations, want)
	}
	const text = `[{"code":"too_short","args":{"min":12}},{"code":"classes","args":{"have":2,"min":4}},{"code":"common"},` +
		`{"code":"similar","args":{"to":"name"}},{"code":"similar","args":{"to":"email"}}]`
	if got := string(authn.Must(json.Marshal(refused.Violations))); got != text {
		t.Errorf("JSON is %s, want %s", got, text)
	}

	if got, want := err.Error(), "authn/password: a new password is refused: too_short, classes, common, similar, similar"; got != want {
		t.Errorf("the error is %q, want %q", got, want)
	}
	e, ok := errors.AsType[*authn.Error](err)
	if !ok || e.Status != 422 || e.Code != "weak_password" {
		t.Errorf("it wraps %+v, want a 422 weak_password", e)
	}
	w := httptest.NewRecorder()
	authn.WriteError(w, nil, err)
	if w.Code != 422 || !bytes.Contains(w.Body.Bytes(), []byte(`"error":"weak_password"`)) {
		t.Errorf("WriteError answers %d %s", w.Code, w.Body)
	}
	for _, s := range []string{err.Error(), w.Body.String()} {
		if strings.Contains(strings.ToLower(s), "gonzalez") {
			t.Errorf("the password is in %q", s)
		}
	}
}
