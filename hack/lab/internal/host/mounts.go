package host

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// MountsBelow returns the mount points at or below dirs, the last mounted first.
func MountsBelow(dirs ...string) ([]string, error) {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	return mountsBelow(string(info), dirs), nil
}

func mountsBelow(info string, dirs []string) []string {
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	var found []string
	for line := range strings.Lines(info) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		point := unescape.Replace(fields[4])
		for _, dir := range dirs {
			if point == dir || strings.HasPrefix(point, dir+"/") {
				found = append([]string{point}, found...)
				break
			}
		}
	}
	return found
}

// UnmountBelow unmounts everything at or below dirs. A mount that is busy is
// detached: its last user is already dead or dying.
func UnmountBelow(dirs ...string) error {
	points, err := MountsBelow(dirs...)
	if err != nil {
		return err
	}
	for _, p := range points {
		if syscall.Unmount(p, 0) == nil {
			continue
		}
		if err := syscall.Unmount(p, syscall.MNT_DETACH); err != nil && err != syscall.EINVAL {
			return fmt.Errorf("unmount %s: %w", p, err)
		}
	}
	return nil
}
