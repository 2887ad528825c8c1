// Commonlist makes the list of common passwords that package password embeds:
//
//	commonlist PACKAGE.tgz LIST LICENSE
//
// It reads the package as npm delivers it, writes the digests of its entries,
// and copies the licence.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-go/authn/password/internal/spelling"
)

const (
	// integrity is of npm's @zxcvbn-ts/language-common 4.1.3.
	integrity = "g2bg4skmlJG9aJqC/nWziZzgYpSe/f3rKeGobrkdFiOrfZVFqqzUgC6BUQWuX54Sua9j0Jxxt+1bf4f/Mal1Kg=="
	// Of an entry: bytes of its digest; code points at least and at most.
	digest, shortest, longest = 5, 4, 20
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("commonlist: usage: commonlist PACKAGE.tgz LIST LICENSE")
	}
	if err := run(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		log.Fatal("commonlist: ", err)
	}
}

func run(from, list, licence string) error {
	archive, err := os.ReadFile(from) //nolint:gosec // G304: whoever runs this names the file
	if err != nil {
		return err
	}
	if sum := sha512.Sum512(archive); base64.StdEncoding.EncodeToString(sum[:]) != integrity {
		return errors.New("this is another package, or another version: its SHA-512 differs")
	}
	files, err := unpack(archive)
	if err != nil {
		return err
	}
	words := make(map[string]bool)
	for _, name := range []string{"package/src/passwords.json", "package/src/diceware.json"} {
		var entries []string
		if err := json.Unmarshal(files[name], &entries); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, word := range entries {
			if n := utf8.RuneCountInString(word); n >= shortest && n <= longest {
				words[strings.ToLower(word)] = true
			}
		}
	}
	digests, long := make([]string, 0, len(words)), 0
	for word := range words {
		sum := sha256.Sum256([]byte(spelling.Plain(word)))
		digests = append(digests, string(sum[:digest]))
		if utf8.RuneCountInString(word) >= 8 {
			long++
		}
	}
	slices.Sort(digests)
	digests = slices.Compact(digests)
	log.Printf("%d entries, %d of them of 8 characters or more", len(digests), long)
	if err := os.WriteFile(list, []byte(strings.Join(digests, "")), 0o644); err != nil { //nolint:gosec // G306: everybody may read it
		return err
	}
	return os.WriteFile(licence, files["package/LICENSE.txt"], 0o644) //nolint:gosec // G306: everybody may read it
}

// unpack answers the files of a tar.gz by name.
func unpack(archive []byte) (map[string][]byte, error) {
	plain, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	files := make(map[string][]byte)
	for r := tar.NewReader(plain); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			return nil, err
		}
	}
}
