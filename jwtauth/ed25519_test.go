package jwtauth

import (
	"crypto/ed25519"
	"math/big"
	"slices"
	"strings"
	"testing"
)

// edwards does the arithmetic of RFC 8032 §5.1 slowly, in affine coordinates.
type edwards struct{ p, d *big.Int }

func newEdwards() edwards {
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	return edwards{p, d.Mod(d.Mul(d, big.NewInt(-121665)), p)}
}

func (e edwards) mul(a ...*big.Int) *big.Int {
	r := big.NewInt(1)
	for _, n := range a {
		r.Mod(r.Mul(r, n), e.p)
	}
	return r
}

// x answers the even one of the two x of y, nil if there is none.
func (e edwards) x(y *big.Int) *big.Int {
	yy := e.mul(y, y)
	v := new(big.Int).ModInverse(e.mul(new(big.Int).Add(e.mul(e.d, yy), big.NewInt(1))), e.p)
	x := new(big.Int).ModSqrt(e.mul(new(big.Int).Sub(yy, big.NewInt(1)), v), e.p)
	if x != nil && x.Bit(0) == 1 {
		x.Sub(e.p, x)
	}
	return x
}

func (e edwards) double(x, y *big.Int) (x2, y2 *big.Int) {
	dxxyy := e.mul(e.d, x, x, y, y)
	one := big.NewInt(1)
	plus := new(big.Int).ModInverse(e.mul(new(big.Int).Add(one, dxxyy)), e.p)
	minus := new(big.Int).ModInverse(e.mul(new(big.Int).Sub(one, dxxyy)), e.p)
	return e.mul(big.NewInt(2), x, y, plus), e.mul(new(big.Int).Add(e.mul(y, y), e.mul(x, x)), minus)
}

// eightfold reports whether 8P is neutral, for P = (x, y).
func (e edwards) eightfold(x, y *big.Int) bool {
	for range 3 {
		x, y = e.double(x, y)
	}
	return x.Sign() == 0 && y.Cmp(big.NewInt(1)) == 0
}

func littleEndian(y *big.Int, sign byte) ed25519.PublicKey {
	b := y.FillBytes(make([]byte, 32))
	slices.Reverse(b)
	b[31] |= sign << 7
	return b
}

// J4: each encoding of each point of small order is refused: the eight points,
// and those with a y or a sign that RFC 8032 does not allow.
func TestSmallOrderPointsAreRefused(t *testing.T) {
	e := newEdwards()
	// Points of order 8 double to y = 0, where y² = -x². With the equation of
	// the curve that is dy⁴ + 2y² - 1 = 0.
	root := new(big.Int).ModSqrt(e.mul(new(big.Int).Add(e.d, big.NewInt(1))), e.p)
	inverse := new(big.Int).ModInverse(e.d, e.p)
	ys := []*big.Int{big.NewInt(0), big.NewInt(1), new(big.Int).Sub(e.p, big.NewInt(1))}
	for _, r := range []*big.Int{root, new(big.Int).Neg(root)} {
		yy := e.mul(new(big.Int).Sub(r, big.NewInt(1)), inverse)
		if y := new(big.Int).ModSqrt(yy, e.p); y != nil {
			ys = append(ys, y, new(big.Int).Sub(e.p, y))
		}
	}
	encodings := map[string]bool{}
	for _, y := range ys {
		x := e.x(y)
		if x == nil || !e.eightfold(x, y) {
			t.Fatalf("y = %x is not of small order", y)
		}
		for _, plus := range []*big.Int{new(big.Int), e.p} {
			if again := new(big.Int).Add(y, plus); again.BitLen() <= 255 {
				encodings[string(littleEndian(again, 0))] = true
				encodings[string(littleEndian(again, 1))] = true
			}
		}
	}
	if len(encodings) != 2*len(smallOrder) {
		t.Errorf("%d encodings, and the list covers %d", len(encodings), 2*len(smallOrder))
	}
	for encoded := range encodings {
		err := checkEd25519(ed25519.PublicKey(encoded))
		if err == nil || !strings.Contains(err.Error(), "small order") {
			t.Errorf("%x: %v", encoded, err)
		}
	}
}

// J4: a key is a point of the curve, in its one encoding; crypto/ed25519 takes
// any 32 bytes.
func TestEd25519PointsAreOnTheCurve(t *testing.T) {
	e := newEdwards()
	for n := int64(2); n < 200; n++ {
		y := big.NewInt(n)
		for _, sign := range []byte{0, 1} {
			err := checkEd25519(littleEndian(y, sign))
			if on := e.x(y) != nil; on != (err == nil) {
				t.Errorf("y = %d: on the curve %v, err %v", n, on, err)
			}
		}
	}
	for n := int64(2); n < 19; n++ {
		if err := checkEd25519(littleEndian(new(big.Int).Add(e.p, big.NewInt(n)), 0)); err == nil {
			t.Errorf("y = p + %d is taken", n)
		}
	}
	for _, size := range []int{0, 31, 33, 64} {
		if err := checkEd25519(make([]byte, size)); err == nil {
			t.Errorf("%d bytes are taken", size)
		}
	}
	for range 50 {
		pub, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkEd25519(pub); err != nil {
			t.Errorf("%x: %v", pub, err)
		}
	}
}
