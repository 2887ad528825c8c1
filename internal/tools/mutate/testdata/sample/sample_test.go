package sample_test

import (
	"errors"
	"testing"

	"github.com/gatehouse-go/authn/internal/tools/mutate/testdata/sample"
)

func TestCheck(t *testing.T) {
	if err := sample.Check(-1); !errors.Is(err, sample.ErrNegative) {
		t.Error(err)
	}
	if err := sample.Check(0); err != nil {
		t.Error(err)
	}
}

func TestBoth(t *testing.T) {
	for _, a := range []bool{false, true} {
		for _, b := range []bool{false, true} {
			if got := sample.Both(a, b); got != (a == true && b == true) {
				t.Errorf("Both(%v, %v) is %v", a, b, got)
			}
		}
	}
}

func TestLarger(t *testing.T) {
	for _, row := range [][3]int{{1, 2, 2}, {2, 1, 2}, {2, 2, 2}} {
		if got := sample.Larger(row[0], row[1]); got != row[2] {
			t.Errorf("Larger(%d, %d) is %d", row[0], row[1], got)
		}
	}
}

func TestSteps(t *testing.T) {
	if got := sample.Steps(3); got != 3 {
		t.Errorf("Steps(3) is %d", got)
	}
}
