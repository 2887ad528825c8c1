package sqlstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// checkText refuses what a column would change, cut or not take: a server
// without strict mode cuts silently, and then two owners are one.
func checkText(field, s string, most int) error {
	switch {
	case len(s) > most:
		return fmt.Errorf("%s has %d bytes, over %d", field, len(s), most)
	case strings.IndexByte(s, 0) >= 0:
		return fmt.Errorf("%s has a NUL byte", field)
	case !utf8.ValidString(s):
		return fmt.Errorf("%s is not valid UTF-8", field)
	}
	return nil
}

// checkTime refuses what a column cannot keep.
func checkTime(field string, t time.Time) error {
	if t.Before(firstTime) || t.After(lastTime) {
		return fmt.Errorf("%s %v is not within the years 1000 to 9999", field, t)
	}
	return nil
}

// jsonText is v in JSON as people read it: < stays <.
func jsonText[T []string | map[string]string | []use | []clientSecret](v T) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // cannot fail for these types
	return strings.TrimSuffix(b.String(), "\n")
}

// listText is list's JSON, [] of none. JSON would put U+FFFD for what is not
// UTF-8, and two scopes could become one.
func listText(field string, list []string) (string, error) {
	if len(list) == 0 {
		return "[]", nil
	}
	for _, s := range list {
		if err := checkText("one of "+field, s, maxJSON); err != nil {
			return "", err
		}
	}
	text := jsonText(list)
	return text, checkText(field, text, maxJSON)
}

// jsonValue reads JSON into to; what is empty leaves it nil.
type jsonValue struct{ to any }

// Scan is of sql.Scanner.
func (j jsonValue) Scan(v any) error {
	var text []byte
	switch v := v.(type) {
	case []byte:
		text = v
	case string:
		text = []byte(v)
	default:
		return fmt.Errorf("authn/sqlstore: a %T is no JSON", v)
	}
	if len(text) <= len("[]") {
		return nil
	}
	return json.Unmarshal(text, j.to)
}
