package totp_test

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/totp"
)

// labels are issuers and accounts that have broken readers, and writers, of URIs.
var labels = []struct{ issuer, account string }{
	{"Acme", "ada@example.com"},
	{"Ben & Jerry's", "a&b=c"},
	{"100% legal", "ada%40example.com"},
	{"C++ + C#", "ada+otp@example.com"},
	{"Müller 🍨 Söhne", "ada 🔑 lovelace"},
	{`"quoted" <b>`, "/?#[]@!$'()*,;="},
	{strings.Repeat("🍨", 16), strings.Repeat("é", 64)},
}

// T2: the URI says issuer and account so that any reader of URIs reads them as
// they are.
func TestURISaysWhatItShould(t *testing.T) {
	for _, l := range labels {
		w := newWorld(t, func(cfg *totp.Config) { cfg.Issuer = l.issuer })
		e := authn.Must(w.Begin(t.Context(), w.user("ada", "pwd"), l.account))
		u, err := url.Parse(e.URI.Reveal())
		if err != nil {
			t.Fatalf("%+v: %v", l, err)
		}
		q := u.Query()
		if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/"+l.issuer+":"+l.account || u.Fragment != "" {
			t.Errorf("%+v: label %q", l, u.Path)
		}
		want := url.Values{
			"issuer": {l.issuer}, "secret": {e.Secret.Reveal()}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"},
		}
		if fmt.Sprint(q) != fmt.Sprint(want) {
			t.Errorf("%+v: query %v, want %v", l, q, want)
		}
		if bad := regexp.MustCompile(`[^A-Za-z0-9%:/?=&._~-]`).FindString(e.URI.Reveal()); bad != "" {
			t.Errorf("%+v: %q is not escaped", l, bad)
		}
	}
	w := newWorld(t, nil)
	e := authn.Must(w.Begin(t.Context(), w.user("ada", "pwd"), "azAZ09-._~`{@[/;"))
	if want := "otpauth://totp/Acme:azAZ09-._~%60%7B%40%5B%2F%3B?"; !strings.HasPrefix(e.URI.Reveal(), want) {
		t.Errorf("the URI is %q, want %q", e.URI.Reveal(), want)
	}
}

// T1: PNG, data URI and SVG show the same code, with a border, at any size from
// 128 pixels.
func TestQRCodesAreTheSame(t *testing.T) {
	for i, l := range labels {
		w := newWorld(t, func(cfg *totp.Config) { cfg.Issuer = l.issuer })
		e := authn.Must(w.Begin(t.Context(), w.user("ada", "pwd"), l.account))
		want := svgModules(t, authn.Must(e.SVG()))
		side := len(want)
		for i := range side { // quiet zone
			for j := range 4 {
				if want[i][j] || want[j][i] || want[i][side-1-j] || want[side-1-j][i] {
					t.Fatalf("%+v: the border is not white", l)
				}
			}
		}
		if n := side - 8; (n-17)%4 != 0 || n < 21 || n > 177 {
			t.Errorf("%+v: %d modules are no QR code", l, n)
		}
		for i := range 7 { // finder patterns in three corners
			if !want[4][4+i] || !want[4+i][4] || !want[4][side-5-i] || !want[side-5][4+i] {
				t.Fatalf("%+v: a finder pattern is not where it should be", l)
			}
		}
		for _, size := range []int{128, 129, 333, 2048}[:3+1/(i+1)] {
			b := authn.Must(e.PNG(size))
			img, err := png.Decode(bytes.NewReader(b))
			if err != nil || img.Bounds() != image.Rect(0, 0, size, size) {
				t.Fatalf("%+v: PNG of %d pixels: %v, %v", l, size, img.Bounds(), err)
			}
			scale := size / side
			margin := (size - scale*(side-8)) / 2
			for y := range side - 8 {
				for x := range side - 8 {
					r, _, _, _ := img.At(margin+x*scale+scale/2, margin+y*scale+scale/2).RGBA()
					if (r == 0) != want[4+y][4+x] {
						t.Fatalf("%+v: the PNG of %d pixels differs at %d, %d", l, size, x, y)
					}
				}
			}
			uri := authn.Must(e.DataURI(size))
			data, ok := strings.CutPrefix(uri, "data:image/png;base64,")
			if !ok || !bytes.Equal(authn.Must(base64.StdEncoding.DecodeString(data)), b) {
				t.Errorf("%+v: the data URI is not the PNG", l)
			}
		}
	}
}

// svgModules reads the dark squares of an SVG, with its border.
func svgModules(t *testing.T, b []byte) [][]bool {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(b))
	var dark [][]bool
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return dark
		}
		if err != nil {
			t.Fatalf("SVG: %v", err)
		}
		start, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		for _, a := range start.Attr {
			switch a.Name.Local {
			case "viewBox":
				var side int
				if _, err := fmt.Sscanf(a.Value, "0 0 %d %d", &side, &side); err != nil {
					t.Fatal(err)
				}
				dark = make([][]bool, side)
				for i := range dark {
					dark[i] = make([]bool, side)
				}
			case "d":
				for _, m := range regexp.MustCompile(`M\d+ \d+h1v1h-1z`).FindAllString(a.Value, -1) {
					var x, y int
					if _, err := fmt.Sscanf(m, "M%d %dh1v1h-1z", &x, &y); err != nil {
						t.Fatal(err)
					}
					dark[y][x] = true
				}
			}
		}
	}
}

// T1: a QR code of no size, or of nothing, is an error that says no secret.
func TestQRCodeErrors(t *testing.T) {
	w := newWorld(t, nil)
	e := authn.Must(w.Begin(t.Context(), w.user("ada", "pwd"), "ada"))
	for _, size := range []int{-1, 0, 127, 2049, 1 << 30} {
		if _, err := e.PNG(size); err == nil {
			t.Errorf("PNG of %d pixels", size)
		}
		if _, err := e.DataURI(size); err == nil {
			t.Errorf("data URI of %d pixels", size)
		}
	}
	for _, uri := range []string{"", "https://example.com/", "otpauth://totp/%zz?secret=SECRET", "otpauth://totp/a?secret=" + strings.Repeat("S", 4000)} {
		e := totp.Enrollment{URI: authn.NewSecret(uri)}
		_, err := e.PNG(200)
		_, err2 := e.SVG()
		_, err3 := e.DataURI(200)
		if err == nil || err2 == nil || err3 == nil || strings.Contains(err.Error()+err2.Error(), "SECRET") {
			t.Errorf("QR code of %.40q: %v, %v, %v", uri, err, err2, err3)
		}
	}
}
