// Package sample has a mutant of each kind and of each fate.
package sample

import "errors"

// ErrNegative is for what is below zero.
var ErrNegative = errors.New("negative")

// Check refuses what is below zero.
func Check(n int) error {
	if n < 0 {
		return ErrNegative
	}
	return nil
}

// Both is true for two.
func Both(a, b bool) bool {
	return a && // with a comment where a line could end
		b
}

// Larger takes either of equals.
func Larger(a, b int) int {
	if a > b {
		return a
	}
	return b
}

// Steps counts down.
func Steps(n int) (steps int) {
	for n != 0 {
		n--
		steps++
	}
	return steps
}

// flag is of a type that the helpers would not give back.
type flag bool

// Forgotten is in no test.
func Forgotten(f flag) flag {
	if n := Steps(1); n == 2 {
		panic("unreached")
	}
	return !f
}
