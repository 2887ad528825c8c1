package password_test

import (
	"compress/gzip"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
)

// hashOf is of a password, as HIBP writes it.
func hashOf(pw string) string { return fmt.Sprintf("%X", sha1.Sum([]byte(pw))) }

// ranges are what a local server of the range API knows: counts of passwords.
type ranges map[string]int

// body is the range of prefix, in the format of the API: sorted by suffix, CRLF
// between the lines, none at the end, and lines of padding at the end.
func (ps ranges) body(prefix string, padding int) string {
	var lines []string
	for pw, n := range ps {
		if suffix, ok := strings.CutPrefix(hashOf(pw), prefix); ok {
			lines = append(lines, fmt.Sprintf("%s:%d", suffix, n))
		}
	}
	for i := range 500 {
		lines = append(lines, fmt.Sprintf("%s:%d", hashOf(fmt.Sprint("other ", i))[5:], i%40+1))
	}
	for i := range padding {
		lines = append(lines, hashOf(fmt.Sprint("padding ", i))[5:]+":0")
	}
	return strings.Join(lines, "\r\n")
}

// hibp asks a local server.
func hibp(t *testing.T, h http.HandlerFunc) password.BreachList {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return authn.Must(password.HIBP(password.HIBPConfig{BaseURL: srv.URL}))
}

// P10: five digits of the hash leave the process, and nothing else about the
// password; the answer is padded.
func TestHIBPAsksForARange(t *testing.T) {
	known := ranges{"sunshine": 10434004, "P@ssw0rd": 89221, "harbour": 0}
	var asked atomic.Value
	list := hibp(t, func(w http.ResponseWriter, r *http.Request) {
		dump := fmt.Sprintln(r.Method, r.URL, r.Header)
		body, _ := io.ReadAll(r.Body)
		asked.Store(dump + string(body))
		if r.Method != "GET" || r.URL.RawQuery != "" || r.Header.Get("Add-Padding") != "true" ||
			r.Header.Get("Accept") != "text/plain" || r.Header.Get("User-Agent") != "authn-password" {
			t.Errorf("asked %s", dump)
		}
		prefix, _ := strings.CutPrefix(r.URL.Path, "/range/")
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, known.body(prefix, 300))
	})
	for pw, want := range map[string]int{
		"sunshine": 10434004, "P@ssw0rd": 89221, "harbour osprey": 0,
		"harbour":   0, // a line that pads
		"padding 1": 0,
	} {
		n, err := list.Count(t.Context(), sha1.Sum([]byte(pw)))
		if err != nil || n != want {
			t.Errorf("%q: got %d and error %v, want %d", pw, n, err, want)
		}
		sent := asked.Load().(string)
		if !strings.HasPrefix(sent, "GET /range/"+hashOf(pw)[:5]+" ") || strings.Contains(strings.ToUpper(sent), hashOf(pw)[:6]) || strings.Contains(sent, pw) {
			t.Errorf("%q, whose hash is %s: sent %s", pw, hashOf(pw), sent)
		}
	}
}

// P10: lines end with CRLF, LF or the answer; hashes have either case; answers
// are compressed.
func TestHIBPReadsWhatMirrorsSend(t *testing.T) {
	suffix := hashOf("password")[5:]
	other := hashOf("other")[5:] + ":3"
	for name, c := range map[string]struct {
		body string
		want int
	}{
		"one line":             {suffix + ":7", 7},
		"CRLF":                 {other + "\r\n" + suffix + ":7\r\n", 7},
		"LF":                   {other + "\n" + suffix + ":7\n" + other + "\n", 7},
		"lower case":           {strings.ToLower(suffix) + ":7\r\n" + other, 7},
		"padding of that hash": {suffix + ":7\r\n" + suffix + ":0", 7},
		"many":                 {suffix + ":2147483647", math.MaxInt32},
		"not there":            {other, 0},
		"1 MiB":                {rangeOf(1 << 20), 0},
		"zero":                 {suffix + ":0\r\n" + other, 0},
	} {
		synctest.Test(t, func(t *testing.T) { // a busy machine is not a slow mirror
			list := hibp(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept-Encoding") == "gzip" {
					w.Header().Set("Content-Encoding", "gzip")
					z := gzip.NewWriter(w)
					defer z.Close()
					_, _ = io.WriteString(z, c.body)
					return
				}
				_, _ = io.WriteString(w, c.body)
			})
			if n, err := list.Count(t.Context(), sha1.Sum([]byte("password"))); err != nil || n != c.want {
				t.Errorf("%s: got %d and error %v, want %d", name, n, err, c.want)
			}
		})
	}
}

// rangeOf is a range of so many bytes.
func rangeOf(size int) string {
	short, long := hashOf("x")[5:]+":1\n", hashOf("x")[5:]+":1000000000\n"
	body := ""
	for (size-len(body))%len(long) != 0 {
		body += short
	}
	return body + strings.Repeat(long, (size-len(body))/len(long))
}

// P10: what is no whole answer of the API is an outage, never "not breached";
// and the error says nothing of the hash.
func TestHIBPOutagesAreErrors(t *testing.T) {
	good := ranges{}.body("x", 10)
	suffix := hashOf("password")[5:]
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); _, _ = io.WriteString(w, good) }
	}
	text := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }
	}
	for name, h := range map[string]http.HandlerFunc{
		"429": status(429),
		"503": status(503),
		"404": status(404),
		"403": status(403),
		"204": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"206": status(206),
		"301 to a range": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/moved" {
				t.Error("a redirect was followed")
			}
			http.Redirect(w, r, "/moved", http.StatusMovedPermanently)
		},
		"empty":                  text(""),
		"a line end":             text("\r\n"),
		"a captive portal":       text("<!DOCTYPE html><html><body>Sign in to the hotel's network</body></html>"),
		"JSON":                   text(`{"error":"rate limit"}`),
		"another API's hash":     text(hashOf("password") + ":7\r\n"),
		"short hash":             text(suffix[1:] + ":7\r\n"),
		"not hexadecimal":        text("G" + suffix[1:] + ":7\r\n"),
		"no count":               text(suffix + "\r\n"),
		"empty count":            text(suffix + ":\r\n"),
		"negative":               text(suffix + ":-7\r\n"),
		"signed":                 text(suffix + ":+7\r\n"),
		"hexadecimal count":      text(suffix + ":0x7\r\n"),
		"underscores":            text(suffix + ":1_0\r\n"),
		"count of twelve digits": text(suffix + ":100000000000\r\n"),
		"space":                  text(suffix + ": 7\r\n"),
		"empty line":             text(good + "\r\n\r\n" + good),
		"bad after the hit":      text(suffix + ":7\r\n" + good + "\r\n<html>"),
		"bad before the hit":     text("<html>\r\n" + suffix + ":7\r\n"),
		"CR alone":               text(suffix + ":7\r" + suffix + ":7\r"),
		"UTF-16":                 text("\xff\xfe0\x001\x00"),
		"bad gzip": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = io.WriteString(w, good)
		},
		"cut": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			_, _ = io.WriteString(w, good)
		},
		"endless": func(w http.ResponseWriter, _ *http.Request) {
			for line := []byte(good + "\r\n"); ; {
				if _, err := w.Write(line); err != nil {
					return
				}
			}
		},
		"over 1 MiB": text(rangeOf(1<<20 + 1)),
		"a bomb": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			for range 200 {
				if _, err := z.Write([]byte(strings.Repeat(hashOf("x")[5:]+":1\r\n", 1000))); err != nil {
					return
				}
			}
			_ = z.Close()
		},
		"hangs up": func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) },
	} {
		synctest.Test(t, func(t *testing.T) { // as above
			list := hibp(t, h)
			n, err := list.Count(t.Context(), sha1.Sum([]byte("password")))
			if err == nil || n != 0 {
				t.Errorf("%s: got %d and error %v, want an error", name, n, err)
				return
			}
			if !strings.HasPrefix(err.Error(), "authn/password: HIBP: ") || strings.Contains(err.Error(), hashOf("password")[:5]) {
				t.Errorf("%s: got error %v", name, err)
			}
			if code, _, _ := strings.Cut(name, " to"); len(code) == 3 && code[0] < 'A' && !strings.Contains(err.Error(), "status "+code) ||
				name == "over 1 MiB" && !strings.Contains(err.Error(), "1048576 bytes") {
				t.Errorf("%s: got error %v, which does not say what is wrong", name, err)
			}
			if e := authn.AsError(err); e.Status != 503 {
				t.Errorf("%s: it answers %d, want 503", name, e.Status)
			}
		})
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	_, err := authn.Must(password.HIBP(password.HIBPConfig{BaseURL: closed.URL})).Count(t.Context(), [20]byte{})
	if err == nil || strings.Contains(err.Error(), "/range/") {
		t.Errorf("a server that is down: got error %v", err)
	}
}

// pipe is a Transport to a server that does as serve says, on a connection of
// this process, so that synctest's clock rules.
func pipe(serve func(c net.Conn)) http.RoundTripper {
	return &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			go serve(server)
			return client, nil
		},
	}
}

// P10: an answer takes 2 s at most, or as long as its context lasts.
func TestHIBPGivesUpInTime(t *testing.T) {
	for name, serve := range map[string]func(c net.Conn){
		"says nothing":        func(c net.Conn) {},
		"stops in the header": func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n") },
		"stops in the body": func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"+hashOf("password")[5:]+":7\r\n")
		},
		"drips": func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
			for _, b := range []byte(ranges{}.body("x", 0)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		},
	} {
		for _, patience := range []time.Duration{time.Hour, 300 * time.Millisecond} {
			t.Run(fmt.Sprint(name, " ", patience), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					list := authn.Must(password.HIBP(password.HIBPConfig{Transport: pipe(func(c net.Conn) {
						defer c.Close()
						_, _ = c.Read(make([]byte, 4096))
						serve(c)
						_, _ = io.Copy(io.Discard, c) // until the client goes
					}), BaseURL: "http://localhost"}))
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					start := time.Now()
					_, err := list.Count(ctx, sha1.Sum([]byte("password")))
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("got error %v, want %v", err, context.DeadlineExceeded)
					}
					if took := time.Since(start); took != min(patience, 2*time.Second) {
						t.Errorf("it took %v", took)
					}
					time.Sleep(time.Minute) // the server goes, too
				})
			})
		}
	}
}

// P10: whoever could answer in the place of the API is refused, and nothing is
// asked before Count.
func TestHIBPConfig(t *testing.T) {
	asked := errors.New("asked")
	transport := roundTripper(func(r *http.Request) (*http.Response, error) { return nil, fmt.Errorf("%w %s", asked, r.URL) })
	for url, want := range map[string]string{
		"":                                  "asked https://api.pwnedpasswords.com/range/5BAA6",
		"https://hibp.example":              "asked https://hibp.example/range/5BAA6",
		"https://hibp.example/":             "asked https://hibp.example/range/5BAA6",
		"https://hibp.example:8443/mirror/": "asked https://hibp.example:8443/mirror/range/5BAA6",
		"http://127.0.0.1:8080":             "asked http://127.0.0.1:8080/range/5BAA6",
		"http://[::1]:8080":                 "asked http://[::1]:8080/range/5BAA6",
		"http://localhost":                  "asked http://localhost/range/5BAA6",
		"http://LOCALHOST":                  "asked http://LOCALHOST/range/5BAA6",
	} {
		list, err := password.HIBP(password.HIBPConfig{BaseURL: url, Transport: transport})
		if err != nil {
			t.Errorf("%q: %v", url, err)
			continue
		}
		if _, err := list.Count(t.Context(), sha1.Sum([]byte("password"))); !errors.Is(err, asked) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%q: got error %v, want %s", url, err, want)
		}
	}
	for _, url := range []string{
		"http://hibp.example", "http://192.0.2.1", "http://localhost.example", "ftp://localhost", "hibp.example", "/range", "https://", "https:///range", ":",
		"https://user:word@hibp.example", "https://hibp.example?key=word", "https://hibp.example/#", "https://hibp.example/?", "https://hibp.example/%zz",
	} {
		if _, err := password.HIBP(password.HIBPConfig{BaseURL: url}); err == nil || !strings.HasPrefix(err.Error(), "authn/password: HIBPConfig.BaseURL ") || strings.Contains(err.Error(), "word@") {
			t.Errorf("%q: got error %v", url, err)
		}
	}
}

type roundTripper func(r *http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// closing is a body that says when it is closed.
type closing struct {
	io.Reader
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return nil
}

// P10: an answer leaves no connection open, whatever it is.
func TestHIBPClosesAnswers(t *testing.T) {
	for _, status := range []int{200, 429} {
		body := &closing{Reader: strings.NewReader(rangeOf(1000))}
		list := authn.Must(password.HIBP(password.HIBPConfig{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Body: body}, nil
		})}))
		_, _ = list.Count(t.Context(), sha1.Sum([]byte("password")))
		if body.closed != 1 {
			t.Errorf("%d: closed %d times", status, body.closed)
		}
	}
}
