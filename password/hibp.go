package password

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // G505: the API goes by it
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const (
	hibpURL     = "https://api.pwnedpasswords.com"
	hibpTimeout = 2 * time.Second
	// maxRange bounds an answer: the largest one, padded, has some 80 kB.
	maxRange = 1 << 20
	// hibpPrefix are the digits of a hash that leave the process.
	hibpPrefix = 5
)

// HIBPConfig of HIBP. The zero HIBPConfig asks api.pwnedpasswords.com.
type HIBPConfig struct {
	// BaseURL is where /range/ is: of a mirror. It is https, or http of
	// localhost. Defaults to https://api.pwnedpasswords.com.
	BaseURL string
	// Transport makes the requests: for a proxy or a private CA. It follows no
	// redirects. nil is http.DefaultTransport.
	Transport http.RoundTripper
}

// HIBP asks the range API of Have I Been Pwned
// (https://haveibeenpwned.com/API/v3#SearchingPwnedPasswordsByRange), or a
// mirror of it. The first five hexadecimal digits of the password's SHA-1 leave
// the process, which some thousand breached passwords have in common, and the
// length of the answer is padded.
//
// A request takes 2 s at most. Whatever is not a whole answer of the API is an
// error: another status than 200, a redirect, a page of some proxy, over 1 MiB.
// HIBP makes no request itself; its error says what is wrong with cfg.
func HIBP(cfg HIBPConfig) (BreachList, error) {
	base := cfg.BaseURL
	if base == "" {
		base = hibpURL
	}
	u, err := url.Parse(base)
	switch {
	case err != nil:
		return nil, errors.New("authn/password: HIBPConfig.BaseURL does not parse") // err quotes it
	case u.User != nil || u.RawQuery != "" || u.ForceQuery || strings.Contains(base, "#"):
		return nil, errors.New("authn/password: HIBPConfig.BaseURL has a user, a query or a fragment: it is like " + hibpURL)
	case u.Hostname() == "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return nil, errors.New("authn/password: HIBPConfig.BaseURL must be https, or http of localhost: anyone on the way could answer")
	}
	return &hibp{
		base: strings.TrimSuffix(base, "/") + "/range/",
		client: http.Client{
			Transport: cfg.Transport,
			// The answer is then the redirect itself, whose status is no 200.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || strings.EqualFold(host, "localhost")
}

type hibp struct {
	base   string
	client http.Client
}

// Count is of BreachList.
func (h *hibp) Count(ctx context.Context, sha1 [sha1.Size]byte) (int, error) {
	hash := breachHex(sha1)
	body, err := h.ask(ctx, hash[:hibpPrefix])
	if err != nil {
		return 0, fmt.Errorf("authn/password: HIBP: %w", err)
	}
	n, err := countInRange(body, hash[hibpPrefix:])
	if err != nil {
		return 0, fmt.Errorf("authn/password: HIBP: %w", err)
	}
	return n, nil
}

func (h *hibp) ask(ctx context.Context, prefix string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, hibpTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.base+prefix, nil) //nolint:gosec // G704: five hexadecimal digits after the host's own URL
	if err != nil {
		return nil, errors.New("the URL does not parse")
	}
	req.Header.Set("Add-Padding", "true")
	req.Header.Set("Accept", "text/plain")
	req.Header.Set("User-Agent", "authn-password") // the API refuses who has none
	resp, err := h.client.Do(req)                  //nolint:gosec // G704: see above
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL, which ends in a part of the hash
		}
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	// The limit is on what gzip decompresses to.
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxRange+1))
	switch {
	case err != nil:
		return nil, err
	case len(body) > maxRange:
		return nil, fmt.Errorf("more than %d bytes", maxRange)
	}
	return body, nil
}

// countInRange looks for suffix, in upper case, in the lines of a range. All of
// them must be such lines: what is half an answer says of no password that it
// is good. Lines that pad it have the count 0, and may come in any order.
func countInRange(body []byte, suffix string) (count int, err error) {
	if len(body) == 0 {
		return 0, errors.New("the answer is empty") // of the API none is
	}
	for line := range bytes.Lines(body) {
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		hash, n, err := parseBreachLine(line, len(suffix))
		if err != nil {
			return 0, err
		}
		if hash == suffix {
			count = max(count, n)
		}
	}
	return count, nil
}
