//go:build race

package limits_test

// flood and arrivals are fewer than without the race detector, with which a
// million take long.
const flood, arrivals = 50_000, 50_000
