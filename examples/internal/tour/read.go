package tour

import (
	"fmt"
	"io/fs"
	"net"
	"strings"
	"text/template"
)

// Read reads calls from a text/template, which gets data. They look as editors
// with an HTTP client have them, with what the answer has to be on the second
// line: its status, what it says, quoted, and the browser that sends it, if any.
//
//	### a good key
//	# 200 "ada"
//	GET {{.URL}}/orders
//	X-API-Key: {{.Key}}
//
//	the body, if there is one
//
// What stands before the first ### is a comment.
func Read(fsys fs.FS, name string, data any) (Calls, error) {
	t, err := template.ParseFS(fsys, name)
	if err != nil {
		return nil, err
	}
	var text strings.Builder
	if err := t.Execute(&text, data); err != nil {
		return nil, err
	}
	var calls Calls
	for _, block := range strings.Split("\n"+text.String(), "\n### ")[1:] {
		c, err := parse(block)
		if err != nil {
			return nil, fmt.Errorf("%s: %w in: %s", name, err, block)
		}
		calls = append(calls, c)
	}
	return calls, nil
}

func parse(block string) (Call, error) {
	head, body, _ := strings.Cut(block, "\n\n")
	lines := strings.Split(strings.TrimSpace(head), "\n")
	if len(lines) < 3 {
		return Call{}, fmt.Errorf("want a title, an expectation and a request")
	}
	c := Call{Title: lines[0], Header: lines[3:], Body: strings.TrimSpace(body)}
	if n, err := fmt.Sscanf(lines[1], "# %d %q %s", &c.Want, &c.Says, &c.Browser); n < 2 { // most name no browser
		return Call{}, fmt.Errorf("%w at %q", err, lines[1])
	}
	var ok bool
	if c.Method, c.URL, ok = strings.Cut(lines[2], " "); !ok {
		return Call{}, fmt.Errorf("no method and URL at %q", lines[2])
	}
	return c, nil
}

// URL is where somebody on this computer finds a listener with address a.
// It is not always "localhost", which may lead to another program on ::1.
func URL(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", tcp.Port)
	}
	return "http://" + a.String()
}

// Typo is key with its last character mistyped.
func Typo(key string) string {
	last := len(key) - 1
	if key[last] == 'x' {
		return key[:last] + "y"
	}
	return key[:last] + "x"
}
