//go:build unix

// Package cputime compares what functions compute, for the tests that hold two
// refusals to the same time: what else the machine does spoils it less than time
// on the wall.
package cputime

import (
	"slices"
	"syscall"
	"time"
)

// Now is what this process has computed since it began, garbage collection
// included.
func Now() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // never: u is an address
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// MedianRatio is the median of a's time over b's, in rounds that alternate which
// comes first.
func MedianRatio(a, b func()) float64 {
	ratios := make([]float64, 101)
	for i := range ratios {
		if i%2 == 0 {
			ta := of(a)
			ratios[i] = ta / of(b)
		} else {
			tb := of(b)
			ratios[i] = of(a) / tb
		}
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

func of(f func()) float64 {
	began := Now()
	f()
	return float64(Now() - began)
}
