package main

import (
	"fmt"
	"slices"
)

// promise is what docs/promises.md says of one contender of a row.
type promise struct {
	line string // its number there
	of   string // the contender
	to   string // the one that its time is compared with; "": its allocations
	most float64
}

// faster promises of to be most times that of each of the peers.
func faster(line, of string, most float64, peers ...string) (all []promise) {
	for _, peer := range peers {
		all = append(all, promise{line, of, peer, most})
	}
	return all
}

// judge says in columns what is promised, what is, and whether that is so.
func (p promise) judge(r row, m []measured) []string {
	of := m[r.index(p.of)]
	is, unit, to := of.allocs, "allocs", "-"
	if p.to != "" {
		is, unit, to = ratio(of, m[r.index(p.to)]), "x", p.to
	}
	return []string{p.of, to, fmt.Sprintf("%.4g %s", p.most, unit), fmt.Sprintf("%.3g", is), verdict(is, p.most)}
}

// surplus is a promise of what a contender takes besides what another one does,
// which it has to do as well: the time over a handler that does nothing, or over
// calls of the store.
type surplus struct {
	line    string
	of      string
	besides string
	to      string // the surplus is most times the time of this one; "": nanoseconds
	most    float64
}

func (s surplus) judge(r row, m []measured) []string {
	over := measured{ns: slices.Clone(m[r.index(s.of)].ns)}
	for round, ns := range m[r.index(s.besides)].ns {
		over.ns[round] -= ns
	}
	is, unit, to := median(over.ns), "ns", "-"
	if s.to != "" {
		is, unit, to = ratio(over, m[r.index(s.to)]), "x", s.to
	}
	return []string{s.of + ", less " + s.besides, to, fmt.Sprintf("%.4g %s", s.most, unit), fmt.Sprintf("%.3g", is), verdict(is, s.most)}
}

func (r row) index(name string) int {
	i := slices.IndexFunc(r.contenders, func(c contender) bool { return c.name == name })
	if i < 0 {
		panic(r.name + " has no " + name)
	}
	return i
}
