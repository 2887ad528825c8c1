//go:build linux && !race

// The race detector needs several times the memory.

package password_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-go/authn/password"
)

// P6: 64 logins at once need no more memory than (2×slots+2)×m at GOGC=100, the
// program itself included, although x/crypto allocates m anew for each.
func TestPeakMemory(t *testing.T) {
	const child = "AUTHN_TEST_PEAK_MEMORY"
	params := password.Params{MemoryKiB: 16 << 10, Time: 1, Threads: 4}
	if os.Getenv(child) != "" {
		h := newHasher(t, password.HasherConfig{Argon2: params})
		encoded := hash(t, h, "a")
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { verify(t, h, encoded, "b") })
		}
		wg.Wait()
		status, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		_, peak, _ := strings.Cut(string(status), "VmHWM:")
		fmt.Println("peak", strings.Fields(peak)[0])
		return
	}
	for procs, slots := range map[int]int{1: 1, 2: 1, 8: 2} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), child+"=1", "GOGC=100", fmt.Sprint("GOMAXPROCS=", procs))
		out, err := cmd.CombinedOutput()
		var peak int
		if _, scan := fmt.Sscanf(string(out), "peak %d", &peak); err != nil || scan != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		m := int(params.MemoryKiB)
		t.Logf("GOMAXPROCS=%d: %d slots, %.1f m", procs, slots, float64(peak)/float64(m))
		if most := (2*slots + 2) * m; peak > most {
			t.Errorf("GOMAXPROCS=%d: %d KiB, want at most %d", procs, peak, most)
		}
	}
}
