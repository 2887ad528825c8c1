// Package keytext is how API keys and client secrets look: a prefix, 43 base62
// characters of 256 random bits, an underscore, and 6 of the CRC-32 of what stands
// before it. Scanners find them, and a mistyped one costs no lookup.
package keytext

import (
	"crypto/rand"
	"hash/crc32"
	"math/big"
	"strings"
)

const (
	// Alphabet is base62 in the order of math/big.
	Alphabet  = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	SecretLen = 43 // 256 bits
	SumLen    = 6  // 32 bits
)

// New is a new one. prefix has its separator.
func New(prefix string) string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	secret := new(big.Int).SetBytes(random[:]).Text(62)
	key := prefix + strings.Repeat("0", SecretLen-len(secret)) + secret
	sum := Checksum([]byte(key))
	return key + "_" + string(sum[:])
}

// Checksum is the CRC-32 (IEEE) of s in base62, most significant digit first.
func Checksum(s []byte) (sum [SumLen]byte) {
	crc := crc32.ChecksumIEEE(s)
	for i := SumLen - 1; i >= 0; i-- {
		sum[i] = Alphabet[crc%62]
		crc /= 62
	}
	return sum
}
