// Package cluster brings the lab up and down and breaks and heals its nodes.
package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/build"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/host"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

// Lab is the machine's one lab as seen from one checkout.
type Lab struct {
	Root  string // of the checkout
	Build build.Builder
	began time.Time
}

// New returns the lab for the checkout around the current folder.
func New() (*Lab, error) {
	root, err := findRoot()
	if err != nil {
		return nil, err
	}
	l := &Lab{Root: root, began: time.Now()}
	l.Build = build.Builder{Root: root, Say: l.Say}
	return l, nil
}

// findRoot looks for the operator's go.mod from the current folder upward.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find current folder: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		first, _, _ := strings.Cut(string(content), "\n")
		if err == nil && strings.TrimSpace(first) == "module github.com/fediflow/fediflow-operator" {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("this folder is not inside a checkout of fediflow-operator")
		}
	}
}

// Say prints one line of progress with the seconds since the command began.
func (l *Lab) Say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(l.began).Seconds(), fmt.Sprintf(format, args...))
}

// lock keeps a second command from changing the lab at the same time.
func (l *Lab) lock() error { return host.Lock(filepath.Join(plan.RunDir, "lock")) }

// isUp tells whether there is a lab on this machine, whole or broken.
func isUp() bool {
	_, err := os.Stat(plan.Kubeconfig())
	return err == nil
}

// Kubectl is the path of the kubectl that fits the cluster.
func (l *Lab) Kubectl() string { return l.Build.Path("kubectl") }

// kubectl runs kubectl as the administrator.
func (l *Lab) kubectl(input string, args ...string) (string, error) {
	return host.RunIn("", input, l.Kubectl(), append([]string{"--kubeconfig=" + plan.Kubeconfig()}, args...)...)
}

// wait calls check every quarter second until it returns "" (done). While it
// waits, it says what for; after the limit it gives up.
func (l *Lab) wait(limit time.Duration, check func() string) error {
	start, lastSaid := time.Now(), time.Time{}
	for {
		pending := check()
		if pending == "" {
			return nil
		}
		waited := time.Since(start)
		if waited > limit {
			return fmt.Errorf("gave up waiting for %s after %.0f s; see `lab status` and `lab logs`", pending, waited.Seconds())
		}
		if waited > time.Second && time.Since(lastSaid) > 3*time.Second {
			l.Say("waiting for %s, %.0f s", pending, waited.Seconds())
			lastSaid = time.Now()
		}
		time.Sleep(250 * time.Millisecond)
	}
}
