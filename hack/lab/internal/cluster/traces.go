package cluster

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

// cniNotes is where the CNI library keeps one file a pod and network; the
// place cannot be configured in containerd.
const cniNotes = "/var/lib/cni/results"

// removeTraces removes what a node's programs leave outside of the lab's own
// folders: the sockets of containerd's shims, whose paths are in each task's
// bundle, and the notes of the CNI library. Call it when the node is dead.
func removeTraces(n plan.Node) {
	bundles := filepath.Join(n.RunDir(), "containerd", "io.containerd.runtime.v2.task", "k8s.io")
	addresses, _ := filepath.Glob(filepath.Join(bundles, "*", "address"))
	for _, a := range addresses {
		address, err := os.ReadFile(a)
		path, isSocket := strings.CutPrefix(string(address), "unix://")
		if err == nil && isSocket {
			_ = os.Remove(path)
		}
	}
	sandboxes, _ := filepath.Glob(filepath.Join(n.Dir(), "containerd", "io.containerd.grpc.v1.cri", "sandboxes", "*"))
	for _, s := range sandboxes {
		notes, _ := filepath.Glob(filepath.Join(cniNotes, "*-"+filepath.Base(s)+"-*"))
		for _, note := range notes {
			_ = os.Remove(note)
		}
	}
}
