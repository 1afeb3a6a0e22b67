package cluster

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

// cniNotes is where the CNI library keeps one file a pod and network; the
// place cannot be configured in containerd.
const cniNotes = "/var/lib/cni/results"

// shimSockets is where containerd's shims listen; it cannot be configured.
const shimSockets = "/run/containerd/s"

// removeTraces removes what a node's programs leave outside of the lab's own
// folders: sockets of containerd's shims and notes of the CNI library. Call it
// when the node is dead.
func removeTraces(n plan.Node) {
	sockets, _ := filepath.Glob(filepath.Join(shimSockets, "*"))
	for _, s := range sockets {
		// Whosever it was: nothing listens there anymore.
		if connection, err := net.Dial("unix", s); err == nil {
			_ = connection.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			_ = os.Remove(s)
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
