// Package tour is how the examples show themselves: requests that a visitor can
// paste as curl lines, and that an example sends to itself and checks.
package tour

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"regexp"
	"strings"
	"time"
)

// Call is a request and what its answer has to be.
type Call struct {
	// Title says what the call shows.
	Title string
	// Method and URL are of the request. In URL, Header and Body, {secret},
	// {id}, {access_token} and {refresh_token} are of the last answer with one.
	Method, URL string
	// Header has the fields: "X-API-Key: …".
	Header []string
	// Body is JSON or a form. "" is none.
	Body string
	// Browser is the name of one that sends the call, with the cookies that it
	// has got. "" sends none.
	Browser string
	// Client sends the call instead, where it takes one with certificates: what
	// curl needs for that is in Options. nil is one that has nothing.
	Client  *http.Client
	Options string
	// Want is the status, and Says stands in a header field that is shown or in
	// the body.
	Want int
	Says string
}

// Calls are made in their order.
type Calls []Call

// Lines are the calls that can be pasted into a shell as they are, each under
// a comment with its status and title.
func (cs Calls) Lines() string {
	var b strings.Builder
	for _, c := range cs {
		if line := c.Curl(); line == (shown{}).fill(line) { // nothing to fill in
			fmt.Fprintf(&b, "# %d: %s\n%s\n\n", c.Want, c.Title, line)
		}
	}
	return b.String()
}

// Curl is c as a line for a POSIX shell.
func (c Call) Curl() string {
	line := "curl -i"
	if c.Browser != "" { // its cookies, outside the working copy
		jar := `"${TMPDIR:-/tmp}/authn-` + c.Browser + `.cookies"`
		line += " -b " + jar + " -c " + jar
	}
	if c.Options != "" {
		line += " " + c.Options
	}
	if c.Method != http.MethodGet {
		line += " -X " + c.Method
	}
	for _, field := range c.Header {
		line += " -H " + quote(field)
	}
	if c.Body != "" {
		line += " -d " + quote(c.Body)
	}
	return line + " " + c.URL
}

// quote makes one word of s for a POSIX shell.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Check says how an answer is not what c wants: nil if it is.
func (c Call) Check(status int, answer string) error {
	if status != c.Want || !strings.Contains(answer, c.Says) {
		return fmt.Errorf("%q: %s %s has to be answered by %d and %q, but was by %d and:\n%s",
			c.Title, c.Method, c.URL, c.Want, c.Says, status, answer)
	}
	return nil
}

// shown is what later calls may need of an answer.
type shown struct {
	ID           string `json:"id"`
	Secret       string `json:"secret"`
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
}

func (s shown) fill(text string) string {
	return strings.NewReplacer("{id}", s.ID, "{secret}", s.Secret,
		"{access_token}", s.AccessToken, "{refresh_token}", s.RefreshToken).Replace(text)
}

// Walk sends the calls and prints each exchange, with its secrets shortened.
// The first answer that is not what it has to be is the error.
func (cs Calls) Walk(ctx context.Context, out io.Writer) error {
	clients := map[string]*http.Client{}
	var last shown
	for i, c := range cs {
		client := c.Client
		if client == nil {
			if clients[c.Browser] == nil {
				clients[c.Browser] = newClient(c.Browser)
			}
			client = clients[c.Browser]
		}
		fmt.Fprintf(out, "%d. %s\n", i+1, c.Title)
		if err := c.exchange(ctx, client, &last, out); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "All %d answers are what they have to be.\n", len(cs))
	return nil
}

// newClient is that of a browser, which keeps cookies, or of a program.
func newClient(browser string) *http.Client {
	c := &http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	if browser != "" {
		c.Jar, _ = cookiejar.New(nil) // never fails
	}
	return c
}

// exchange prints the request before it sends it, so that what the server logs
// meanwhile stands between it and the answer.
func (c Call) exchange(ctx context.Context, client *http.Client, last *shown, out io.Writer) error {
	sent := last.fill(c.Body)
	req, err := http.NewRequestWithContext(ctx, c.Method, last.fill(c.URL), strings.NewReader(sent))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "> %s %s\n", c.Method, req.URL.RequestURI())
	for _, field := range c.Header {
		name, value, _ := strings.Cut(last.fill(field), ": ")
		req.Header.Set(name, value)
		fmt.Fprintf(out, "> %s: %s\n", name, short(value))
	}
	if client.Jar != nil {
		for _, cookie := range client.Jar.Cookies(req.URL) {
			fmt.Fprintf(out, "> Cookie: %s=%s\n", cookie.Name, short(cookie.Value))
		}
	}
	if sent != "" {
		fmt.Fprintf(out, "> %s\n", short(sent))
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	_ = json.Unmarshal(body, last) // most answers show nothing, and some are no JSON
	answer := answerText(resp, body, c.Says)
	fmt.Fprintln(out, answer)
	return c.Check(resp.StatusCode, answer)
}

// answerText is the status, the fields that a visitor is to see and the body,
// secrets shortened. Of a page it is the lines with what that has to say.
func answerText(resp *http.Response, body []byte, says string) string {
	lines := []string{resp.Status}
	for _, name := range []string{"WWW-Authenticate", "Sunset", "Link", "Location", "Set-Cookie"} {
		for _, value := range resp.Header.Values(name) {
			lines = append(lines, name+": "+value)
		}
	}
	page := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html")
	for line := range strings.Lines(string(body)) {
		if !page || strings.Contains(line, says) {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return short("< " + strings.Join(lines, "\n< ") + "\n")
}

// Keys and tokens are long words of these characters, and nothing else is.
var secrets = regexp.MustCompile(`[\w.-]{48,}`)

// short leaves enough of each secret in text to tell it from another.
func short(text string) string {
	return secrets.ReplaceAllStringFunc(text, func(s string) string { return s[:14] + "…" + s[len(s)-4:] })
}
