package password_test

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
)

const (
	salt16 = "c29tZXNhbHRzb21lc2FsdA"
	key32  = "Hu/3ekPDfvv/J7yLIg7iEbFoEp6/CcaM84e5JL9C1mg"
)

// argon is a PHC string of argon2id with these parameters.
func argon(params string) string { return "$argon2id$v=19$" + params + "$" + salt16 + "$" + key32 }

// P2, P3: a stored hash is refused before anything is allocated for it, when it
// is not exactly what its format says, or asks for more than is sensible.
func TestHostileHashesAreRefused(t *testing.T) {
	pepper := authn.GenerateKeychain()
	h := newHasher(t, password.HasherConfig{Schemes: all(), Pepper: pepper})
	const bcrypt = "$2b$04$eF5TIGiZnQPEEohyzHr8T.di6q5/vMLYreNrT5frbcs.Q.D6aYCTa"
	const django = "$p4z4CkXKbBq8XyeuornE30$FA4PB5ju0/1HEIDnoe/ZL9XCvZ5tInUs3kPT6skDy4g="
	const passlib = "$pRRiLMX4P.c859ybs9Zaaw$hsl0Z3G30X5ZfN8tL6wgbZ7Sfa3e5lZLQj9jWjdF/F0"
	const scrypt = "$xriXkjLGmFOqdU6pNWYspQ$d8WZL3uDutP5Wr6Gs21PXD0wxCfrS1pNSjR1b4YCdcQ"
	const wrapped = "$rSPohUUMfgEgP8x5bX0ovO$2syy54Nc/QmH34tRm87Xd43Wzza5I.u"
	good := []string{
		argon("m=64,t=1,p=1"), argon("m=64,p=1,t=1"), argon("p=1,t=1,m=64"), argon("t=1,keyid=" + pepper.KeyID() + ",m=64,p=1"),
		argon("m=524288,t=8,p=64"), argon("m=65536,t=64,p=1"),
		"$argon2id$v=19$m=64,t=1,p=1$" + strings.Repeat("A", 86) + "$" + strings.Repeat("A", 86),
		"$argon2id$v=19$m=64,t=1,p=1$" + strings.Repeat("A", 11) + "$" + strings.Repeat("A", 22),
		bcrypt, "$2a$15" + bcrypt[6:], "$2y" + bcrypt[3:], "keyid=" + pepper.KeyID() + bcrypt,
		"pbkdf2_sha256$1" + django, "pbkdf2_sha256$1$!bcdefg~" + django[23:], "pbkdf2_sha256$1$" + strings.Repeat("a", 64) + django[23:], "pbkdf2_sha256$10000000" + django, "$pbkdf2-sha256$10000000" + passlib,
		"$scrypt$ln=18,r=8,p=16" + scrypt, "$scrypt$r=8,p=1,ln=1" + scrypt, "$scrypt$ln=20,r=1,p=1" + scrypt, "$scrypt$ln=1,r=32,p=1" + scrypt,
		"$bcrypt-sha256$r=15,t=2b,v=2" + wrapped, "$bcrypt-sha256$2a,15" + wrapped,
	}
	for _, encoded := range good {
		if kib, _, err := password.Need(h, encoded); err != nil || kib > 512<<10 {
			t.Errorf("good: %s: %d KiB, %v", encoded, kib, err)
		}
	}
	var before, after runtime.MemStats
	var refused uint64
	runtime.ReadMemStats(&before)
	for name, encoded := range map[string]string{
		"nothing":                      "",
		"no scheme":                    "x",
		"dollars":                      "$$$$$$",
		"plain text":                   "pässword",
		"unusable of Django":           "!abcdef",
		"md5crypt":                     "$1$abcdefgh$G/gZRxGNeHbkIoJUOPQVi.",
		"apr1 of htpasswd":             "$apr1$abcdefgh$AAAAAAAAAAAAAAAAAAAAAA",
		"too long":                     argon("m=64,t=1,p=1") + strings.Repeat("A", 1024),
		"argon2d":                      strings.Replace(argon("m=64,t=1,p=1"), "id", "d", 1),
		"argon2ID":                     strings.Replace(argon("m=64,t=1,p=1"), "id", "ID", 1),
		"space before":                 " " + argon("m=64,t=1,p=1"),
		"space after":                  argon("m=64,t=1,p=1") + " ",
		"line after":                   argon("m=64,t=1,p=1") + "\n",
		"line in the salt":             strings.Replace(argon("m=64,t=1,p=1"), "c29t", "c2\n9t", 1),
		"CR in the key":                strings.Replace(argon("m=64,t=1,p=1"), "$Hu/", "$H\ru/", 1),
		"a part more":                  argon("m=64,t=1,p=1") + "$",
		"a part less":                  "$argon2id$v=19$m=64,t=1,p=1$" + salt16,
		"no dollar before salt":        strings.Replace(argon("m=64,t=1,p=1"), "p=1$", "p=1", 1),
		"no version":                   strings.Replace(argon("m=64,t=1,p=1"), "v=19$", "", 1),
		"version 16":                   strings.Replace(argon("m=64,t=1,p=1"), "v=19", "v=16", 1),
		"version 19zzz":                strings.Replace(argon("m=64,t=1,p=1"), "v=19", "v=19zzz", 1),
		"version 019":                  strings.Replace(argon("m=64,t=1,p=1"), "v=19", "v=019", 1),
		"no parameters":                argon(""),
		"m missing":                    argon("t=1,p=1"),
		"t missing":                    argon("m=64,p=1"),
		"p missing":                    argon("m=64,t=1"),
		"m twice":                      argon("m=64,m=64,t=1,p=1"),
		"t twice, p missing":           argon("m=64,t=1,t=1"),
		"keyid twice":                  argon("m=64,t=1,p=1,keyid=abcdefgh,keyid=abcdefgh"),
		"keyid empty":                  argon("m=64,t=1,p=1,keyid="),
		"keyid too long":               argon("m=64,t=1,p=1,keyid=abcdefghi"),
		"keyid with a slash":           argon("m=64,t=1,p=1,keyid=abcd/fgh"),
		"data":                         argon("m=64,t=1,p=1,data=abcd"),
		"M":                            argon("M=64,t=1,p=1"),
		"comma last":                   argon("m=64,t=1,p=1,"),
		"comma first":                  argon(",m=64,t=1,p=1"),
		"semicolons":                   argon("m=64;t=1;p=1"),
		"m without value":              argon("m,t=1,p=1"),
		"m empty":                      argon("m=,t=1,p=1"),
		"m signed":                     argon("m=+64,t=1,p=1"),
		"m negative":                   argon("m=-64,t=1,p=1"),
		"m with zeros":                 argon("m=064,t=1,p=1"),
		"m hex":                        argon("m=0x40,t=1,p=1"),
		"m with a tail":                argon("m=64z,t=1,p=1"),
		"m with spaces":                argon("m= 64,t=1,p=1"),
		"m with underscores":           argon("m=6_4,t=1,p=1"),
		"m in other digits":            argon("m=٦٤,t=1,p=1"),
		"m fraction":                   argon("m=64.0,t=1,p=1"),
		"m of 32 bits and more":        argon("m=4294967360,t=1,p=1"),
		"m of 64 bits and more":        argon("m=18446744073709551680,t=1,p=1"),
		"m 4 TiB":                      argon("m=4294967295,t=1,p=1"),
		"m over the budget":            argon("m=524289,t=1,p=1"),
		"m under 8 × p":                argon("m=15,t=1,p=2"),
		"t 0":                          argon("m=64,t=0,p=1"),
		"t 2^32-1":                     argon("m=64,t=4294967295,p=1"),
		"m × t of minutes":             argon("m=65536,t=65,p=1"),
		"p 0":                          argon("m=64,t=1,p=0"),
		"p 65":                         argon("m=1024,t=1,p=65"),
		"p 257, a byte of 1":           argon("m=4096,t=1,p=257"),
		"salt empty":                   "$argon2id$v=19$m=64,t=1,p=1$$" + key32,
		"salt of 7 bytes":              "$argon2id$v=19$m=64,t=1,p=1$" + strings.Repeat("A", 10) + "$" + key32,
		"salt of 65 bytes":             "$argon2id$v=19$m=64,t=1,p=1$" + strings.Repeat("A", 87) + "$" + key32,
		"salt padded":                  "$argon2id$v=19$m=64,t=1,p=1$" + salt16 + "==$" + key32,
		"salt of another length":       "$argon2id$v=19$m=64,t=1,p=1$" + salt16 + "AAA$" + key32,
		"salt with a spare bit":        "$argon2id$v=19$m=64,t=1,p=1$" + salt16[:21] + "B$" + key32,
		"salt in URL base64":           "$argon2id$v=19$m=64,t=1,p=1$" + "-" + salt16[1:] + "$" + key32,
		"key empty":                    "$argon2id$v=19$m=64,t=1,p=1$" + salt16 + "$",
		"key of 15 bytes":              "$argon2id$v=19$m=64,t=1,p=1$" + salt16 + "$" + strings.Repeat("A", 20),
		"key of 65 bytes":              "$argon2id$v=19$m=64,t=1,p=1$" + salt16 + "$" + strings.Repeat("A", 87),
		"key with a spare bit":         argon("m=64,t=1,p=1")[:len(argon("m=64,t=1,p=1"))-1] + "h",
		"argon2i too short":            "$argon2i$v=19$m=65536,t=2,p=1$$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
		"argon2i with a keyid":         "$argon2i" + argon("m=64,t=1,p=1,keyid=abcdefgh")[9:],
		"argon2 of Django, a keyid":    "argon2" + argon("m=64,t=1,p=1,keyid=abcdefgh"),
		"argon2 of Django, twice":      "argon2$argon2" + argon("m=64,t=1,p=1"),
		"argon2 of Django, 4 TiB":      "argon2" + argon("m=4294967295,t=1,p=1"),
		"bcrypt 2x":                    "$2x" + bcrypt[3:],
		"bcrypt 2":                     "$2" + bcrypt[3:],
		"bcrypt 3a":                    "$3a" + bcrypt[3:],
		"bcrypt cost 03":               "$2b$03" + bcrypt[6:],
		"bcrypt cost 16":               "$2b$16" + bcrypt[6:],
		"bcrypt cost 31":               "$2b$31" + bcrypt[6:],
		"bcrypt cost +5":               "$2b$+5" + bcrypt[6:],
		"bcrypt cost of one digit":     "$2b$5" + bcrypt[6:] + "a",
		"bcrypt cost 5 and a space":    "$2b$5 " + bcrypt[6:],
		"bcrypt cost of three digits":  "$2b$010" + bcrypt[6:59],
		"bcrypt cut":                   bcrypt[:59],
		"bcrypt with a tail":           bcrypt + "a",
		"bcrypt with a line":           bcrypt[:59] + "\n",
		"bcrypt with a plus":           bcrypt[:59] + "+",
		"bcrypt with an umlaut":        bcrypt[:58] + "ä",
		"bcrypt, salt with a dollar":   bcrypt[:20] + "$" + bcrypt[21:],
		"bcrypt, no keyid":             "keyid=" + bcrypt,
		"bcrypt, keyid too long":       "keyid=abcdefghi" + bcrypt,
		"bcrypt, two keyids":           "keyid=abcdefghkeyid=abcdefgh" + bcrypt,
		"bcrypt, keyid alone":          "keyid=abcdefgh",
		"bcrypt, keyid of nothing":     "keyid=",
		"htpasswd cost 16":             "$2y$16" + bcrypt[6:],
		"htpasswd with a keyid":        "keyid=abcdefgh$2y" + bcrypt[3:],
		"bcrypt_sha256, one dollar":    "bcrypt_sha256" + bcrypt,
		"bcrypt_sha256, a keyid":       "bcrypt_sha256$keyid=abcdefgh" + bcrypt,
		"bcrypt_sha256, cost 16":       "bcrypt_sha256$$2b$16" + bcrypt[6:],
		"pbkdf2_sha256, 0 rounds":      "pbkdf2_sha256$0" + django,
		"pbkdf2_sha256, 10 M and 1":    "pbkdf2_sha256$10000001" + django,
		"pbkdf2_sha256, -1 rounds":     "pbkdf2_sha256$-1" + django,
		"pbkdf2_sha256, rounds 1e3":    "pbkdf2_sha256$1e3" + django,
		"pbkdf2_sha256, a part more":   "pbkdf2_sha256$1" + django + "$",
		"pbkdf2_sha256, no key":        "pbkdf2_sha256$1$p4z4CkXKbBq8XyeuornE30$",
		"pbkdf2_sha256, key unpadded":  "pbkdf2_sha256$1" + django[:len(django)-1],
		"pbkdf2_sha256, salt short":    "pbkdf2_sha256$1$p4z4CkX" + django[23:],
		"pbkdf2_sha256, salt long":     "pbkdf2_sha256$1$" + strings.Repeat("a", 65) + django[23:],
		"pbkdf2_sha256, salt of words": "pbkdf2_sha256$1$p4z4 kXK" + django[23:],
		"pbkdf2_sha256, salt and DEL":  "pbkdf2_sha256$1$p4z4CkX\x7f" + django[23:],
		"pbkdf2_sha256, salt and line": "pbkdf2_sha256$1$p4z4CkXKbBq8XyeuornE3\n" + django[23:],
		"pbkdf2_sha256, salt of bytes": "pbkdf2_sha256$1$p4z4CkXKbBq8Xyeuorn\xff\xfe" + django[23:],
		"pbkdf2-sha256, 0 rounds":      "$pbkdf2-sha256$0" + passlib,
		"pbkdf2-sha256, 10 M and 1":    "$pbkdf2-sha256$10000001" + passlib,
		"pbkdf2-sha256, no rounds":     "$pbkdf2-sha256" + passlib,
		"pbkdf2-sha256, other base64":  "$pbkdf2-sha256$1" + strings.ReplaceAll(passlib, ".", "+"),
		"pbkdf2-sha256, key short":     "$pbkdf2-sha256$1" + passlib[:len(passlib)-2],
		"pbkdf2-sha512, key short":     "$pbkdf2-sha512$1" + passlib,
		"pbkdf2-sha256, salt short":    "$pbkdf2-sha256$1$AAAA" + passlib[23:],
		"pbkdf2-sha256, a part more":   "$pbkdf2-sha256$1" + passlib + "$",
		"pbkdf2-sha256, a part less":   "$pbkdf2-sha256$1" + passlib[:23],
		"pbkdf2-md5":                   "$pbkdf2-md5$1" + passlib,
		"scrypt ln 0":                  "$scrypt$ln=0,r=8,p=1" + scrypt,
		"scrypt r 0":                   "$scrypt$ln=8,r=0,p=1" + scrypt,
		"scrypt p 0":                   "$scrypt$ln=8,r=8,p=0" + scrypt,
		"scrypt ln 21":                 "$scrypt$ln=21,r=1,p=1" + scrypt,
		"scrypt, a part more":          "$scrypt$ln=8,r=8,p=1" + scrypt + "$",
		"scrypt ln 64":                 "$scrypt$ln=64,r=8,p=1" + scrypt,
		"scrypt ln is N":               "$scrypt$ln=16384,r=8,p=1" + scrypt,
		"scrypt over the budget":       "$scrypt$ln=19,r=8,p=1" + scrypt,
		"scrypt of minutes":            "$scrypt$ln=18,r=32,p=16" + scrypt,
		"scrypt r 33":                  "$scrypt$ln=1,r=33,p=1" + scrypt,
		"scrypt p 17":                  "$scrypt$ln=1,r=8,p=17" + scrypt,
		"scrypt r × p of 2^62":         "$scrypt$ln=1,r=2147483648,p=2147483648" + scrypt,
		"scrypt p missing":             "$scrypt$ln=8,r=8" + scrypt,
		"scrypt ln twice":              "$scrypt$ln=8,r=8,p=1,ln=8" + scrypt,
		"scrypt with a keyid":          "$scrypt$ln=8,r=8,p=1,keyid=abcdefgh" + scrypt,
		"scrypt with a version":        "$scrypt$v=1$ln=8,r=8,p=1" + scrypt,
		"scrypt, no salt":              "$scrypt$ln=8,r=8,p=1$$d8WZL3uDutP5Wr6Gs21PXD0wxCfrS1pNSjR1b4YCdcQ",
		"scrypt, key short":            "$scrypt$ln=8,r=8,p=1$xriXkjLGmFOqdU6pNWYspQ$d8WZ",
		"bcrypt-sha256, version 3":     "$bcrypt-sha256$v=3,t=2b,r=4" + wrapped,
		"bcrypt-sha256, v 2 of 2a":     "$bcrypt-sha256$v=2,t=2a,r=4" + wrapped,
		"bcrypt-sha256, no t":          "$bcrypt-sha256$v=2,r=4" + wrapped,
		"bcrypt-sha256, cost 3":        "$bcrypt-sha256$v=2,t=2b,r=3" + wrapped,
		"bcrypt-sha256, cost 16":       "$bcrypt-sha256$v=2,t=2b,r=16" + wrapped,
		"bcrypt-sha256, cost 100":      "$bcrypt-sha256$v=2,t=2b,r=100" + wrapped,
		"bcrypt-sha256, v 1 of 2y":     "$bcrypt-sha256$2y,4" + wrapped,
		"bcrypt-sha256, v 1 cost 16":   "$bcrypt-sha256$2a,16" + wrapped,
		"bcrypt-sha256, v 1 cost 04":   "$bcrypt-sha256$2a,04" + wrapped,
		"bcrypt-sha256, salt short":    "$bcrypt-sha256$v=2,t=2b,r=4$" + wrapped[2:],
		"bcrypt-sha256, a part more":   "$bcrypt-sha256$v=2,t=2b,r=4" + wrapped + "$",
		"bcrypt-sha256, a part less":   "$bcrypt-sha256$v=2,t=2b,r=4" + wrapped[:23],
		"bcrypt-sha256, digest long":   "$bcrypt-sha256$v=2,t=2b,r=4" + wrapped + "a",
	} {
		if _, err := h.Verify(t.Context(), encoded, "pässword"); !errors.Is(err, password.ErrStored) {
			t.Errorf("%s: %v, want %v", name, err, password.ErrStored)
		} else if len(encoded) > 20 && strings.Contains(err.Error(), encoded[len(encoded)-10:]) {
			t.Errorf("%s: the error quotes the hash: %v", name, err)
		}
		if _, _, err := password.Need(h, encoded); !errors.Is(err, password.ErrStored) {
			t.Errorf("%s: it is refused too late: %v", name, err)
		}
		refused++
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / refused; each > 8<<10 {
		t.Errorf("refusing a hash allocates %d bytes", each)
	}
}
