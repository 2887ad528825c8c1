package main

import (
	"fmt"
	"log"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/cputime"
	"github.com/gatehouse-go/authn/password"
)

// logins are so many that a process of its own verifies, since memory is of a
// process, and in one process a contender's garbage is collected at the expense
// of the next.
type logins struct {
	name   string
	params password.Params
	n      int
	flood  bool // they come at once, which needs much memory; or else one by one
	rounds int
}

// slots is how many of them are hashed at a time, of ours and of x/crypto alike.
func (l logins) slots() int {
	if !l.flood {
		return 1
	}
	return max(1, min(runtime.NumCPU()/int(l.params.Threads), 512<<10/int(l.params.MemoryKiB)))
}

// loginsVariable names to such a process the logins and, after a comma and a
// space, the contender.
const loginsVariable = "AUTHN_BENCH_LOGINS"

func allLogins() []logins {
	return []logins{
		{"64 logins at once; 64 MiB", password.Argon2Default(), 64, true, 3},
		{"16 logins one by one; 19 MiB", password.Argon2Small(), 16, false, 25},
	}
}

// peakKiB is the most that this process ever had.
func peakKiB() float64 {
	status := authn.Must(os.ReadFile("/proc/self/status"))
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	return authn.Must(strconv.ParseFloat(strings.Fields(peak)[0], 64))
}

// flood is the process of name's contender.
func flood(name string) {
	name, contender, _ := strings.Cut(name, ", ")
	all := allLogins()
	l := all[slices.IndexFunc(all, func(l logins) bool { return l.name == name })]
	h := authn.Must(password.NewHasher(password.HasherConfig{Argon2: l.params}))
	encoded := storedBy(h)
	login := hasherVerify(h, encoded)
	if contender == rawArgon2 {
		login = rawVerify(l.params, encoded)
	}
	atOnce := l.slots()
	if l.flood && contender == oursHasher {
		atOnce = l.n // it has slots of its own
	}
	free := make(chan struct{}, atOnce)
	cpu, start := cputime.Now(), time.Now()
	var wg sync.WaitGroup
	for range l.n {
		wg.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			if err := login(); err != nil {
				log.Fatal(contender, ": ", err)
			}
		})
	}
	wg.Wait()
	fmt.Println(float64(cputime.Now()-cpu), float64(time.Since(start)), peakKiB())
}

// measure runs both contenders in turns.
func (l logins) measure(rep *report) {
	type process struct{ cpu, wall, peak []float64 }
	contenders := []string{rawArgon2, oursHasher}
	measured := make([]process, len(contenders))
	for range l.rounds {
		for i, c := range contenders {
			cmd := exec.Command(os.Args[0])
			cmd.Env, cmd.Stderr = append(os.Environ(), loginsVariable+"="+l.name+", "+c), os.Stderr
			out := authn.Must(cmd.Output())
			var cpu, wall, peak float64
			authn.Must(fmt.Sscan(string(out), &cpu, &wall, &peak))
			m := &measured[i]
			m.cpu, m.wall, m.peak = append(m.cpu, cpu), append(m.wall, wall), append(m.peak, peak)
		}
	}
	raw, ours := measured[0], measured[1]
	ratios := func(a, b []float64) float64 {
		all := slices.Clone(a)
		for i := range all {
			all[i] /= b[i]
		}
		return median(all)
	}
	name := l.name
	for i, m := range measured {
		rep.flood.add(name, contenders[i], fmt.Sprintf("%.1f", median(m.wall)/1e9), fmt.Sprintf("%.0f", slices.Max(m.peak)/1024), fmt.Sprintf("%.2f", ratios(m.cpu, raw.cpu)))
		name = ""
	}
	if l.flood {
		most := (2*l.slots() + 2) * int(l.params.MemoryKiB) / 1024
		rep.keeps("P6 "+l.name, oursHasher, "-", float64(most), slices.Max(ours.peak)/1024, "MiB")
	}
	rep.keeps("P15 "+l.name, oursHasher, rawArgon2, 1.02, ratios(ours.cpu, raw.cpu), "x")
}
