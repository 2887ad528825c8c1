package totp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"

	"github.com/pquerna/otp"
)

const (
	minQR = 128
	maxQR = 2048
	// quiet is the border that a reader needs, in modules (ISO/IEC 18004 §9.1).
	quiet = 4
	// maxModules is the side of the largest QR code.
	maxModules = 177
)

// PNG is the QR code in black on white, a square of size pixels: 128 to 2048. 256 is
// large enough for every reader and label.
func (e Enrollment) PNG(size int) ([]byte, error) {
	if size < minQR || size > maxQR {
		return nil, fmt.Errorf("authn/totp: a QR code is %d to %d pixels wide, not %d", minQR, maxQR, size)
	}
	dark, err := e.modules()
	if err != nil {
		return nil, err
	}
	scale := size / (len(dark) + 2*quiet)
	margin := (size - scale*len(dark)) / 2
	img := image.NewPaletted(image.Rect(0, 0, size, size), color.Palette{color.White, color.Black})
	for y := range scale * len(dark) {
		for x := range scale * len(dark) {
			if dark[y/scale][x/scale] {
				img.SetColorIndex(margin+x, margin+y, 1)
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return nil, fmt.Errorf("authn/totp: QR code: %w", err)
	}
	return b.Bytes(), nil
}

// DataURI is PNG for the src of an img. A Content-Security-Policy must allow data:
// among its img-src.
func (e Enrollment) DataURI(size int) (string, error) {
	b, err := e.PNG(size)
	if err != nil {
		return "", err
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b), nil
}

// SVG is the QR code as an svg element that fills what it is put in.
func (e Enrollment) SVG() ([]byte, error) {
	dark, err := e.modules()
	if err != nil {
		return nil, err
	}
	side := len(dark) + 2*quiet
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges">`, side, side)
	fmt.Fprintf(&b, `<path fill="#fff" d="M0 0h%dv%dH0z"/><path d="`, side, side)
	for y, row := range dark {
		for x, d := range row {
			if d {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	b.WriteString(`"/></svg>`)
	return b.Bytes(), nil
}

// modules are the dark squares of the QR code, without a border.
func (e Enrollment) modules() ([][]bool, error) {
	uri := e.URI.Reveal()
	if !strings.HasPrefix(uri, "otpauth://") {
		return nil, errors.New("authn/totp: a QR code is of an Enrollment that Begin made")
	}
	k, err := otp.NewKeyFromURL(uri)
	if err != nil {
		return nil, errors.New("authn/totp: an otpauth URI cannot be read") // which is secret
	}
	img, err := k.Image(maxModules, maxModules)
	if err != nil {
		return nil, errors.New("authn/totp: an otpauth URI is too long for a QR code")
	}
	isDark := func(x, y int) bool { return color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y < 128 }
	// The code lies in the middle. Its corner is the beginning of 7 dark modules.
	corner := 0
	for corner < maxModules && !isDark(corner, corner) {
		corner++
	}
	run := 0
	for corner+run < maxModules && isDark(corner+run, corner) {
		run++
	}
	scale := run / 7
	if scale == 0 {
		return nil, errors.New("authn/totp: the QR code has no finder pattern")
	}
	side := maxModules / scale
	for side > 0 && !isDark(corner+(side-1)*scale, corner) { // the last corner but one is dark, too
		side--
	}
	dark := make([][]bool, side)
	for y := range dark {
		dark[y] = make([]bool, side)
		for x := range dark[y] {
			dark[y][x] = isDark(corner+x*scale, corner+y*scale)
		}
	}
	return dark, nil
}
