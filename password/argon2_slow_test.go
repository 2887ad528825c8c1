package password_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"strings"
	"testing"

	"golang.org/x/crypto/blake2b"

	"github.com/gatehouse-go/authn/password"
)

// The types of RFC 9106 §3.1.
const argon2d, argon2i, argon2id = 0, 1, 2

type slowBlock [128]uint64

// slowArgon2 is RFC 9106 §3, as it stands there and one block at a time. Other
// than x/crypto it takes the secret and the data that the RFC's vectors have.
func slowArgon2(kind uint32, password, salt, secret, data []byte, t, m, p, size uint32) []byte {
	var in []byte
	le := binary.LittleEndian
	for _, n := range []uint32{p, size, m, t, 0x13, kind} {
		in = le.AppendUint32(in, n)
	}
	for _, s := range [][]byte{password, salt, secret, data} {
		in = append(le.AppendUint32(in, uint32(len(s))), s...)
	}
	h0 := blake2b.Sum512(in)
	q := 4 * (m / (4 * p)) // columns
	b := make([][]slowBlock, p)
	for l := range p {
		b[l] = make([]slowBlock, q)
		for j := range uint32(2) {
			seed := le.AppendUint32(le.AppendUint32(bytes.Clone(h0[:]), j), l)
			_ = binary.Read(bytes.NewReader(slowHash(seed, 1024)), le, &b[l][j])
		}
	}
	for pass := range t {
		for slice := range uint32(4) {
			for l := range p {
				slowSegment(b, kind, pass, slice, l, t, p, q)
			}
		}
	}
	last := b[0][q-1]
	for l := uint32(1); l < p; l++ {
		for i := range last {
			last[i] ^= b[l][q-1][i]
		}
	}
	out := new(bytes.Buffer)
	_ = binary.Write(out, le, last)
	return slowHash(out.Bytes(), size)
}

func slowSegment(b [][]slowBlock, kind, pass, slice, l, t, p, q uint32) {
	segment := q / 4
	independent := kind == argon2i || kind == argon2id && pass == 0 && slice < 2
	var addresses slowBlock
	for i := range segment {
		if independent && i%128 == 0 {
			z := slowBlock{uint64(pass), uint64(l), uint64(slice), uint64(q) * uint64(p), uint64(t), uint64(kind), uint64(i/128) + 1}
			addresses = slowG(slowBlock{}, slowG(slowBlock{}, z))
		}
		j := slice*segment + i
		if pass == 0 && j < 2 {
			continue
		}
		prev := b[l][(j+q-1)%q]
		random := prev[0]
		if independent {
			random = addresses[i%128]
		}
		from := uint32(random>>32) % p
		if pass == 0 && slice == 0 {
			from = l
		}
		area, start := slice*segment, uint32(0)
		if pass > 0 {
			area, start = q-segment, (slice+1)*segment%q
		}
		if from == l {
			area += i - 1
		} else if i == 0 {
			area--
		}
		x := uint64(uint32(random)) * uint64(uint32(random)) >> 32
		z := area - 1 - uint32(uint64(area)*x>>32)
		next := slowG(prev, b[from][(start+z)%q])
		if pass > 0 {
			for k := range next {
				next[k] ^= b[l][j][k]
			}
		}
		b[l][j] = next
	}
}

// slowG is the compression function of §3.5.
func slowG(x, y slowBlock) slowBlock {
	var r slowBlock
	for i := range r {
		r[i] = x[i] ^ y[i]
	}
	z := r
	for i := range 8 {
		var row [16]*uint64
		for k := range row {
			row[k] = &z[16*i+k]
		}
		slowP(row)
	}
	for i := range 8 {
		var column [16]*uint64
		for k := range 8 {
			column[2*k], column[2*k+1] = &z[16*k+2*i], &z[16*k+2*i+1]
		}
		slowP(column)
	}
	for i := range z {
		z[i] ^= r[i]
	}
	return z
}

// slowP is the permutation of §3.6.
func slowP(v [16]*uint64) {
	gb := func(a, b, c, d *uint64) {
		mul := func(x, y uint64) uint64 { return x + y + 2*uint64(uint32(x))*uint64(uint32(y)) }
		for _, r := range [2][2]int{{32, 24}, {16, 63}} {
			*a = mul(*a, *b)
			*d = bits.RotateLeft64(*d^*a, -r[0])
			*c = mul(*c, *d)
			*b = bits.RotateLeft64(*b^*c, -r[1])
		}
	}
	for i := range 4 {
		gb(v[i], v[4+i], v[8+i], v[12+i])
	}
	for i := range 4 {
		gb(v[i], v[4+(i+1)%4], v[8+(i+2)%4], v[12+(i+3)%4])
	}
}

// slowHash is H' of §3.3.
func slowHash(a []byte, size uint32) []byte {
	sum := func(n uint32, in []byte) []byte {
		h, _ := blake2b.New(int(n), nil)
		h.Write(in)
		return h.Sum(nil)
	}
	in := append(binary.LittleEndian.AppendUint32(nil, size), a...)
	if size <= 64 {
		return sum(size, in)
	}
	var out []byte
	v := sum(64, in)
	for size-uint32(len(out)) > 64 {
		out = append(out, v[:32]...)
		v = sum(min(64, size-uint32(len(out))), v)
	}
	return append(out, v...)
}

// P14: the vectors of RFC 9106 §5 have a secret and data, which x/crypto does
// not take: a plain implementation has them right, and agrees with ours.
func TestRFC9106(t *testing.T) {
	repeat := func(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }
	for kind, want := range map[uint32]string{
		argon2d:  "512b391b6f1162975371d30919734294f868e3be3984f3c1a13a4db9fabe4acb",
		argon2i:  "c814d9d1dc7f37aa13f0d77f2494bda1c8de6b016dd388d29952a4c4672b6ce8",
		argon2id: "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659",
	} {
		got := slowArgon2(kind, repeat(1, 32), repeat(2, 16), repeat(3, 8), repeat(4, 12), 3, 32, 4, 32)
		if hex.EncodeToString(got) != want {
			t.Fatalf("type %d: %x, want %s", kind, got, want)
		}
	}
	h := newHasher(t, password.HasherConfig{Schemes: password.Passlib()})
	for _, p := range []password.Params{{MemoryKiB: 32, Time: 3, Threads: 4}, {MemoryKiB: 8, Time: 1, Threads: 1}, {MemoryKiB: 1031, Time: 2, Threads: 1}, {MemoryKiB: 47, Time: 4, Threads: 3}} {
		for kind, id := range map[uint32]string{argon2i: "argon2i", argon2id: "argon2id"} {
			for _, size := range []uint32{16, 32, 64} {
				key := slowArgon2(kind, []byte("pässword"), []byte("somesalt"), nil, nil, p.Time, p.MemoryKiB, uint32(p.Threads), size)
				encoded := fmt.Sprintf("$%s$v=19$m=%d,t=%d,p=%d$%s$%s", id, p.MemoryKiB, p.Time, p.Threads, raw64("somesalt"), raw64(string(key)))
				if !verify(t, h, encoded, "pässword").OK {
					t.Errorf("%s does not verify", encoded)
				}
			}
		}
	}
	own := strings.Split(hash(t, h, "a"), "$")
	if key := slowArgon2(argon2id, []byte("a"), unraw64(t, own[4]), nil, nil, 1, 64, 2, 32); raw64(string(key)) != own[5] {
		t.Errorf("Hash makes %v", own)
	}
}
