package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// fields says in which fields a record is not what is wanted. nil and empty
// are the same, and so are times of different zones.
type fields struct{ differ []string }

func (f *fields) any(name string, same bool, got, want any) {
	if !same {
		f.differ = append(f.differ, fmt.Sprintf("%s is %+v, want %+v", name, got, want))
	}
}

func (f *fields) text(name, got, want string) {
	f.any(name, got == want, fmt.Sprintf("%q", got), fmt.Sprintf("%q", want))
}

func (f *fields) texts(name string, got, want []string) {
	f.any(name, slices.Equal(got, want), fmt.Sprintf("%q", got), fmt.Sprintf("%q", want))
}

func (f *fields) at(name string, got, want time.Time) { f.any(name, got.Equal(want), got, want) }

// String is "" when nothing differs.
func (f *fields) String() string { return strings.Join(f.differ, "; ") }
