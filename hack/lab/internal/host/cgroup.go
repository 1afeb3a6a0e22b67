package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const cgroupMount = "/sys/fs/cgroup"

// controllers of cgroup v1 in which pods get their cgroups.
var controllers = []string{"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer",
	"blkio", "pids", "hugetlb", "systemd", "perf_event", "net_cls", "net_prio"}

// IsCgroupV2 tells whether the machine has the unified hierarchy only.
func IsCgroupV2() bool {
	_, err := os.Stat(filepath.Join(cgroupMount, "cgroup.controllers"))
	return err == nil
}

// hierarchies returns the root folders of all mounted hierarchies.
func hierarchies() []string {
	if IsCgroupV2() {
		return []string{cgroupMount}
	}
	var roots []string
	for _, c := range append([]string{"unified"}, controllers...) {
		root := filepath.Join(cgroupMount, c)
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err == nil {
			roots = append(roots, root)
		}
	}
	return roots
}

// EnsureCgroup makes a cgroup in every hierarchy: on v1 the kubelet wants its
// root cgroup to exist in all of them.
func EnsureCgroup(name string) error {
	for _, root := range hierarchies() {
		dir := root
		for part := range strings.SplitSeq(name, "/") {
			if err := delegate(dir); err != nil {
				return err
			}
			dir = filepath.Join(dir, part)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("make cgroup: %w", err)
			}
			if err := inheritCPUs(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// delegated are the controllers of cgroup v2 that the kubelet asks for.
var delegated = []string{"cpu", "cpuset", "memory", "pids", "io", "hugetlb"}

// delegate hands controllers of a v2 cgroup down to its children.
func delegate(dir string) error {
	if !IsCgroupV2() {
		return nil
	}
	available, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("read cgroup controllers: %w", err)
	}
	for c := range strings.FieldsSeq(string(available)) {
		if !slices.Contains(delegated, c) {
			continue
		}
		err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o644)
		if err != nil {
			return fmt.Errorf("hand down cgroup controller %s: %w", c, err)
		}
	}
	return nil
}

// inheritCPUs fills in what a new v1 cpuset leaves empty; no process can join
// an empty one.
func inheritCPUs(dir string) error {
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		path := filepath.Join(dir, file)
		own, err := os.ReadFile(path)
		if err != nil || IsCgroupV2() || strings.TrimSpace(string(own)) != "" {
			continue
		}
		above, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		if err := os.WriteFile(path, above, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}

// TrackingCgroup is the one folder by which all processes below a cgroup are
// found: on v1 that of the pids controller, which pods join as well.
func TrackingCgroup(name string) string {
	if IsCgroupV2() {
		return filepath.Join(cgroupMount, name)
	}
	return filepath.Join(cgroupMount, "pids", name)
}

// Members returns the processes in a cgroup and all below it.
func Members(name string) []int {
	var pids []int
	_ = filepath.WalkDir(TrackingCgroup(name), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir // it went away while we looked
		}
		if !e.IsDir() {
			return nil
		}
		procs, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for word := range strings.FieldsSeq(string(procs)) {
			if pid, err := strconv.Atoi(word); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// KillMembers kills every process in a cgroup and below, until none is left.
func KillMembers(name string) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		pids := Members(name)
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("kill processes of %s: %d are left", name, len(pids))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// RemoveCgroup removes a cgroup and all below it from every hierarchy. The
// kernel frees a cgroup a moment after its last process, so it is retried.
func RemoveCgroup(name string) error {
	for _, root := range hierarchies() {
		top := filepath.Join(root, name)
		deadline := time.Now().Add(10 * time.Second)
		for {
			err := removeTree(top)
			if err == nil || errors.Is(err, fs.ErrNotExist) {
				break
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("remove cgroup: %w", err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return nil
}

func removeTree(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		if err := removeTree(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return syscall.Rmdir(dir)
}

// CgroupFolders returns the folders of a cgroup that exist.
func CgroupFolders(name string) []string {
	var found []string
	for _, root := range hierarchies() {
		if _, err := os.Stat(filepath.Join(root, name)); err == nil {
			found = append(found, filepath.Join(root, name))
		}
	}
	return found
}
