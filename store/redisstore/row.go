package redisstore

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// micros is a time as scripts and rows have it.
func micros(t time.Time) string { return strconv.FormatInt(t.UnixMicro(), 10) }

// fields are the fields and values of a row, for HSET. What is zero is left out.
type fields []any

func (f *fields) set(field, value string) {
	if value != "" {
		*f = append(*f, field, value)
	}
}

func (f *fields) at(field string, t time.Time) {
	if !t.IsZero() {
		*f = append(*f, field, micros(t))
	}
}

// rowOf is the row of k. Some fields are in each row. call is the call that
// inserts it.
func rowOf(k store.APIKey, call string) fields {
	row := make(fields, 0, 32)
	var meta []string
	used := ""
	if !k.LastUsedAt.IsZero() {
		used = micros(k.LastUsedAt)
	}
	row = append(row, "id", k.ID, "owner", k.Owner, "created", micros(k.CreatedAt), "used", used, "call", call)
	row.set("name", k.Name)
	row.set("prefix", k.Prefix)
	row.set("last4", k.LastFour)
	row.at("expires", k.ExpiresAt)
	row.at("revoked", k.RevokedAt)
	row.set("next", k.ReplacedBy)
	if k.LastAddr.IsValid() {
		row.set("addr", k.LastAddr.String())
	}
	if k.Uses != 0 {
		row.set("uses", strconv.FormatInt(k.Uses, 10))
	}
	row.set("scopes", join(k.Scopes...))
	for name, value := range k.Metadata {
		meta = append(meta, name, value)
	}
	row.set("meta", join(meta...))
	return row
}

// join writes each of texts as its length in bytes, a colon and itself. Unlike
// JSON that keeps all bytes, and it is quicker to read.
func join(texts ...string) string {
	var b strings.Builder
	for _, text := range texts {
		b.WriteString(strconv.Itoa(len(text)))
		b.WriteByte(':')
		b.WriteString(text)
	}
	return b.String()
}

// split reads what join has written.
func split(s string) (texts []string, err error) {
	for s != "" {
		length, rest, _ := strings.Cut(s, ":")
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 || n > len(rest) {
			return nil, errors.New("a list is cut off")
		}
		texts, s = append(texts, rest[:n]), rest[n:]
	}
	return texts, nil
}

// keyOf is the APIKey of a row, whose name has the digest d.
func keyOf(d store.Digest, row map[string]string) (k store.APIKey, err error) {
	k = store.APIKey{
		ID: row["id"], Owner: row["owner"], Name: row["name"],
		Prefix: row["prefix"], LastFour: row["last4"], ReplacedBy: row["next"],
		Digest: d,
	}
	r := reader{row: row}
	k.CreatedAt, k.ExpiresAt, k.RevokedAt, k.LastUsedAt = r.at("created"), r.at("expires"), r.at("revoked"), r.at("used")
	k.Uses = r.int("uses")
	k.Scopes = r.list("scopes")
	if meta := r.list("meta"); len(meta) > 0 {
		k.Metadata = make(map[string]string, len(meta)/2)
		for i := 0; i+1 < len(meta); i += 2 {
			k.Metadata[meta[i]] = meta[i+1]
		}
	}
	k.LastAddr, _ = netip.ParseAddr(row["addr"]) // unreadable is unknown: no reason to lose the key
	if r.err == nil && (k.ID == "" || k.CreatedAt.IsZero()) {
		r.err = errors.New("a part of it is gone")
	}
	if r.err != nil {
		return store.APIKey{}, fmt.Errorf("authn/redisstore: the row of API key %q is damaged: %w", k.ID, r.err)
	}
	return k, nil
}

// keysOf are the APIKeys that a script answers: fields and values of each, the
// digest last. With the error of damaged rows it answers all others.
func keysOf(answers []any) ([]store.APIKey, error) {
	keys := make([]store.APIKey, 0, len(answers))
	var damaged []error
	for _, answer := range answers {
		row := fieldsOf(answer)
		d, err := store.ParseDigest(row["digest"])
		if err != nil {
			damaged = append(damaged, err)
			continue
		}
		k, err := keyOf(d, row)
		if err != nil {
			damaged = append(damaged, err)
			continue
		}
		keys = append(keys, k)
	}
	return keys, errors.Join(damaged...)
}

// fieldsOf is a row that a script answers as fields and values; of a field that
// comes twice the later counts.
func fieldsOf(answer any) map[string]string {
	flat, _ := answer.([]any)
	row := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		field, _ := flat[i].(string)
		row[field], _ = flat[i+1].(string)
	}
	return row
}

// reader reads what is not text, and keeps the first error.
type reader struct {
	row map[string]string
	err error
}

func (r *reader) int(field string) (n int64) {
	if text, ok := r.row[field]; ok && r.err == nil {
		n, r.err = strconv.ParseInt(text, 10, 64)
	}
	return n
}

func (r *reader) at(field string) time.Time {
	if r.row[field] == "" {
		return time.Time{}
	}
	return time.UnixMicro(r.int(field)).UTC()
}

func (r *reader) list(field string) (texts []string) {
	if text := r.row[field]; text != "" && r.err == nil {
		texts, r.err = split(text)
	}
	return texts
}

func (r *reader) bytes(field string) (b []byte) {
	if text := r.row[field]; text != "" && r.err == nil {
		b, r.err = base64.StdEncoding.DecodeString(text)
	}
	return b
}
