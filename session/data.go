package session

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/gatehouse-go/authn"
)

// ErrTooLarge says that the data of a session would be over 64 KiB: 413
// too_large.
var ErrTooLarge error = &authn.Error{
	Status: http.StatusRequestEntityTooLarge, Code: "too_large", Err: fmt.Errorf("authn/session: the data is over %d bytes", maxData),
}

const maxData = 64 << 10

// Data is the values of a session, by [Key]. It belongs to one call: it is not
// safe for concurrent use, and what is set in it is kept only by
// [Manager.Update].
type Data struct {
	values  map[string]json.RawMessage
	changed bool
}

// parseData reads what encode wrote.
func parseData(text []byte) (*Data, error) {
	d := new(Data)
	if len(text) == 0 {
		return d, nil
	}
	if err := json.Unmarshal(text, &d.values); err != nil {
		return nil, fmt.Errorf("authn/session: data: %w", err)
	}
	return d, nil
}

func (d *Data) encode() ([]byte, error) {
	if d.values == nil {
		return []byte("{}"), nil
	}
	text, err := json.Marshal(d.values)
	switch {
	case err != nil:
		return nil, fmt.Errorf("authn/session: data: %w", err)
	case len(text) > maxData:
		return nil, ErrTooLarge
	}
	return text, nil
}

// Key is a value of type T in the data of sessions, by name. T is kept as JSON.
//
//	var basket = session.NewKey[[]Item]("basket")
type Key[T any] struct{ name string }

// NewKey is a Key of that name, which two Keys do not share.
func NewKey[T any](name string) Key[T] { return Key[T]{name} }

// Get is the value; ok is false if there is none. The error is of JSON that is
// no T: another version of the service wrote it.
func (k Key[T]) Get(d *Data) (v T, ok bool, err error) {
	text, ok := d.values[k.name]
	if !ok {
		return v, false, nil
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return v, false, fmt.Errorf("authn/session: value %q: %w", k.name, err)
	}
	return v, true, nil
}

// Set changes the value. The error is of a v that is no JSON.
func (k Key[T]) Set(d *Data, v T) error {
	if k.name == "" {
		return errors.New("authn/session: a Key without a name: make it by NewKey")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("authn/session: value %q: %w", k.name, err)
	}
	if d.values == nil {
		d.values = make(map[string]json.RawMessage)
	}
	d.values[k.name], d.changed = text, true
	return nil
}

// Delete takes the value away.
func (k Key[T]) Delete(d *Data) {
	if _, ok := d.values[k.name]; ok {
		delete(d.values, k.name)
		d.changed = true
	}
}
