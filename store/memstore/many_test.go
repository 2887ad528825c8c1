//go:build !race

package memstore_test

// manyClaims is what a busy service makes in a day.
const manyClaims = 1_000_000
