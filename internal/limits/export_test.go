package limits

// Len is how many counters t has of each kind, without the shared ones, as it
// has counted them and as they are.
func Len(t *Table) (takes, attempts [kinds]int) {
	for kind := range kinds {
		takes[kind], attempts[kind] = int(t.takes.n[kind].Load()), int(t.attempts.n[kind].Load())
	}
	return takes, attempts
}

// Counted is Len by looking at each.
func Counted(t *Table) (takes, attempts [kinds]int) {
	return counted(&t.takes), counted(&t.attempts)
}

func counted[E entry](p *pool[E]) (n [kinds]int) {
	for i := range p.shards[:shared] {
		for kind, all := range p.shards[i].of {
			for _, e := range all {
				n[kind] += max(int(e.size()), 1) // an empty one takes room, too
			}
		}
	}
	return n
}

// Shared is how many shared counters t has.
func Shared(t *Table) (n int) {
	for kind := range kinds {
		n += len(t.takes.shards[shared].of[kind]) + len(t.attempts.shards[shared].of[kind])
	}
	return n
}

// LongestLog is the most attempts that a tier of t remembers.
func LongestLog(t *Table) (n int) {
	for i := range t.attempts.shards {
		for _, all := range t.attempts.shards[i].of {
			for _, g := range all {
				for _, s := range g.subs {
					for _, tier := range s.tiers {
						n = max(n, len(tier.log))
					}
				}
			}
		}
	}
	return n
}

// Planned are the policies whose plans t remembers, and whatever else names
// somebody.
func Planned(t *Table) (names []string) {
	if all := t.plans.all.Load(); all != nil {
		for _, p := range *all {
			names = append(names, p.take.Policy+p.take.Key)
		}
	}
	return names
}
