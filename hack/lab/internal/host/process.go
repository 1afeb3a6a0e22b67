package host

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Process is a program that the lab started. A PID alone may be somebody
// else's by now; with the start time it names one process for good.
type Process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"` // clock ticks since boot
}

// Spec says how to start a program.
type Spec struct {
	Netns   string
	Cgroups []string // cgroup folders it joins
	Program string
	Args    []string
	Log     string
	PIDFile string
}

// Start starts a program in the background, in a session of its own, and
// remembers it in its PID file.
func Start(s Spec) error {
	if err := os.MkdirAll(filepath.Dir(s.Log), 0o755); err != nil {
		return fmt.Errorf("make log folder: %w", err)
	}
	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	// The shell joins the cgroups and then becomes the program, so that no
	// child of it can escape. nsenter and not `ip netns exec`, which remounts
	// /sys: the kubelet would find no cgroups.
	const script = `for c in $CGROUPS; do echo $$ > $c/cgroup.procs || exit 1; done
unset CGROUPS; exec nsenter --net="$0" -- "$@"`
	cmd := exec.Command("/bin/sh", append([]string{"-c", script, netnsPath(s.Netns), s.Program}, s.Args...)...)
	cmd.Env = append(os.Environ(), "CGROUPS="+strings.Join(s.Cgroups, " "))
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.Program, err)
	}
	go func() { _ = cmd.Wait() }() // collect it if it dies while we still run
	return remember(s.PIDFile, cmd.Process.Pid)
}

func remember(path string, pid int) error {
	start, err := startTime(pid)
	if err != nil {
		return fmt.Errorf("the program ended at once: %w", err)
	}
	content, err := json.Marshal(Process{PID: pid, Start: start})
	if err != nil {
		return err
	}
	return WriteFile(path, string(content))
}

// Recall returns the living process of a PID file.
func Recall(path string) (Process, bool) {
	content, err := os.ReadFile(path)
	if err != nil {
		return Process{}, false
	}
	var p Process
	if json.Unmarshal(content, &p) != nil {
		return Process{}, false
	}
	start, err := startTime(p.PID)
	return p, err == nil && start == p.Start
}

// startTime returns a living process's start time. A zombie is not alive.
func startTime(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	return parseStat(string(stat))
}

// parseStat reads state (field 3) and start time (field 22) of /proc/PID/stat.
// The second field is the program's name, which may hold blanks and brackets.
func parseStat(stat string) (string, error) {
	_, rest, found := cutLast(stat, ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 20 {
		return "", fmt.Errorf("unexpected process state %q", stat)
	}
	if fields[0] == "Z" || fields[0] == "X" {
		return "", fmt.Errorf("the process is dead")
	}
	return fields[19], nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
