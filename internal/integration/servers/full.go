package servers

import (
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
)

// fullAt is how long files may be on a full disk. It is whole pages of all
// databases, so that none is torn.
const fullAt = 64 << 10

// FullDisk lets processes of user, nil for this one's, write no file beyond its
// first 64 kB until room, as a quota does: it refuses also what would take the
// place of something else. They may end by that. The first of them is there at
// the beginning.
func FullDisk(user *syscall.Credential, processes func() []int) (room func(), err error) {
	limit := func(bytes string) error {
		var first error
		for i, pid := range processes() {
			// Who is not that user may not do it, not even as root in a container.
			cmd := exec.Command("prlimit", "--pid", strconv.Itoa(pid), "--fsize="+bytes+":")
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
			if out, err := cmd.CombinedOutput(); err != nil && i == 0 { // others come and go
				first = fmt.Errorf("prlimit: %w: %s", err, out)
			}
		}
		return first
	}
	// Those that came meanwhile are limited, too.
	return func() { _ = limit("unlimited") }, limit(strconv.Itoa(fullAt))
}
