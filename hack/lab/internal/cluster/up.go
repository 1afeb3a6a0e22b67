package cluster

import (
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/host"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/images"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/pki"
	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

// Up brings up whatever of the lab is not up. It returns when all nodes are
// Ready and the cluster's DNS, metrics and volumes are served.
func (l *Lab) Up() error {
	if err := host.CheckMachine(); err != nil {
		return err
	}
	if err := l.lock(); err != nil {
		return err
	}
	if err := host.EnsurePackages(); err != nil {
		return err
	}
	if _, err := l.Build.Ensure(); err != nil {
		return err
	}
	host.LoadModules()
	units, err := controlPlaneUnits()
	if err != nil {
		return err
	}
	// Some of the control plane's programs give up when there is no API
	// server yet; the nodes' programs do not.
	if err := l.startControlPlane(units[:plan.APIServerUnits]); err != nil {
		return err
	}
	for _, n := range plan.Nodes() {
		if err := l.startNode(n); err != nil {
			return fmt.Errorf("start %s: %w", n.Name, err)
		}
	}
	if err := l.configureCluster(); err != nil {
		return err
	}
	if err := l.startUnits(units); err != nil {
		return err
	}
	if err := l.importPause(); err != nil {
		return err
	}
	if err := l.wait(2*time.Minute, l.pendingNode); err != nil {
		return err
	}
	if err := l.wait(time.Minute, l.pendingMetrics); err != nil {
		return err
	}
	if dead := deadUnits(units); len(dead) > 0 {
		return fmt.Errorf("started but died again: %s; see `lab logs`", strings.Join(dead, ", "))
	}
	l.Say("the lab is up: export KUBECONFIG=%s", filepath.Join(l.Root, ".lab", "kubeconfig"))
	return nil
}

// startControlPlane prepares the control plane and starts some of its units.
func (l *Lab) startControlPlane(units []plan.Unit) error {
	if err := pki.Ensure(plan.PKIDir()); err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	if err := l.writeKubeconfig(); err != nil {
		return err
	}
	if err := writeFiles(plan.ControlPlaneFiles()); err != nil {
		return err
	}
	if err := ensureControlPlaneNetwork(); err != nil {
		return fmt.Errorf("make network: %w", err)
	}
	if err := host.EnsureCgroup(plan.SystemCgroup(plan.ControlPlane)); err != nil {
		return err
	}
	return l.startUnits(units)
}

// writeKubeconfig puts the administrator's kubeconfig where every checkout
// finds it, and into this one.
func (l *Lab) writeKubeconfig() error {
	content, err := os.ReadFile(filepath.Join(plan.PKIDir(), "admin.kubeconfig"))
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	for _, path := range []string{plan.Kubeconfig(), filepath.Join(l.Root, ".lab", "kubeconfig")} {
		if err := host.WriteFile(path, string(content)); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o600); err != nil {
			return fmt.Errorf("protect kubeconfig: %w", err)
		}
	}
	return nil
}

func (l *Lab) startNode(n plan.Node) error {
	if err := writeFiles(plan.NodeFiles(n)); err != nil {
		return err
	}
	for _, dir := range []string{"pod-logs", "volume-plugins", "kubelet"} {
		if err := os.MkdirAll(filepath.Join(n.Dir(), dir), 0o755); err != nil {
			return fmt.Errorf("make folder: %w", err)
		}
	}
	if err := l.repair(n); err != nil {
		return err
	}
	if err := ensureNodeNetwork(n); err != nil {
		return fmt.Errorf("make network: %w", err)
	}
	if err := host.EnsureCgroup(plan.SystemCgroup(n.Name)); err != nil {
		return err
	}
	units := plan.NodeUnits(n)
	if err := l.startUnits(units[:plan.ContainerdUnits]); err != nil {
		return err
	}
	// The kubelet gives up when it finds no containerd.
	err := l.wait(30*time.Second, func() string {
		connection, err := net.Dial("unix", n.Socket())
		if err != nil {
			return "containerd of " + n.Name
		}
		_ = connection.Close()
		return ""
	})
	if err != nil {
		return err
	}
	return l.startUnits(units)
}

// configureCluster waits for the API server and hands it the lab's manifest.
func (l *Lab) configureCluster() error {
	err := l.wait(2*time.Minute, func() string {
		if _, err := l.kubectl("", "get", "--raw", "/readyz"); err != nil {
			return "the API server"
		}
		return ""
	})
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(filepath.Join(plan.PKIDir(), "ca.crt"))
	if err != nil {
		return fmt.Errorf("read CA: %w", err)
	}
	manifest := plan.Manifest(base64.StdEncoding.EncodeToString(ca))
	marker := filepath.Join(plan.RunDir, "manifest")
	if applied, err := os.ReadFile(marker); err == nil && string(applied) == manifest {
		return nil
	}
	// Namespaces and default roles appear a moment after the API server.
	err = l.wait(time.Minute, func() string {
		if _, err := l.kubectl(manifest, "apply", "--server-side", "--force-conflicts", "-f", "-"); err != nil {
			return "the API server to take the lab's manifest"
		}
		return ""
	})
	if err != nil {
		return err
	}
	return host.WriteFile(marker, manifest)
}

// importPause gives every node the sandbox image, without which no pod starts.
func (l *Lab) importPause() error {
	store := images.Store{Root: l.Root, Say: l.Say}
	if err := store.EnsurePause(); err != nil {
		return err
	}
	return store.Import(plan.PauseImage, plan.Nodes())
}

// pendingNode names a node that is not Ready. Whether a node is Ready is known
// from its kubelet's last word, which may be old, so the kubelet is asked too.
func (l *Lab) pendingNode() string {
	out, err := l.kubectl("", "get", "nodes", "-o",
		`jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status}{"\n"}{end}`)
	if err != nil {
		return "the list of nodes"
	}
	for _, n := range plan.Nodes() {
		if !strings.Contains(out, n.Name+"=True\n") {
			return n.Name + " to be Ready"
		}
		if _, err := l.kubectl("", "get", "--raw", "/api/v1/nodes/"+n.Name+"/proxy/healthz"); err != nil {
			return "the kubelet of " + n.Name
		}
	}
	return ""
}

// pendingMetrics says whether the metrics API is not served yet.
func (l *Lab) pendingMetrics() string {
	if _, err := l.kubectl("", "get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"); err != nil {
		return "the metrics API"
	}
	return ""
}
