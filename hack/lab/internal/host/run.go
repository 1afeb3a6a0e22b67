// Package host does to this machine what the lab needs: commands, processes,
// network namespaces, cgroups and mounts. It knows nothing of Kubernetes.
package host

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Run runs a command to its end and returns what it printed. The error holds
// the command and its complaint.
func Run(name string, args ...string) (string, error) {
	return RunIn("", "", name, args...)
}

// RunIn is Run in a folder (empty: the current one) with a text as its input.
func RunIn(dir, input, name string, args ...string) (string, error) {
	var out, complaint bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &complaint
	if input != "" {
		cmd.Stdin = strings.NewReader(input)
	}
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("run %s %s: %w: %s", name, strings.Join(args, " "), err,
			strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}

// Stream runs a command whose output the user sees.
func Stream(dir string, env []string, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stderr, os.Stderr
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// RunAll runs commands, one a line, until one fails.
func RunAll(lines ...string) error {
	for _, line := range lines {
		words := strings.Fields(line)
		if _, err := Run(words[0], words[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// WriteFile writes a file and the folders above it, unless the file holds the
// content already: programs that watch their configuration stay undisturbed.
func WriteFile(path, content string) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == content {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make folder of %s: %w", path, err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// Lock takes an exclusive lock that ends with this process, so that two
// commands do not change the lab at once.
func Lock(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make folder of %s: %w", path, err)
	}
	// The descriptor stays open on purpose: it carries the lock.
	fd, err := syscall.Open(path, syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return fmt.Errorf("open %s: %w", path, err)
	}
	if err := syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		return nil
	}
	fmt.Fprintln(os.Stderr, "waiting for another lab command to finish")
	if err := syscall.Flock(fd, syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	return nil
}
