package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func netnsPath(name string) string { return filepath.Join("/run/netns", name) }

// HasNetns tells whether a network namespace of that name exists. A plain
// file of that name, left behind by a machine that went down, is none.
func HasNetns(name string) bool {
	const nsfs = 0x6e736673
	var at syscall.Statfs_t
	return syscall.Statfs(netnsPath(name), &at) == nil && at.Type == nsfs
}

// Namespaces returns the names of the network namespaces with a prefix.
func Namespaces(prefix string) []string {
	paths, _ := filepath.Glob(netnsPath(prefix) + "*")
	for i, p := range paths {
		paths[i] = filepath.Base(p)
	}
	return paths
}

// AddNetns makes a network namespace with its loopback up.
func AddNetns(name string) error {
	if err := DeleteNetns(name); err != nil {
		return err
	}
	return RunAll("ip netns add "+name, "ip -n "+name+" link set lo up")
}

// DeleteNetns removes a network namespace or what is left of one.
func DeleteNetns(name string) error {
	if HasNetns(name) {
		_, err := Run("ip", "netns", "delete", name)
		return err
	}
	if err := os.Remove(netnsPath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove network namespace: %w", err)
	}
	return nil
}

// SetSysctls writes kernel settings inside a network namespace. Those that
// this kernel lacks are skipped.
func SetSysctls(netns string, settings ...string) error {
	const script = `for s in "$@"; do p=/proc/sys/$(echo "${s%%=*}" | tr . /); ` +
		`[ ! -e $p ] || echo "${s#*=}" > $p || exit 1; done`
	args := append([]string{"--net=" + netnsPath(netns), "--", "/bin/sh", "-c", script, "sh"}, settings...)
	_, err := Run("nsenter", args...)
	return err
}

// LinkState returns "up" or "down" as set by the administrator, or "missing".
func LinkState(netns, link string) string {
	args := []string{"-o", "link", "show", "dev", link}
	if netns != "" {
		args = append([]string{"-n", netns}, args...)
	}
	out, err := Run("ip", args...)
	if err != nil {
		return "missing"
	}
	flags, _, _ := strings.Cut(out[strings.Index(out, "<")+1:], ">")
	if slices.Contains(strings.Split(flags, ","), "UP") {
		return "up"
	}
	return "down"
}
