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
func (p promise) judge(r row, m []measured) string {
	of := m[r.index(p.of)]
	is, unit, to := of.allocs, "allocs", "-"
	if p.to != "" {
		is, unit, to = ratio(of, m[r.index(p.to)]), "x", p.to
	}
	verdict := "met"
	if is > p.most {
		verdict = "MISSED"
	}
	return fmt.Sprintf("%s\t%s\t%.4g %s\t%.3g\t%s", p.of, to, p.most, unit, is, verdict)
}

func (r row) index(name string) int {
	i := slices.IndexFunc(r.contenders, func(c contender) bool { return c.name == name })
	if i < 0 {
		panic(r.name + " has no " + name)
	}
	return i
}
