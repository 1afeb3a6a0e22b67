// Package build makes the cluster's programs from Go modules. No program is
// downloaded: versions are pinned by the modules below hack/lab/modules, and
// checked by Go's checksum database like every other dependency.
package build

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/host"
)

// module is a folder of hack/lab/modules: a set of programs that share pins.
type module struct {
	name      string
	version   string
	programs  []program
	versionIn []string // packages in which the version is set at link time
}

type program struct{ name, pkg string }

// modules are all programs of the lab. A version here names the folder only;
// what is built is what the module's go.mod says, and a test compares the two.
var modules = []module{
	{name: "etcd", version: "v3.7.3", programs: []program{{"etcd", "go.etcd.io/etcd/server/v3"}}},
	{
		name: "kubernetes", version: "v1.37.2",
		programs: []program{
			{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"},
			{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"},
			{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"},
			{"kubelet", "k8s.io/kubernetes/cmd/kubelet"},
			{"kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"},
			{"kubectl", "k8s.io/kubernetes/cmd/kubectl"},
		},
		versionIn: []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"},
	},
	{name: "metrics-server", version: "v0.9.0", programs: []program{{"metrics-server", "sigs.k8s.io/metrics-server/cmd/metrics-server"}}},
	{name: "coredns", version: "v1.15.0", programs: []program{{"coredns", "github.com/coredns/coredns"}}},
}

// Builder builds into the git-ignored cache of one checkout.
type Builder struct {
	Root string // of the checkout
	Say  func(format string, args ...any)
}

// dir is where a module's programs are, keyed by version.
func (b Builder) dir(m module) string {
	return filepath.Join(b.Root, ".cache", "bin", m.name+"-"+m.version)
}

// Path returns where a program is or will be, or the name itself when it is
// not one of ours but the system's.
func (b Builder) Path(name string) string {
	for _, m := range modules {
		for _, p := range m.programs {
			if p.name == name {
				return filepath.Join(b.dir(m), name)
			}
		}
	}
	return name
}

// Ensure builds the named programs that are missing; no name means all.
// It returns the folders that hold them, each once.
func (b Builder) Ensure(names ...string) ([]string, error) {
	wanted := map[string]bool{}
	for _, n := range names {
		if b.Path(n) == n {
			return nil, fmt.Errorf("there is no program %q; there are %s", n, strings.Join(Programs(), ", "))
		}
		wanted[n] = true
	}
	var dirs []string
	for _, m := range modules {
		used, err := b.ensureModule(m, wanted)
		if err != nil {
			return nil, err
		}
		if used {
			dirs = append(dirs, b.dir(m))
		}
	}
	return dirs, nil
}

func (b Builder) ensureModule(m module, wanted map[string]bool) (used bool, err error) {
	var missing []program
	for _, p := range m.programs {
		if len(wanted) > 0 && !wanted[p.name] {
			continue
		}
		used = true
		if _, err := os.Stat(b.Path(p.name)); err != nil {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return used, nil
	}
	if err := os.MkdirAll(b.dir(m), 0o755); err != nil {
		return used, fmt.Errorf("make %s: %w", b.dir(m), err)
	}
	// One at a time, so that the user sees how far it is.
	for _, p := range missing {
		b.Say("building %s %s (once; some take minutes on a small machine)", p.name, m.version)
		if err := b.compile(m, p); err != nil {
			return used, err
		}
	}
	return used, nil
}

func (b Builder) compile(m module, p program) error {
	return host.Stream(b.Root, []string{"CGO_ENABLED=0"}, "go", "build",
		"-C", filepath.Join(b.Root, "hack", "lab", "modules", m.name),
		"-trimpath", "-buildvcs=false", "-ldflags", linkFlags(m), "-o", b.Path(p.name), p.pkg)
}

// linkFlags drop debug information and set the version where clients look.
func linkFlags(m module) string {
	flags := []string{"-s -w"}
	parts := strings.Split(strings.TrimPrefix(m.version, "v"), ".")
	for _, p := range m.versionIn {
		flags = append(flags, fmt.Sprintf("-X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=%[3]s -X %[1]s.gitMinor=%[4]s",
			p, m.version, parts[0], parts[1]))
	}
	return strings.Join(flags, " ")
}

// Programs returns the names of all programs that the lab builds.
func Programs() []string {
	var names []string
	for _, m := range modules {
		for _, p := range m.programs {
			names = append(names, p.name)
		}
	}
	return names
}
