package jwtauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxSetBytes = 1 << 20
	maxSetKeys  = 100
	// maxSkipsNamed of the keys that cannot be used are named in a warning.
	maxSkipsNamed = 5
)

// checkSetURL answers the host of a URL that keys may come from.
func checkSetURL(raw string) (host string, err error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return "", errors.New("the URL does not parse") // err quotes it, with a password perhaps
	case u.User != nil:
		return "", errors.New("the URL has a user or a password: give it a Transport that sends them in a header field")
	case strings.Contains(raw, "#"):
		return "", errors.New("the URL has a fragment")
	case u.Hostname() == "":
		return "", errors.New("the URL has no host: it is like https://idp.example/jwks.json")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return "", fmt.Errorf("the scheme is %q: keys come by https, or by http from localhost, or anyone on the way could forge tokens", u.Scheme)
	}
	return u.Host, nil
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback() || strings.EqualFold(host, "localhost")
}

// fetched is the result of one fetch.
type fetched struct {
	keys     map[string]Key // at least one
	skipped  string         // what was wrong with other keys
	lifetime time.Duration
}

// fetch asks the source once. ctx bounds the whole of it.
func (k *RemoteKeys) fetch(ctx context.Context) (got fetched, err error) {
	defer func() { // in this goroutine, a panic of a host's Transport would end the process
		if p := recover(); p != nil {
			got, err = fetched{}, fmt.Errorf("panic: %v", p)
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil) //nolint:gosec // G704: the URL is the host's, of its configuration
	if err != nil {
		return fetched{}, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	req.Header.Set("User-Agent", "authn-jwtauth")
	req.Close = true              // an idle connection would be of no use by the next time, and is two goroutines
	resp, err := k.client.Do(req) //nolint:gosec // G704: see above
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // without the URL, whose query may hold a secret
		}
		return fetched{}, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fetched{}, fmt.Errorf("status %d", resp.StatusCode)
	}
	// The type is not looked at: sets are served as text/plain, too, and what
	// is no set does not parse. The limit is on what gzip decompresses to.
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxSetBytes+1))
	switch {
	case err != nil:
		return fetched{}, err
	case len(body) > maxSetBytes:
		return fetched{}, fmt.Errorf("more than %d bytes", maxSetBytes)
	}
	got.keys, got.skipped, err = parseJWKSet(body)
	got.lifetime = lifetime(resp.Header)
	return got, err
}

// parseJWKSet reads a JWK Set (RFC 7517 §5), and says which keys it skipped. A
// set without a key that can be used is an error.
func parseJWKSet(body []byte) (keys map[string]Key, skipped string, err error) {
	raws, err := splitJWKSet(body)
	if err != nil {
		return nil, "", err
	}
	keys = make(map[string]Key, len(raws))
	times := make(map[string]int, len(raws))
	var skips []string
	for _, raw := range raws {
		key, err := parseJWKSetKey(raw, true)
		if err != nil {
			kid, private := labelOf(raw)
			if cause := errors.Unwrap(err); cause != nil {
				err = cause // without the kid, of which it knows less
			}
			skips = append(skips, fmt.Sprintf("%.40q: %.120s", kid, err))
			if private {
				times[kid]++ // so that its public half under the same kid is not used
			}
			continue
		}
		keys[key.ID()] = key
		if times[key.ID()]++; times[key.ID()] > 1 {
			skips = append(skips, fmt.Sprintf("%.40q: another key has the same kid", key.ID()))
		}
	}
	for kid, n := range times {
		if n > 1 {
			delete(keys, kid)
		}
	}
	if n := len(skips) - maxSkipsNamed; n > 0 {
		skips = append(skips[:maxSkipsNamed], fmt.Sprintf("and %d more", n))
	}
	skipped = strings.Join(skips, "; ")
	switch {
	case len(keys) > 0:
		return keys, skipped, nil
	case skipped == "":
		return nil, "", errNoKey
	}
	return nil, "", fmt.Errorf("%w: %s", errNoKey, skipped)
}

var errNoKey = errors.New("no key that can be used")

// splitJWKSet answers the members of the one array "keys". They are valid JSON.
func splitJWKSet(body []byte) ([]json.RawMessage, error) {
	// Valid refuses what follows the value and what is nested too deeply, so
	// that below, errors are about types only.
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, errors.New("it is not JSON")
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	var raws []json.RawMessage
	found := false
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, err
		}
		if name != "keys" {
			var other json.RawMessage
			if err := dec.Decode(&other); err != nil {
				return nil, err
			}
			continue
		}
		if found {
			return nil, errors.New(`it has two members "keys"`)
		}
		found = true
		if raws, err = splitKeys(dec); err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, errors.New(`it has no member "keys"`)
	}
	return raws, nil
}

func splitKeys(dec *json.Decoder) ([]json.RawMessage, error) {
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.New(`its "keys" is no array`)
	}
	var raws []json.RawMessage
	for dec.More() {
		if len(raws) == maxSetKeys {
			return nil, fmt.Errorf("more than %d keys", maxSetKeys)
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, err
		}
		raws = append(raws, raw)
	}
	_, err := dec.Token() // the closing bracket
	return raws, err
}

// labelOf is the kid of a key that is refused, "" if it has none, and whether
// its private half is there.
func labelOf(raw []byte) (kid string, private bool) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return "", false
	}
	_ = json.Unmarshal(members["kid"], &kid) // what is no string is no kid
	return kid, slices.ContainsFunc(privateMembers, func(name string) bool { return members[name] != nil })
}
