package clientip_test

import (
	"testing"

	"github.com/gatehouse-go/authn/clientip"
)

// I2: Forwarded is read as RFC 7239 has it.
func TestForwarded(t *testing.T) {
	w := behind(t, clientip.Forwarded)
	for _, c := range []struct {
		name, line, want string
	}{
		// Its own examples, §4, §6.3 and §7.1.
		{"§4", `for=192.0.2.60;proto=http;by=203.0.113.43`, "192.0.2.60"},
		{"§4, IPv6", `For="[2001:db8:cafe::17]:4711"`, "2001:db8:cafe::17"},
		{"§4, obfuscated", `for="_gazonk"`, "hidden address"},
		{"§4, list", `for=192.0.2.43, for=198.51.100.17`, "198.51.100.17"},
		{"§6.3", `for=_hidden, for=_SEVKISEK`, "hidden address"},
		{"§7.1", `for=192.0.2.43, for="[2001:db8:cafe::17]"`, "2001:db8:cafe::17"},
		{"§7.4", `for=192.0.2.43, for=198.51.100.17;by=203.0.113.60;proto=http;host=example.com`, "198.51.100.17"},

		{"over a proxy", `for=198.51.100.7, for="10.9.9.9:80"`, client},
		{"over a proxy by IPv6", `for=198.51.100.7,for="[2001:db8:ff::1]"`, client},
		{"quotes", `for="198.51.100.7"`, client},
		{"port", `for="198.51.100.7:80"`, client},
		{"obfuscated port", `for="198.51.100.7:_p-1.x"`, client},
		{"obfuscated port of IPv6", `for="[2001:db8::7]:_p"`, "2001:db8::7"},
		{"mapped", `for="[::ffff:198.51.100.7]"`, client},
		{"escapes", `for="\1\9\8.51.100.7"`, client},
		{"for is last", `proto=https;by=_me;host="a;b,c";for=198.51.100.7`, client},
		{"other names", `x-y=1;for=198.51.100.7;z=""`, client},
		{"empty pairs", `;;for=198.51.100.7;;`, client},
		{"a space after the quotes", `for="198.51.100.7" ;proto=https`, client},
		{"any character of a token", `for=198.51.100.7;x=!#~`, client},
		{"spaces around", ` ;	for=198.51.100.7 ; proto=https 	;`, client},
		{"empty elements", `,,for=198.51.100.7, ,`, client},
		{"empty", ``, proxy},
		{"all are trusted", `for=10.3.3.3, for=10.2.2.2`, "10.3.3.3"},
		{"not in quotes: port", `for=198.51.100.7:80`, client},
		{"not in quotes: brackets", `for=[2001:db8::7]:80`, "2001:db8::7"},
		{"not in brackets", `for="2001:db8::7"`, "2001:db8::7"},

		{"unknown", `for=unknown`, "hidden address"},
		{"Unknown with a port", `for="Unknown:80"`, "hidden address"},
		{"obfuscated by every kind of character", `for=_azAZ09.-_`, "hidden address"},
		{"obfuscated with a port", `for="_a:_b"`, "hidden address"},
		{"hidden behind a proxy", `for=198.51.100.7, for=_x, for=10.9.9.9`, "hidden address"},
		{"a hop without for", `for=198.51.100.7, proto=https;by=10.9.9.9`, "hidden address"},
		{"semicolons", `;`, "hidden address"},

		{"only an underscore", `for=_`, "unreadable address"},
		{"obfuscated, badly", `for="_a b"`, "unreadable address"},
		{"obfuscated by a slash", `for="_a/"`, "unreadable address"},
		{"obfuscated by an at sign", `for="_a@"`, "unreadable address"},
		{"obfuscated by a bracket", `for="_a["`, "unreadable address"},
		{"obfuscated by a backtick", "for=\"_a`\"", "unreadable address"},
		{"obfuscated by a brace", `for="_a{"`, "unreadable address"},
		{"a port obfuscated by a colon", `for="198.51.100.7:_a:"`, "unreadable address"},
		{"unknown in brackets", `for="[unknown]"`, "unreadable address"},
		{"no value of another", `by=;for=198.51.100.7`, "unreadable address"},
		{"an open quote of another", `for=198.51.100.7;x="a`, "unreadable address"},
		{"DEL", "for=198.51.100.7;x=\x7f", "unreadable address"},
		{"no value", `for=`, "unreadable address"},
		{"empty value", `for=""`, "unreadable address"},
		{"no equals sign", `for`, "unreadable address"},
		{"no name", `=198.51.100.7`, "unreadable address"},
		{"a space in the name", `for =198.51.100.7`, "unreadable address"},
		{"a space before the value", `for= 198.51.100.7`, "unreadable address"},
		{"a space in the value", `for=198.51.100.7 x`, "unreadable address"},
		{"two quoted", `for="198.51.100.7""x"`, "unreadable address"},
		{"text after the quotes", `for="198.51.100.7"x`, "unreadable address"},
		{"quotes within", `for="\"198.51.100.7\""`, "unreadable address"},
		{"quotes in a token", `for=198.51.100.7;x=a"b"`, "unreadable address"},
		{"an open quote", `for="198.51.100.7`, "unreadable address"},
		{"a closed quote", `for=198.51.100.7"`, "unreadable address"},
		{"an escaped quote at the end", `for="198.51.100.7\"`, "unreadable address"},
		{"a backslash in a token", `for=198.51.100.7;x=\a`, "unreadable address"},
		{"single quotes", `for='198.51.100.7'`, "unreadable address"},
		{"only an address", `198.51.100.7`, "unreadable address"},
		{"a bad pair beside it", `for=198.51.100.7;x`, "unreadable address"},
		{"proto twice", `for=198.51.100.7;proto=http;Proto=https`, "unreadable address"},
		{"a number of 256", `for=198.51.100.256`, "unreadable address"},
		{"not ASCII", `for=198.51.100.7;x=ä`, "unreadable address"},
	} {
		w.want(c.name, proxied("Forwarded", c.line), c.want)
	}
	w.want("a quoted string over two lines", proxied("Forwarded", `for=198.51.100.7;x="a`, "Forwarded", `b"`), "unreadable address")
}
