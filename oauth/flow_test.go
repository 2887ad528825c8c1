package oauth

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
)

// O2: each login has a state, a nonce and a PKCE verifier of its own, and of one nobody
// can tell another.
func TestFlowValuesDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 3 {
		f := newFlow("google", "/", nil, time.Now())
		for _, value := range []string{f.state(), f.nonce(), f.verifier()} {
			if len(value) != stateLen || seen[value] {
				t.Errorf("%s comes twice, or has %d characters", value, len(value))
			}
			seen[value] = true
		}
	}
}

// O2: what a cookie says is read whole or not at all.
func TestDecodeFlow(t *testing.T) {
	f := newFlow("google", "/orders", bytes.Repeat([]byte("l"), flowLink), time.Now())
	whole := f.encode()
	got, ok := decodeFlow(whole)
	if !ok || !bytes.Equal(got.encode(), whole) || got.provider != "google" || got.returnTo != "/orders" || !bytes.Equal(got.link, f.link) {
		t.Errorf("%+v, %v", got, ok)
	}
	for n := range len(whole) - len("/orders") {
		if _, ok := decodeFlow(whole[:n]); ok {
			t.Errorf("%d bytes of %d are a flow", n, len(whole))
		}
	}
	for n := range 256 {
		f.link = make([]byte, n)
		if _, ok := decodeFlow(f.encode()); ok != (n == 0 || n == flowLink) {
			t.Errorf("a link of %d bytes: %v", n, ok)
		}
	}
}

// O3: a state is 43 characters of base64url, and names its cookie.
func TestCookieName(t *testing.T) {
	good := newFlow("google", "/", nil, time.Now()).state()
	for state, ok := range map[string]bool{
		good: true, good[:42]: false, good + "A": false, "": false,
		good[:20] + "+" + good[21:]: false, good[:20] + "=" + good[21:]: false, good[:20] + ";" + good[21:]: false,
		good[:41] + "\r\n": false, good[:20] + "\n" + good[21:]: false, good[:20] + "\r" + good[21:]: false,
	} {
		name, got := cookieName(state)
		if got != ok || ok && name != "__Host-oauth-"+good[:16] || !ok && name != "" {
			t.Errorf("%q: %q, %v", state, name, got)
		}
	}
}

// O2: the way back is kept as long as the cookie's name and value have 400 bytes at
// most; without its query before it is not kept at all.
func TestLongestReturnPath(t *testing.T) {
	kc := authn.GenerateKeychain()
	longest := 0
	for n := 1; n < 400; n++ {
		path := "/" + strings.Repeat("a", n)
		f := newFlow("google", path, nil, time.Now())
		name, _ := cookieName(f.state())
		size := func() int {
			value, err := kc.Seal(flowPurpose, f.encode(), []byte(name))
			if err != nil {
				t.Fatal(err)
			}
			return len(name + "=" + encodeText(value))
		}
		if f.returnTo == path {
			longest = max(longest, size())
			continue
		}
		if f.returnTo != "" {
			t.Errorf("%d: %q", n, f.returnTo)
		}
		if f.returnTo = path; size() <= maxCookie {
			t.Errorf("%d: it would have fit", n)
		}
	}
	if longest != maxCookie {
		t.Errorf("the longest cookie has %d bytes", longest)
	}
	path := strings.Repeat("a", 400)
	if got := newFlow("google", "/orders?q="+path, nil, time.Now()).returnTo; got != "/orders" {
		t.Errorf("with a long query: %q", got)
	}
}

// O5: the name that the browser brings has 255 bytes at most and no control characters.
func TestAppleName(t *testing.T) {
	long := strings.Repeat("a", maxSubject)
	for user, want := range map[string]string{
		`{"name":{"firstName":"Ada","lastName":"Lovelace"}}`: "Ada Lovelace", `{"name":{"lastName":"Lovelace"}}`: "Lovelace",
		`{"name":{"firstName":"` + long + `"}}`: long, `{"name":{"firstName":"` + long + `a"}}`: "", `{"name":{"firstName":"a\u007f"}}`: "",
		``: "", `{`: "", `{"name":7}`: "", `{}`: "",
	} {
		if got := appleName(user); got != want {
			t.Errorf("%.60s: %q", user, got)
		}
	}
}
