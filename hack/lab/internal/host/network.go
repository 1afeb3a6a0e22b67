package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func netnsPath(name string) string { return filepath.Join("/run/netns", name) }

// HasNetns tells whether a network namespace of that name exists.
func HasNetns(name string) bool {
	_, err := os.Stat(netnsPath(name))
	return err == nil
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
	return RunAll("ip netns add "+name, "ip -n "+name+" link set lo up")
}

// DeleteNetns removes a network namespace and with it, once its last process
// is gone, its links.
func DeleteNetns(name string) error {
	if !HasNetns(name) {
		return nil
	}
	if _, err := Run("ip", "netns", "delete", name); err == nil {
		return nil
	}
	// What is left when a machine lost its mounts but kept its files.
	if err := os.Remove(netnsPath(name)); err != nil {
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
	for _, f := range strings.Split(flags, ",") {
		if f == "UP" {
			return "up"
		}
	}
	return "down"
}
