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

// The logins at once are processes of their own, since memory is of a process:
// this variable names the contender to such a one.
const (
	floodVariable = "AUTHN_BENCH_LOGINS"
	floodName     = "64 logins at once, 64 MiB"
	floodLogins   = 64
	floodRounds   = 3
)

// floodSlots is how many hashes run at a time, of ours and of x/crypto alike.
func floodSlots(p password.Params) int {
	return max(1, min(runtime.NumCPU()/int(p.Threads), 512<<10/int(p.MemoryKiB)))
}

// peakKiB is the most that this process ever had.
func peakKiB() float64 {
	status := authn.Must(os.ReadFile("/proc/self/status"))
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	return authn.Must(strconv.ParseFloat(strings.Fields(peak)[0], 64))
}

// flood is the process of one contender.
func flood(contender string) {
	p := password.Argon2Default()
	h := authn.Must(password.NewHasher(password.HasherConfig{Argon2: p}))
	encoded := storedBy(h)
	login := hasherVerify(h, encoded)
	if contender == rawArgon2 {
		raw, slots := rawVerify(p, encoded), make(chan struct{}, floodSlots(p))
		login = func() error {
			slots <- struct{}{}
			defer func() { <-slots }()
			return raw()
		}
	}
	cpu, start := cputime.Now(), time.Now()
	var wg sync.WaitGroup
	for range floodLogins {
		wg.Go(func() {
			if err := login(); err != nil {
				log.Fatal(contender, ": ", err)
			}
		})
	}
	wg.Wait()
	fmt.Println(float64(cputime.Now()-cpu), float64(time.Since(start)), peakKiB())
}

// floods measures both contenders, in turns.
func floods(rep *report) {
	type process struct{ cpu, wall, peak []float64 }
	contenders := []string{rawArgon2, oursHasher}
	measured := make([]process, len(contenders))
	for range floodRounds {
		for i, c := range contenders {
			cmd := exec.Command(os.Args[0])
			cmd.Env, cmd.Stderr = append(os.Environ(), floodVariable+"="+c), os.Stderr
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
	name := floodName
	for i, m := range measured {
		rep.flood.add(name, contenders[i], fmt.Sprintf("%.1f", median(m.wall)/1e9), fmt.Sprintf("%.0f", slices.Max(m.peak)/1024), fmt.Sprintf("%.2f", ratios(m.cpu, raw.cpu)))
		name = ""
	}
	p := password.Argon2Default()
	most := (2*floodSlots(p) + 2) * int(p.MemoryKiB) / 1024
	rep.keeps("P6 "+floodName, oursHasher, "-", float64(most), slices.Max(ours.peak)/1024, "MiB")
	rep.keeps("P15 "+floodName, oursHasher, rawArgon2, 1.02, ratios(ours.cpu, raw.cpu), "x")
}
