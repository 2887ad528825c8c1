package jwtauth

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"
)

// read is what members makes of s, by name.
func read(s string) (map[string]string, error) {
	got := make(map[string]string)
	err := members(s, func(name, value string) error {
		if _, ok := got[name]; ok {
			return errors.New("twice")
		}
		got[name] = value
		return nil
	})
	return got, err
}

// J6: the reader against encoding/json, and by what it is stricter.
func TestMembers(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + `1` + strings.Repeat(`}`, n) }
	many := func(n int) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(`,"` + strconv.Itoa(i) + `":0`)
		}
		return "{" + strings.TrimPrefix(b.String(), ",") + "}"
	}
	for _, c := range []struct {
		in       string
		want     error
		accepted bool // by encoding/json
	}{
		{`{}`, nil, true},
		{" \t\r\n{ \t\r\n} \t\r\n", nil, true},
		{`{"a":1}`, nil, true},
		{`{"a" : 1 , "b" : [ 1 , 2 ] }`, nil, true},
		{`{"":0}`, nil, true},
		{`{"a":[],"b":{},"c":true,"d":false,"e":null}`, nil, true},
		{`{"a":"\"\\\/\b\f\n\r\t\u00e9"}`, nil, true},
		{`{"a":"\ud83d\ude00"}`, nil, true},
		{"{\"a\":\"\x7f\u2028\ufffd\"}", nil, true},
		{`{"a":-0.0e-0}`, nil, true},
		{`{"a":1e999}`, nil, true}, // into a json.Number
		{deep(maxDepth), nil, true},
		{many(maxMembers), nil, true},
		{`{"é":0,"e":1}`, nil, true},
		{`{"k":0,"s":1}`, nil, true},
		{`{"ab":0,"a":1}`, nil, true},
		{`{"@":0,"` + "`" + `":1}`, nil, true}, // the same but for 0x20, and no letters
		{`{"[":0,"{":1}`, nil, true},
		{`{"中":0,"文":1}`, nil, true}, // no cases
		{`{"a":9,"b":1090}`, nil, true},

		{`{"a":0,"a":1}`, errDuplicate, true},
		{`{"a":0,"A":1}`, errDuplicate, true},
		{`{"a":0,"\u0061":1}`, errDuplicate, true},
		{`{"z":0,"Z":1}`, errDuplicate, true},
		{`{"":0,"":1}`, errDuplicate, true},
		{`{"k":0,"` + "\u212a" + `":1}`, errDuplicate, true},
		{`{"` + "\u212a" + `":0,"K":1}`, errDuplicate, true},
		{`{"s":0,"` + "\u017f" + `":1}`, errDuplicate, true},
		{`{"é":0,"É":1}`, errDuplicate, true},
		{`{"σ":0,"ς":1}`, errDuplicate, true},
		{`{"a":{"b":0,"B":1}}`, errDuplicate, true},
		{`{"a":[{"b":0,"b":1}]}`, errDuplicate, true},
		{deep(maxDepth + 1), errJSONSize, true},
		{`{"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`, errJSONSize, true},
		{many(maxMembers + 1), errJSONSize, true},
		{`{"a":"\ud800"}`, errJSON, true},
		{`{"a":"\udc00"}`, errJSON, true},
		{`{"a":"\ud800x"}`, errJSON, true},
		{`{"a":"\ud800\ud800"}`, errJSON, true},
		{`{"a":"\ud800\n"}`, errJSON, true},
		{`{"\ud800":0}`, errJSON, true},
		{"{\"a\":\"\xff\"}", errJSON, true},
		{"{\"\xff\":0}", errJSON, true},

		{``, errJSON, false},
		{` `, errJSON, false},
		{`{`, errJSON, false},
		{`{"a"`, errJSON, false},
		{`{"a":`, errJSON, false},
		{`{"a":-`, errJSON, false},
		{`{"a":1`, errJSON, false},
		{`{"a":1e`, errJSON, false},
		{`{"a":[`, errJSON, false},
		{`{"x":{"a"}}`, errJSON, false},
		{`{"x":{"a"=1}}`, errJSON, false},
		{`{"x":{"a":1`, errJSON, false},
		{`{"x":{"a":1 "b":2}}`, errJSON, false},
		{`{"x":{a:1}}`, errJSON, false},
		{`}`, errJSON, false},
		{`{}}`, errJSON, false},
		{`{}{}`, errJSON, false},
		{`{},`, errJSON, false},
		{`{a:1}`, errJSON, false},
		{`{1:1}`, errJSON, false},
		{`{"a"}`, errJSON, false},
		{`{"a":}`, errJSON, false},
		{`{"a":1,}`, errJSON, false},
		{`{,"a":1}`, errJSON, false},
		{`{"a":1 "b":2}`, errJSON, false},
		{`{"a":1;"b":2}`, errJSON, false},
		{`{"a"=1}`, errJSON, false},
		{`{"a":[1,]}`, errJSON, false},
		{`{"a":[,1]}`, errJSON, false},
		{`{"a":[1`, errJSON, false},
		{`{"a":[1 2]}`, errJSON, false},
		{`{"a":01}`, errJSON, false},
		{`{"a":-}`, errJSON, false},
		{`{"a":-01}`, errJSON, false},
		{`{"a":+1}`, errJSON, false},
		{`{"a":1.}`, errJSON, false},
		{`{"a":.1}`, errJSON, false},
		{`{"a":1e}`, errJSON, false},
		{`{"a":1e+}`, errJSON, false},
		{`{"a":0x1}`, errJSON, false},
		{`{"a":1_0}`, errJSON, false},
		{`{"a":NaN}`, errJSON, false},
		{`{"a":Infinity}`, errJSON, false},
		{`{"a":True}`, errJSON, false},
		{`{"a":tru}`, errJSON, false},
		{`{"a":nullx}`, errJSON, false},
		{`{"a":'x'}`, errJSON, false},
		{`{"a":"x}`, errJSON, false},
		{`{"a":"\`, errJSON, false},
		{`{"a":"\"}`, errJSON, false},
		{`{"a":"\x"}`, errJSON, false},
		{`{"a":"\'"}`, errJSON, false},
		{`{"a":"\u"}`, errJSON, false},
		{`{"a":"\u123"}`, errJSON, false},
		{`{"a":"\u12g4"}`, errJSON, false},
		{`{"a":"\U0041"}`, errJSON, false},
		{"{\"a\":\"\n\"}", errJSON, false},
		{"{\"a\":\"\\\n\"}", errJSON, false},
		{"{\"a\":\"\x00\"}", errJSON, false},
		{"{\"a\":1}\x00", errJSON, false},
		{"\ufeff{}", errJSON, false},
		{"{\u00a0}", errJSON, false},
		{"{\v}", errJSON, false},
		{`{/**/}`, errJSON, false},
		{`{"a":1}//`, errJSON, false},
	} {
		got, err := read(c.in)
		if !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%.60q: %v, want %v", c.in, err, c.want)
		}
		want, stdErr := standard(c.in)
		if (stdErr == nil) != c.accepted {
			t.Errorf("%.60q: encoding/json: %v", c.in, stdErr)
		}
		if c.want == nil && !maps.Equal(got, want) {
			t.Errorf("%.60q: got %q, encoding/json %q", c.in, got, want)
		}
	}
	for _, in := range []string{`[]`, `null`, `1`, `"x"`, `true`} {
		if _, err := read(in); !errors.Is(err, errJSON) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

// standard is what encoding/json makes of an object, as the text of its values.
func standard(s string) (map[string]string, error) {
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(s), &raw); err != nil {
		return nil, err
	}
	texts := make(map[string]string, len(raw))
	for name, value := range raw {
		texts[name] = string(value)
	}
	return texts, nil
}

// J6: members stops at the first error of its callback and hands it on.
func TestMembersHandsErrorsOn(t *testing.T) {
	stop, n := errors.New("stop"), 0
	err := members(`{"a":1,"b":2,`, func(string, string) error { n++; return stop })
	if err != stop || n != 1 { //nolint:errorlint // handed on as it is
		t.Errorf("%v after %d", err, n)
	}
}

// J6: a NumericDate is a number in [0, 253402300799]; no float gets further, so
// that none wraps around.
func TestDateOf(t *testing.T) {
	for _, c := range []struct {
		in       string
		seconds  int64 // -1: refused
		fraction bool
	}{
		{`0`, 0, false},
		{`1`, 1, false},
		{`1795349700`, 1795349700, false},
		{`253402300799`, maxDate, false},
		{`0.0`, 0, false},
		{`0.5`, 0, true},
		{`1.9999`, 1, true},
		{`1e3`, 1000, false},
		{`1.5E+1`, 15, false},
		{`1e-400`, 0, false},
		{`2.53402300799e11`, maxDate, false},
		{`253402300798.9`, maxDate - 1, true},
		{`-0`, -1, false},
		{`-0.0`, -1, false},
		{`-1`, -1, false},
		{`-1e-9`, -1, false},
		{`-1e400`, -1, false},
		{`253402300800`, -1, false},
		{`253402300799.1`, -1, false},
		{`2.534023008e11`, -1, false},
		{`9223372036854775807`, -1, false},
		{`9223372036854775808`, -1, false},
		{`18446744073709551615`, -1, false},
		{`18446744073709551616`, -1, false},
		{`9.223372036854775807e18`, -1, false},
		{`1e18`, -1, false},
		{`1e308`, -1, false},
		{`1e309`, -1, false},
		{`1e99999999999`, -1, false},
		{`"1"`, -1, false},
		{`"NaN"`, -1, false},
		{`null`, -1, false},
		{`true`, -1, false},
		{`[1]`, -1, false},
		{`{}`, -1, false},
		{strings.Repeat("9", 400), -1, false},
		{`0.` + strings.Repeat("0", 400) + `1`, 0, false},
	} {
		seconds, fraction, err := dateOf(c.in)
		if c.seconds < 0 {
			if !errors.Is(err, errNotDate) {
				t.Errorf("%.40s: %d, %v", c.in, seconds, err)
			}
			continue
		}
		if err != nil || seconds != c.seconds || fraction != c.fraction {
			t.Errorf("%.40s: %d, %v, %v, want %d, %v", c.in, seconds, fraction, err, c.seconds, c.fraction)
		}
		if f, _ := strconv.ParseFloat(c.in, 64); math.Floor(f) != float64(seconds) {
			t.Errorf("%.40s: %d, and as a float %v", c.in, seconds, f)
		}
	}
}

// J6: what an escape says, and that no half of a character passes.
func TestUnquote(t *testing.T) {
	for _, c := range []struct {
		in, want string
		bad      bool
	}{
		{`""`, "", false},
		{`"a"`, "a", false},
		{`"é😀"`, "é😀", false},
		{`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t", false},
		{`"\u0000\u0041\u00E9\uffff"`, "\x00A\u00e9\uffff", false},
		{`"\ud83d\ude00"`, "😀", false},
		{`"\uDBFF\uDFFF"`, "\U0010ffff", false},
		{`"\ud800\udc00x"`, "\U00010000x", false},
		{`"\u09af\uAF90"`, "\u09af\uaf90", false},
		{`"\ufffd"`, "\ufffd", false},
		{`"\\u0041"`, `\u0041`, false},
		{in: `"\ud83d"`, bad: true},
		{in: `"\ude00"`, bad: true},
		{in: `"\ude00\ud83d"`, bad: true},
		{in: `"\ude00\ude00"`, bad: true},
		{in: `"\udc00\udc00"`, bad: true},
		{in: `"\ud83d\ud83d\ude00"`, bad: true},
		{in: `"\ud83dx"`, bad: true},
		{in: `"\ud83d\u"`, bad: true},
		{in: `"\ud83d\n"`, bad: true},
		{in: `"\ud83d\u12"`, bad: true},
		{in: `"\u"`, bad: true},
		{in: `"\u00"`, bad: true},
		{in: `"\u00g0"`, bad: true},
		{in: `"\u+041"`, bad: true},
		{in: `"\x41"`, bad: true},
		{in: `"\"`, bad: true},
		{in: `"`, bad: true},
		{in: ``, bad: true},
		{in: `a`, bad: true},
		{in: `"a`, bad: true},
		{in: `a"`, bad: true},
	} {
		got, err := unquote(c.in)
		if (err != nil) != c.bad || got != c.want {
			t.Errorf("%s: %q, %v", c.in, got, err)
		}
		var std string
		if !c.bad && (json.Unmarshal([]byte(c.in), &std) != nil || std != got) {
			t.Errorf("%s: %q, encoding/json %q", c.in, got, std)
		}
	}
}
