package jwtauth

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"math/big"
	"slices"
)

// smallOrder are the y of the points of order 1, 2, 4 and 8, as they are
// encoded, without the sign of x: libsodium's list (ge25519_has_small_order in
// crypto_core/ed25519/ref10), which the test computes. Under such a key
// signatures can be made that are good for many messages ("Taming the many
// EdDSAs", IACR ePrint 2020/1244).
var smallOrder = [][32]byte{
	{},  // 0, of order 4
	{1}, // 1, of order 1
	{
		0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
	}, // of order 8
	{
		0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
	}, // of order 8
	nearP(0xec), // p - 1, of order 2
	nearP(0xed), // p, which is 0 again
	nearP(0xee), // p + 1, which is 1 again
}

// nearP is 2^255 - 256 + low. p is 2^255 - 19.
func nearP(low byte) (y [32]byte) {
	for i := range y {
		y[i] = 0xff
	}
	y[0], y[31] = low, 0x7f
	return y
}

// checkEd25519 wants a point of the curve in its one encoding (RFC 8032
// §5.1.3), and not of small order. crypto/ed25519 takes all of these.
func checkEd25519(pub ed25519.PublicKey) error {
	if len(pub) != ed25519.PublicKeySize {
		return errors.New("an Ed25519 key has 32 bytes")
	}
	encoded := [32]byte(bytes.Clone(pub))
	encoded[31] &= 0x7f // without the sign of x
	if slices.Contains(smallOrder, encoded) {
		return errors.New("an Ed25519 point of small order")
	}
	slices.Reverse(encoded[:]) // to big-endian
	p := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	y := new(big.Int).SetBytes(encoded[:])
	// x² = u/v with u = y² - 1 and v = dy² + 1, d = -121665/121666. Both
	// times 121666, u/v is a square if uv is one.
	yy := new(big.Int).Mul(y, y)
	u := new(big.Int).Sub(yy, big.NewInt(1))
	u.Mul(u, big.NewInt(121666))
	v := new(big.Int).Sub(big.NewInt(121666), yy.Mul(yy, big.NewInt(121665)))
	uv := u.Mul(u, v)
	if y.Cmp(p) >= 0 || big.Jacobi(uv.Mod(uv, p), p) != 1 {
		return errors.New("not a point of Ed25519")
	}
	return nil
}
