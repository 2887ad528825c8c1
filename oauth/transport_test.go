package oauth

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
)

type answering func(*http.Request) (*http.Response, error)

func (f answering) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// body counts what is read of it, and knows whether it was closed.
type body struct {
	io.Reader
	read   int
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.read += n
	return n, err
}

func (b *body) Close() error {
	b.closed = true
	return nil
}

// O4: an answer has 1 MiB, and of a longer one not more than a byte is taken.
func TestAnswersAreCapped(t *testing.T) {
	for _, tt := range []struct {
		size int
		ok   bool
	}{{0, true}, {maxBody - 1, true}, {maxBody, true}, {maxBody + 1, false}, {maxBody + 4096, false}} {
		b := &body{Reader: strings.NewReader(strings.Repeat(" ", tt.size))}
		c := newClient(answering(func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200, Body: b}, nil }))
		resp, err := c.Get("https://op.example/")
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		if (err == nil) != tt.ok || tt.ok && len(got) != tt.size || b.read > maxBody+1 {
			t.Errorf("%d bytes: %d, %d taken, %v", tt.size, len(got), b.read, err)
		}
		if _, again := resp.Body.Read(make([]byte, 1)); !tt.ok && (!errors.Is(err, errTooLarge) || !errors.Is(again, errTooLarge)) {
			t.Errorf("%d bytes: %v, and then %v", tt.size, err, again)
		}
		_ = resp.Body.Close()
	}
}

// O4, O7: a document is one JSON of 200; what else comes is an error that says which,
// and the answer is closed.
func TestGetJSON(t *testing.T) {
	down := errors.New("connection refused")
	for _, tt := range []struct {
		address, body string
		status        int
		err           error
		want          string // "" is good
	}{
		{"https://op.example/", `{"issuer":"x"}`, 200, nil, ""},
		{"https://op.example/", " {}\n", 200, nil, ""},
		{"https://op.example/", `{}{}`, 200, nil, "something follows the JSON"},
		{"https://op.example/", `{} x`, 200, nil, "something follows the JSON"},
		{"https://op.example/", `{`, 200, nil, "no JSON"},
		{"https://op.example/", ``, 200, nil, "no JSON"},
		{"https://op.example/", `{"issuer":7}`, 200, nil, `its "issuer" is a JSON number`},
		{"https://op.example/", `{}`, 201, nil, "status 201"},
		{"https://op.example/", `{}`, 0, down, "connection refused"},
		{"https://%zz/", `{}`, 200, nil, "invalid URL escape"},
	} {
		b := &body{Reader: strings.NewReader(tt.body)}
		asked := false
		c := newClient(answering(func(r *http.Request) (*http.Response, error) {
			if asked = true; r.Header.Get("Accept") != "application/json" {
				t.Errorf("asked for %v", r.Header)
			}
			if tt.err != nil {
				return nil, tt.err
			}
			return &http.Response{StatusCode: tt.status, Body: b}, nil
		}))
		err := getJSON(t.Context(), c, tt.address, &metadata{})
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) || tt.err != nil && !errors.Is(err, tt.err) {
			t.Errorf("%d %s: %v, want %s", tt.status, tt.body, err, tt.want)
		}
		if asked && tt.err == nil && !b.closed {
			t.Errorf("%d %s: not closed", tt.status, tt.body)
		}
	}
}

// O9: a token is revoked if the provider says so, or that it is gone.
func TestRevoked(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		ok     bool
	}{
		{200, "", true},
		{204, "", true},
		{410, "", true}, // as the caller says
		{201, "", false},
		{404, "", false},
		{400, `{"error":"invalid_token"}`, true},
		{400, `{"error":"invalid_grant"}`, true},
		{400, `{"error":"unsupported_token_type"}`, true},
		{400, `{"error":"invalid_client"}`, false},
		{400, `invalid_token`, false},
		{401, `{"error":"invalid_token"}`, false},
		{503, `{"error":"invalid_token"}`, false},
	} {
		b := &body{Reader: strings.NewReader(tt.body)}
		if err := revoked(&http.Response{StatusCode: tt.status, Body: b}, nil, http.StatusGone); (err == nil) != tt.ok || !b.closed {
			t.Errorf("%d %s: %v, closed: %v", tt.status, tt.body, err, b.closed)
		}
	}
	down := errors.New("connection refused")
	if err := revoked(nil, down); !errors.Is(err, down) {
		t.Errorf("no answer: %v", err)
	}
	if err := githubRevoke(t.Context(), newClient(nil), "a\x7fb", authn.NewSecret("s"), "gho_1"); err == nil {
		t.Error("a client id that is in no URL")
	}
}
