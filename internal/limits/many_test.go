//go:build !race

package limits_test

// flood is how many keys a test invents, and arrivals how many takes come in a
// run against a model.
const flood, arrivals = 1_000_000, 1_000_000
