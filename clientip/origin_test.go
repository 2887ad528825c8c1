package clientip_test

import (
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/clientip"
)

// I2: the first address from the right that is no proxy's is the client, in all
// lines of the field.
func TestXForwardedFor(t *testing.T) {
	w := behind(t, clientip.XForwardedFor)
	for _, c := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"one", []string{client}, client},
		{"two proxies", []string{client + ", 10.9.9.9"}, client},
		{"no space", []string{client + ",10.9.9.9"}, client},
		{"tabs", []string{"\t" + client + "\t,\t10.9.9.9\t"}, client},
		{"IPv6", []string{"2001:db8::7"}, "2001:db8::7"},
		{"a proxy by IPv6", []string{client + ", 2001:db8:ff::1"}, client},
		{"next to a proxy's prefix", []string{"9.255.255.255, 10.0.0.0"}, "9.255.255.255"},
		{"next to it, above", []string{"11.0.0.0, 10.255.255.255"}, "11.0.0.0"},
		{"private is no reason to trust", []string{client + ", 192.168.0.1"}, "192.168.0.1"},
		{"loopback is none either", []string{client + ", 127.0.0.1"}, "127.0.0.1"},
		{"two lines", []string{victim, client}, client},
		{"two lines of two", []string{victim + ", " + client, "10.9.9.9, 10.8.8.8"}, client},

		// What is left when all are trusted.
		{"no line", nil, proxy},
		{"an empty line", []string{""}, proxy},
		{"commas", []string{" , ,,"}, proxy},
		{"all are trusted", []string{"10.3.3.3, 10.2.2.2"}, "10.3.3.3"},
		{"all are trusted, two lines", []string{"10.3.3.3", "10.2.2.2"}, "10.3.3.3"},
		{"empty elements", []string{client + ",,10.9.9.9,,", ",, ,"}, client},

		// How proxies write.
		{"port", []string{client + ":49152"}, client},
		{"a port of one digit", []string{client + ":8"}, client},
		{"brackets", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"brackets and port", []string{"[2001:db8::7]:443"}, "2001:db8::7"},
		{"quotes", []string{`"` + client + `"`}, client},
		{"quotes, brackets and port", []string{`"[2001:db8::7]:443"`}, "2001:db8::7"},
		{"zone", []string{"fe80::7%eth0"}, "fe80::7"},
		{"brackets and zone", []string{"[fe80::7%eth0]:80"}, "fe80::7"},
		{"not in canonical form", []string{"2001:0DB8:0:0:0:0:0:0007"}, "2001:db8::7"},
		{"mapped", []string{"::ffff:198.51.100.7"}, client},
		{"mapped by digits", []string{"::ffff:c633:6407"}, client},
		{"mapped, brackets and port", []string{"[::ffff:198.51.100.7]:80"}, client},

		// What ends the search.
		{"text", []string{client + ", hello"}, "unreadable address"},
		{"unknown, as Squid writes", []string{client + ", unknown"}, "hidden address"},
		{"text between proxies", []string{client + ", hello, 10.9.9.9"}, "unreadable address"},
		{"text in a line between", []string{client, "hello", "10.9.9.9"}, "unreadable address"},
		{"unknown behind a proxy", []string{client + ", UNKNOWN:80, 10.9.9.9"}, "hidden address"},
		{"obfuscated", []string{"_hidden"}, "hidden address"},
		{"spaces between", []string{"198.51.100.7 10.9.9.9"}, "unreadable address"},
		{"a name", []string{"app.example"}, "unreadable address"},
		{"a netmask", []string{client + "/32"}, "unreadable address"},
		{"three numbers", []string{"198.51.100"}, "unreadable address"},
		{"five numbers", []string{"198.51.100.7.1"}, "unreadable address"},
		{"a number of 256", []string{"198.51.100.256"}, "unreadable address"},
		{"octal", []string{"198.51.100.07"}, "unreadable address"},
		{"one number", []string{"3325256711"}, "unreadable address"},
		{"hexadecimal", []string{"0xc6336407"}, "unreadable address"},
		{"no port", []string{client + ":"}, "unreadable address"},
		{"a port of letters", []string{client + ":http"}, "unreadable address"},
		{"a port of 6 digits", []string{client + ":123456"}, "unreadable address"},
		{"two ports", []string{client + ":80:80"}, "unreadable address"},
		{"only a port", []string{":80"}, "unreadable address"},
		{"IPv4 in brackets", []string{"[198.51.100.7]:80"}, "unreadable address"},
		{"an open bracket", []string{"[2001:db8::7"}, "unreadable address"},
		{"a closed bracket", []string{"2001:db8::7]"}, "unreadable address"},
		{"no colon after the bracket", []string{"[2001:db8::7]443"}, "unreadable address"},
		{"text after the bracket", []string{"[2001:db8::7]x:443"}, "unreadable address"},
		{"empty brackets", []string{"[]:80"}, "unreadable address"},
		{"an open quote", []string{`"` + client}, "unreadable address"},
		{"single quotes", []string{"'" + client + "'"}, "unreadable address"},
		{"a quote", []string{`"`}, "unreadable address"},
		{"of Forwarded", []string{"for=" + client}, "unreadable address"},
		{"NUL", []string{client + "\x00"}, "unreadable address"},
		{"another kind of digits", []string{"١٩٨.51.100.7"}, "unreadable address"},
	} {
		var fields []string
		for _, line := range c.lines {
			fields = append(fields, "x-forwarded-for", line)
		}
		w.want(c.name, proxied(fields...), c.want)
		w.want(c.name+", mapped peer", request("[::ffff:"+proxy+"]:443", fields...), strings.Replace(c.want, "::ffff:", "", 1))
	}
}

// I2: a field with one address has one, in one line.
func TestOneAddress(t *testing.T) {
	w := behind(t, "cf-connecting-ip")
	for _, c := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"one", []string{client}, client},
		{"IPv6", []string{"2001:db8::7"}, "2001:db8::7"},
		{"space", []string{" " + client + " "}, client},
		{"port", []string{client + ":80"}, client},
		{"mapped", []string{"::ffff:198.51.100.7"}, client},
		{"of a proxy", []string{"10.9.9.9"}, "10.9.9.9"},
		{"no line: the proxy's own request", nil, proxy},
		{"empty", []string{""}, "unreadable address"},
		{"two lines", []string{victim, client}, "unreadable address"},
		{"two lines of one", []string{client, client}, "unreadable address"},
		{"two", []string{victim + ", " + client}, "unreadable address"},
		{"unknown", []string{"unknown"}, "hidden address"},
	} {
		fields := []string{"X-Forwarded-For", victim, "Forwarded", "for=" + victim, "X-Real-IP", victim}
		for _, line := range c.lines {
			fields = append(fields, "CF-Connecting-IP", line)
		}
		w.want(c.name, proxied(fields...), c.want)
	}
}

// I4: ways to seem to be somebody else that have worked elsewhere.
func TestForging(t *testing.T) {
	const by = "198.51.100.7" // who forges
	for _, c := range []struct {
		name   string
		field  clientip.Header
		peer   string
		fields []string
		want   string
	}{
		{"GHSA-3fxj-6jh8-hvhx of chi: the field, sent directly", clientip.XForwardedFor, by + ":80", []string{"X-Forwarded-For", victim + ", 10.0.0.1"}, by},
		{"GHSA-9g5q-2w5x-hmxf of chi: the leftmost address", clientip.XForwardedFor, proxy + ":80", []string{"X-Forwarded-For", victim + ", " + by}, by},
		{"GHSA-rjr7-jggh-pgcp of chi: loopback", clientip.XForwardedFor, proxy + ":80", []string{"X-Forwarded-For", "127.0.0.1, " + by}, by},
		{"GHSA-rjr7-jggh-pgcp of chi: fields that nobody named", clientip.XForwardedFor, proxy + ":80", []string{"X-Forwarded-For", by, "X-Real-IP", victim, "True-Client-IP", victim, "Forwarded", "for=" + victim}, by},
		{"the perils: a line of its own", clientip.XForwardedFor, proxy + ":80", []string{"X-Forwarded-For", victim, "X-Forwarded-For", by + ", 10.2.2.2"}, by},
		{"the perils: garbage on the left", clientip.XForwardedFor, proxy + ":80", []string{"X-Forwarded-For", "oh, hi,,127.0.0.1,,,, " + by}, by},
		{"the perils: who is on the same private net", clientip.XForwardedFor, proxy + ":80", []string{"X-Forwarded-For", victim + ", 192.168.3.4"}, "192.168.3.4"},
		{"a proxy's address on the left", clientip.XForwardedFor, proxy + ":80", []string{"X-Forwarded-For", victim + ", 10.2.2.2, " + by}, by},
		{"a proxy's address, sent directly", clientip.XForwardedFor, by + ":80", []string{"X-Forwarded-For", "10.2.2.2"}, by},
		{"a trusted address, mapped, is trusted", clientip.XForwardedFor, proxy + ":80", []string{"X-Forwarded-For", by + ", ::ffff:10.2.2.2"}, by},
		{"a trusted address with a zone is trusted", clientip.XForwardedFor, proxy + ":80", []string{"X-Forwarded-For", by + ", 2001:db8:ff::2%x"}, by},
		{"a zone, as many groups", clientip.XForwardedFor, proxy + ":80", []string{"X-Forwarded-For", "2001:db8::7%a"}, "2001:db8::7"},
		{"a trusted peer's address in the name of a peer", clientip.XForwardedFor, "10.0.0.1.evil.example:80", []string{"X-Forwarded-For", victim}, "no peer address"},
		{"RemoteAddr that another middleware has changed", clientip.XForwardedFor, "10.0.0.1, 10.0.0.2", []string{"X-Forwarded-For", victim}, "no peer address"},
		{"a quote that swallows the rest", clientip.XForwardedFor, proxy + ":80", []string{"X-Forwarded-For", `"` + victim + ", " + by}, by},
		{"a hundred commas", clientip.XForwardedFor, proxy + ":80", []string{"X-Forwarded-For", strings.Repeat(",", 1000) + by}, by},

		{"Forwarded: sent directly", clientip.Forwarded, by + ":80", []string{"Forwarded", "for=" + victim}, by},
		{"Forwarded: the leftmost", clientip.Forwarded, proxy + ":80", []string{"Forwarded", "for=" + victim + ", for=" + by}, by},
		{"Forwarded: another field", clientip.Forwarded, proxy + ":80", []string{"Forwarded", "for=" + by, "X-Forwarded-For", victim}, by},
		{"Forwarded: a quote left open", clientip.Forwarded, proxy + ":80", []string{"Forwarded", `for="` + victim + ", for=" + by}, by},
		{"Forwarded: a quote left open, closed by the proxy's", clientip.Forwarded, proxy + ":80", []string{"Forwarded", `for=` + victim + `;x=", for="` + by + `"`}, by},
		{"Forwarded: a quote left open before a backslash", clientip.Forwarded, proxy + ":80", []string{"Forwarded", `for="\, for=` + by}, by},
		{"Forwarded: an element in the proxy's own text", clientip.Forwarded, proxy + ":80", []string{"Forwarded", "for=" + by + `;host="x, for=` + victim + `"`}, by},
		{"Forwarded: an element with quotes in it", clientip.Forwarded, proxy + ":80", []string{"Forwarded", "for=" + by + `;host="x\", for=` + victim + `;x=\""`}, by},
		{"Forwarded: a backslash before the quote", clientip.Forwarded, proxy + ":80", []string{"Forwarded", "for=" + by + `;host="x\\";by=10.2.2.2`}, by},
		{"Forwarded: twice in one hop", clientip.Forwarded, proxy + ":80", []string{"Forwarded", "for=" + by + ";for=" + victim}, "unreadable address"},
		{"Forwarded: twice, in capitals", clientip.Forwarded, proxy + ":80", []string{"Forwarded", "for=" + by + ";FOR=" + victim}, "unreadable address"},
		{"Forwarded: by is not for", clientip.Forwarded, proxy + ":80", []string{"Forwarded", "for=" + by + ";by=" + victim}, by},
		{"Forwarded: a line of its own", clientip.Forwarded, proxy + ":80", []string{"Forwarded", "for=" + victim + `;x="`, "Forwarded", "for=" + by}, by},

		{"one address, sent directly", "X-Real-IP", by + ":80", []string{"X-Real-IP", victim}, by},
		{"one address, twice", "X-Real-IP", proxy + ":80", []string{"X-Real-IP", victim, "X-Real-IP", by}, "unreadable address"},
		{"one address, as a list", "X-Real-IP", proxy + ":80", []string{"X-Real-IP", by + "," + victim}, "unreadable address"},
	} {
		behind(t, c.field).want(c.name, request(c.peer, c.fields...), c.want)
	}
}

// I4: whatever a client sends, what the proxy then appends decides.
func TestClientsTextChangesNothing(t *testing.T) {
	for field, appended := range map[clientip.Header]string{clientip.XForwardedFor: client, clientip.Forwarded: "for=" + client} {
		w := behind(t, field)
		for _, sent := range []string{
			"", ",", ", ", `"`, `\`, `"\`, `\"`, `"\"`, `for="`, `for="\`, "[", "[::1", "for=", ";", "=", victim, `"` + victim, "for=" + victim + ";",
			"unknown", "_x", "for=unknown", "hello", "\x00", strings.Repeat("10.0.0.1,", 500), strings.Repeat(`"`, 1001), strings.Repeat(`\`, 1001),
		} {
			w.want(sent+", in the same line", proxied(string(field), sent+", "+appended), client)
			w.want(sent+", in a line before", proxied(string(field), sent, string(field), appended), client)
		}
	}
}

// I2: what is read of a field is bounded: a hundred elements, empty ones too.
func TestHopsAreBounded(t *testing.T) {
	for _, c := range []struct {
		name, before, want string
		n                  int
		element            string
	}{
		{"99 proxies", client + ",", client, 99, "10.0.0.1"},
		{"100 proxies", client + ",", "too many hops", 100, "10.0.0.1"},
		{"100 proxies and nobody", "", "10.0.0.1", 100, "10.0.0.1"},
		{"100 proxies and a comma", ",", "too many hops", 100, "10.0.0.1"},
		{"99 commas", client + ",", client, 98, ""},
		{"101 commas", client + ",", "too many hops", 100, ""},
		{"64 KiB of commas", client + ",", "too many hops", 64 << 10, ""},
		{"64 KiB of proxies", client + ",", "too many hops", 6 << 10, "10.0.0.1"},
	} {
		for field, name := range map[clientip.Header]string{clientip.XForwardedFor: "", clientip.Forwarded: "for="} {
			element, before := c.element, c.before
			if element != "" {
				element = name + element
			}
			if before != "" {
				before = name + before
			}
			line := before + strings.TrimSuffix(strings.Repeat(element+",", c.n), ",")
			behind(t, field).want(c.name+" of "+string(field), proxied(string(field), line), c.want)
		}
	}
	w := behind(t, clientip.XForwardedFor)
	r := proxied()
	for range 1000 {
		r.Header.Add("X-Forwarded-For", "")
	}
	w.want("1000 lines", r, "too many hops")
}
