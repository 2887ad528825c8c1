//go:build race

package memstore_test

// manyClaims are fewer than without the race detector, with which a million
// take long.
const manyClaims = 100_000
