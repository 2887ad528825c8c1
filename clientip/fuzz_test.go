package clientip_test

import (
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/clientip"
)

// slow is a plain reading of the same: whole lists are made first, by regular
// expressions, and then looked at.
type slow struct{ field clientip.Header }

const slowPort = `(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?$`

var (
	slowIPv6 = regexp.MustCompile(`(?s)^\[([^]]*)\]` + slowPort)
	slowIPv4 = regexp.MustCompile(`(?s)^([^:]*)` + slowPort)
	slowName = regexp.MustCompile(`^(?:(?i:unknown)|_[A-Za-z0-9._-]+)$`) // (?i:[a-z]) would have U+017F and U+212A
	slowPair = "[ \t]*(?:([A-Za-z0-9!#$%&'*+.^_`|~-]+)=(?:\"((?:[^\"\\\\]|\\\\.)*)\"|([!#-+\\--:<-[\\]-~]+)))?[ \t]*"
	slowOne  = regexp.MustCompile(`(?s)^` + slowPair + `(?:;|$)`)
	slowTail = regexp.MustCompile(`(?s)^(?:(.*),)?(` + slowPair + `(?:;` + slowPair + `)*)$`)
)

// elements are those of the lines, the last first, and not many more than are
// looked at; nil is one that cannot be read, and nothing comes after it.
func (s slow) elements(lines []string) (all []*string) {
	for i := len(lines) - 1; i >= 0; i-- {
		if s.field != clientip.Forwarded {
			parts := strings.Split(lines[i], ",")
			for i := len(parts) - 1; i >= 0; i-- {
				all = append(all, &parts[i])
			}
			continue
		}
		for rest, more := lines[i], true; more && len(all) <= 100; {
			m := slowTail.FindStringSubmatchIndex(rest)
			if m == nil {
				return append(all, nil)
			}
			element := rest[m[4]:m[5]]
			all = append(all, &element)
			if more = m[2] >= 0; more {
				rest = rest[:m[3]]
			}
		}
	}
	return all
}

// resolve is the client of a request of the proxy's, or why there is none, and
// the proto of the hop.
func (s slow) resolve(lines []string) (client, proto string) {
	client = proxy
	for i, element := range s.elements(lines) {
		switch {
		case i == 100:
			return "too many hops", ""
		case element == nil:
			return "unreadable address", ""
		}
		text := strings.Trim(*element, " \t")
		if text == "" {
			continue
		}
		proto = ""
		if s.field == clientip.Forwarded {
			node, p, wrong := s.hop(text)
			if wrong != "" {
				return wrong, p
			}
			text, proto = node, p
		} else if m := regexp.MustCompile(`(?s)^"(.*)"$`).FindStringSubmatch(text); m != nil {
			text = m[1]
		}
		addr, wrong := s.addr(text)
		if wrong != "" {
			return wrong, proto
		}
		client = addr.String()
		if !netip.MustParsePrefix("10.0.0.0/8").Contains(addr) && !netip.MustParsePrefix("2001:db8:ff::/48").Contains(addr) {
			break
		}
	}
	return client, proto
}

func (s slow) hop(element string) (node, proto, wrong string) {
	values := map[string][]string{}
	for rest := element; rest != ""; {
		m := slowOne.FindStringSubmatch(rest)
		name := strings.ToLower(m[1])
		value := m[3] + regexp.MustCompile(`(?s)\\(.)`).ReplaceAllString(m[2], "$1")
		values[name] = append(values[name], value)
		rest = rest[len(m[0]):]
	}
	switch {
	case len(values["for"]) > 1 || len(values["proto"]) > 1:
		return "", "", "unreadable address"
	case len(values["proto"]) == 1:
		proto = values["proto"][0]
	}
	if len(values["for"]) == 0 {
		return "", proto, "hidden address"
	}
	return values["for"][0], proto, ""
}

func (slow) addr(text string) (netip.Addr, string) {
	bracket := strings.HasPrefix(text, "[")
	m := []string{"", text} // IPv6 without brackets has no port
	switch {
	case bracket:
		m = slowIPv6.FindStringSubmatch(text)
	case strings.Count(text, ":") < 2:
		m = slowIPv4.FindStringSubmatch(text)
	}
	if m == nil {
		return netip.Addr{}, "unreadable address"
	}
	host := m[1]
	if !bracket && slowName.MatchString(host) {
		return netip.Addr{}, "hidden address"
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || bracket && addr.Is4() {
		return netip.Addr{}, "unreadable address"
	}
	return addr.Unmap().WithZone(""), ""
}

// I2, I4: whatever stands in the field, a slow and plain reading of it finds the
// same client and scheme; what a proxy then appends decides alone; and a peer
// that is not trusted changes nothing.
func FuzzFields(f *testing.F) {
	fields := map[clientip.Header]string{clientip.XForwardedFor: client, clientip.Forwarded: "for=" + client}
	f.Fuzz(func(t *testing.T, first, second string) {
		if len(first)+len(second) > 8<<10 {
			return // each element costs slow its whole line, and the fuzzer kills what takes 10 s
		}
		for field, appended := range fields {
			w := behind(t, field)
			for _, lines := range [][]string{{first}, {first, second}} {
				r := proxied()
				r.Header[string(field)] = lines
				want, proto := slow{field}.resolve(lines)
				w.want(strings.Join(lines, "|"), r, want)
				if got := w.Scheme(r); field == clientip.Forwarded && (got == "https") != (strings.EqualFold(proto, "https") || strings.EqualFold(proto, "wss")) {
					t.Errorf("%q: scheme %s, want that of %q", lines, got, proto)
				}
			}
			r := proxied()
			r.Header[string(field)] = []string{first, second + "," + appended}
			w.want("appended to", r, client)
			r.Header[string(field)] = []string{first, second, appended}
			w.want("a line more", r, client)
			r.RemoteAddr = stranger
			w.want("not proxied", r, "192.0.2.66")
		}
	})
}

// I2: a field with one address has one or none, of the same forms.
func FuzzOneAddress(f *testing.F) {
	f.Fuzz(func(t *testing.T, value string) {
		w := behind(t, "X-Real-IP")
		r := proxied()
		r.Header = http.Header{"X-Real-Ip": {value}}
		want, _ := slow{clientip.XForwardedFor}.resolve([]string{value})
		if strings.Contains(value, ",") || strings.Trim(value, " \t") == "" {
			want = "unreadable address"
		}
		w.want(value, r, want)
	})
}
