package oauth

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"
)

const (
	maxBody        = 1 << 20
	requestTimeout = 10 * time.Second
)

// newClient is of all requests to providers: limited in time and size, and without
// redirects, which would carry tokens and secrets elsewhere.
func newClient(rt http.RoundTripper) *http.Client {
	if rt == nil {
		rt = http.DefaultTransport
	}
	return &http.Client{
		Transport: capped{rt}, Timeout: requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var errTooLarge = fmt.Errorf("the answer has more than %d bytes", maxBody)

// capped fails a body that goes on beyond maxBody. What it reads is what gzip
// decompresses to.
type capped struct{ http.RoundTripper }

func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.RoundTripper.RoundTrip(r)
	if err == nil {
		resp.Body = &cappedBody{ReadCloser: resp.Body, left: maxBody}
	}
	return resp, err
}

type cappedBody struct {
	io.ReadCloser
	left int
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errTooLarge
	}
	if len(p) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// statusError is an answer other than 200.
type statusError struct {
	code    int
	limited bool // by the rate of requests
}

func (e statusError) Error() string { return fmt.Sprintf("status %d", e.code) }

// getJSON reads one JSON document. Numbers of an any are json.Number.
func getJSON(ctx context.Context, c *http.Client, address string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil) //nolint:gosec // G704: the address is the host's, or of its provider's metadata over https
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.Do(req) //nolint:gosec // G704: see above
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		limited := resp.Header.Get("Retry-After") != "" || resp.Header.Get("X-RateLimit-Remaining") == "0"
		return statusError{resp.StatusCode, limited}
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return withoutURL(err)
	}
	return readJSON(body, v)
}

// readJSON reads exactly one value.
func readJSON(body []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	err := dec.Decode(v)
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("its %.40q is a JSON %.40s", e.Field, e.Value)
	}
	if err != nil {
		return errors.New("no JSON")
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the JSON")
	}
	return nil
}

// withoutURL is err without the URL, whose query may hold a secret.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// revoked reads the answer to a revocation. That there is no such token any more
// is what was wanted: some say so by a status, others by an error.
func revoked(resp *http.Response, err error, gone ...int) error {
	if err != nil {
		return withoutURL(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNoContent || slices.Contains(gone, resp.StatusCode) {
		return nil
	}
	var said struct {
		Error string `json:"error"`
	}
	if body, err := io.ReadAll(resp.Body); err == nil && resp.StatusCode == http.StatusBadRequest && readJSON(body, &said) == nil {
		switch said.Error {
		case "invalid_token", "invalid_grant", // gone
			"unsupported_token_type": // it revokes none of this kind (RFC 7009 §2.2.1)
			return nil
		}
	}
	return statusError{code: resp.StatusCode}
}

func encodeText(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func decodeText(s string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(s) }
