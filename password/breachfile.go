package password

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // G505: the file goes by it
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
)

const (
	breachDigits = 2 * sha1.Size
	// maxBreachLine is a line with ten digits of a count and CRLF.
	maxBreachLine = breachDigits + 1 + 10 + 2
	// breachBlock is what a search reads at its end, line by line.
	breachBlock = 4096
	// breachProbes is in how many places BreachFile looks whether the file is
	// sorted.
	breachProbes = 256
)

// BreachFile searches the file that the downloader of Have I Been Pwned writes
// (https://github.com/HaveIBeenPwned/PwnedPasswordsDownloader), or one like it:
// lines of the 40 hexadecimal digits of a SHA-1, a colon and a count, sorted by
// the hash, with LF or CRLF. It stays on the disk: Count reads some 30 times.
//
// The file is opened here and stays open. It must not be changed while it is
// used; put a new one in its place by renaming, and call BreachFile again. What
// is not such a file, not sorted, or cut short at either end is an error, here
// or from Count.
func BreachFile(path string) (BreachList, error) {
	file, err := os.Open(path) //nolint:gosec // G304: the path is the host's, of its configuration
	if err != nil {
		return nil, fmt.Errorf("authn/password: BreachFile: %w", err)
	}
	f := &breachFile{file: file}
	if err := f.check(); err != nil {
		_ = file.Close() // read only
		return nil, fmt.Errorf("authn/password: BreachFile: %s: %w", path, err)
	}
	return f, nil
}

type breachFile struct {
	file *os.File
	size int64
}

var errNotSorted = errors.New("the file is not sorted by hash")

// check looks at both ends and at places between them.
func (f *breachFile) check() error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("it is no regular file")
	}
	f.size = info.Size()
	if f.size == 0 {
		return errors.New("the file is empty")
	}
	first, err := f.line(0)
	if err != nil {
		return err
	}
	last := first
	for i := range int64(breachProbes) {
		l, err := f.lineAfter(f.size / breachProbes * i)
		if errors.Is(err, io.EOF) {
			break // a file of few lines
		}
		if err != nil {
			return err
		}
		if l.hash < last.hash {
			return errNotSorted
		}
		last = l
	}
	if last, err = f.lineAfter(max(f.size-2*maxBreachLine, 0)); err != nil {
		return err
	}
	for last.end < f.size {
		if last, err = f.line(last.end); err != nil {
			return err
		}
	}
	// Hashes are spread evenly: of n, none lies within 100/n of an end with a
	// chance of e^-100. If so, a download has ended early.
	gap := 100 * float64(maxBreachLine) / float64(f.size)
	if place(first.hash) > gap || place(last.hash) < 1-gap {
		return fmt.Errorf("the file is cut short: it goes from %.8s to %.8s", first.hash, last.hash)
	}
	return nil
}

// place is where hash lies, from 0 to 1.
func place(hash string) float64 {
	var b [8]byte
	_, _ = hex.Decode(b[:], []byte(hash[:16])) // it was checked
	return float64(binary.BigEndian.Uint64(b[:])) / math.MaxUint64
}

// breachLine is a line, and where it begins and ends, with what ends it.
type breachLine struct {
	hash       string
	count      int
	start, end int64
}

// line reads the line that begins at offset, which is in the file.
func (f *breachFile) line(offset int64) (breachLine, error) {
	var buf [maxBreachLine]byte
	text, err := f.read(buf[:], offset)
	if err != nil {
		return breachLine{}, err
	}
	return f.parse(text, offset)
}

// lineAfter reads the first line that begins after offset, or at 0. io.EOF:
// none does.
func (f *breachFile) lineAfter(offset int64) (breachLine, error) {
	if offset == 0 {
		return f.line(0)
	}
	var buf [2 * maxBreachLine]byte
	text, err := f.read(buf[:], offset)
	if err != nil {
		return breachLine{}, err
	}
	skip := int64(bytes.IndexByte(text, '\n') + 1)
	switch {
	case offset+skip == f.size, skip == 0 && offset+int64(len(text)) == f.size:
		return breachLine{}, io.EOF
	case skip == 0:
		return breachLine{}, fmt.Errorf("at byte %d: %w", offset, errBreachLine)
	}
	return f.parse(text[skip:], offset+skip)
}

// read fills buf as far as the file goes, which is beyond offset. io.EOF: the
// file was cut since it was opened.
func (f *breachFile) read(buf []byte, offset int64) ([]byte, error) {
	n, err := f.file.ReadAt(buf[:min(int64(len(buf)), f.size-offset)], offset)
	return buf[:n], err
}

// parse reads the line at the beginning of text, which is at offset.
func (f *breachFile) parse(text []byte, offset int64) (breachLine, error) {
	line, _, ended := bytes.Cut(text, []byte("\n"))
	end := offset + int64(len(line))
	switch {
	case ended:
		end++
	case end < f.size:
		return breachLine{}, fmt.Errorf("at byte %d: %w", offset, errBreachLine)
	}
	hash, count, err := parseBreachLine(bytes.TrimSuffix(line, []byte("\r")), breachDigits)
	if err != nil {
		return breachLine{}, fmt.Errorf("at byte %d: %w", offset, err)
	}
	return breachLine{hash: hash, count: count, start: offset, end: end}, nil
}

// Count is of BreachList.
func (f *breachFile) Count(ctx context.Context, sha1 [sha1.Size]byte) (int, error) {
	n, err := f.search(ctx, breachHex(sha1))
	if err != nil {
		return 0, fmt.Errorf("authn/password: BreachFile: %w", err)
	}
	return n, nil
}

func (f *breachFile) search(ctx context.Context, want string) (int, error) {
	// The line, if it is there, begins at from or later, and before to. What lies
	// before from is at most low, and what lies from to on is at least high.
	from, to := int64(0), f.size
	low, high := "", "g"
	for to-from > breachBlock {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		l, err := f.lineAfter(from + (to-from)/2)
		switch {
		case err != nil:
			return 0, err
		case l.hash <= low || l.hash >= high:
			return 0, errNotSorted
		case l.hash == want:
			return l.count, nil
		case l.hash < want:
			from, low = l.end, l.hash
		default:
			to, high = l.start, l.hash
		}
	}
	block, err := f.read(make([]byte, to-from), from)
	if err != nil {
		return 0, err
	}
	for at := from; at < to; {
		l, err := f.parse(block[at-from:], at)
		switch {
		case err != nil:
			return 0, err
		case l.hash <= low || l.hash >= high:
			return 0, errNotSorted
		case l.hash == want:
			return l.count, nil
		}
		at, low = l.end, l.hash
	}
	return 0, nil
}
