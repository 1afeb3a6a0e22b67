//go:build e2e && bench

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// benchFault is something that happens to a primary.
type benchFault struct {
	key, name string
	// clients write on each path, each after a rest.
	clients int
	pause   time.Duration
	strike  func(*testing.T, *database, *corev1.Pod)
	// A fault with a cure lasts until it is healed.
	lasts time.Duration
	heal  func(*testing.T, *database, *corev1.Pod)
	// everyMember: it is over when all members were started anew.
	everyMember bool
}

// many clients write less often each, so that the machine has time for the database.
const (
	manyClients = 50
	manyPause   = 200 * time.Millisecond
	fewPause    = 5 * time.Millisecond
)

var benchFaults = []benchFault{
	{key: "postmaster", name: "SIGKILL of the postmaster", clients: 1, pause: fewPause, strike: killPostmaster},
	{key: "container", name: "SIGKILL of the container", clients: 1, pause: fewPause, strike: killContainer},
	{key: "delete", name: "deletion of the pod", clients: 1, pause: fewPause, strike: deletePod()},
	{key: "force-delete", name: "forced deletion of the pod", clients: 1, pause: fewPause, strike: deletePod(client.GracePeriodSeconds(0))},
	{key: "partition", name: "partition of the node, 60 s", clients: 1, pause: fewPause, strike: onNode("partition"), lasts: time.Minute, heal: onNode("heal")},
	{key: "crash", name: "crash of the node, 60 s", clients: 1, pause: fewPause, strike: onNode("crash"), lasts: time.Minute, heal: onNode("heal")},
	{key: "switchover", name: "planned switchover", clients: manyClients, pause: manyPause, strike: switchOver},
	{key: "restart", name: "rolling restart of all members", clients: 1, pause: fewPause, strike: restartMembers, everyMember: true},
}

func killPostmaster(t *testing.T, db *database, primary *corev1.Pod) {
	t.Helper()
	_, err := db.env.exec(t, nil, db.namespace, primary.Name, "bash", "-c", "kill -KILL $(head -1 $PGDATA/postmaster.pid)")
	if err != nil {
		t.Fatal(err)
	}
}

// killContainer kills process 1 of the container, which nothing inside can: the lab's nodes share this
// machine's processes.
func killContainer(t *testing.T, _ *database, primary *corev1.Pod) {
	t.Helper()
	_, id, ok := strings.Cut(containerStatus(primary, "postgres").ContainerID, "://")
	if !ok || id == "" {
		t.Fatalf("%s has no container", primary.Name)
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, process := range processes {
		first, err := isFirstOf(process, id)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // it ended meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		if !first {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatalf("kill the container: %v", err)
		}
		return
	}
	t.Fatalf("no process 1 of container %s on this machine", id)
}

// isFirstOf says whether a process is in the container and process 1 there.
func isFirstOf(process, container string) (bool, error) {
	groups, err := os.ReadFile(filepath.Join(process, "cgroup"))
	if err != nil || !strings.Contains(string(groups), container) {
		return false, err
	}
	status, err := os.ReadFile(filepath.Join(process, "status"))
	if err != nil {
		return false, err
	}
	for line := range strings.Lines(string(status)) {
		if numbers, ok := strings.CutPrefix(line, "NSpid:"); ok {
			fields := strings.Fields(numbers)
			return len(fields) > 1 && fields[len(fields)-1] == "1", nil
		}
	}
	return false, fmt.Errorf("%s has no process numbers", process)
}

func deletePod(options ...client.DeleteOption) func(*testing.T, *database, *corev1.Pod) {
	return func(t *testing.T, db *database, primary *corev1.Pod) {
		t.Helper()
		if err := db.env.client.Delete(t.Context(), primary, options...); err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
	}
}

func onNode(action string) func(*testing.T, *database, *corev1.Pod) {
	return func(t *testing.T, db *database, primary *corev1.Pod) {
		t.Helper()
		db.env.lab(t, "node", action, primary.Spec.NodeName)
	}
}

// switchOver asks for another primary as an admin would, whichever: the operator of its cluster, or Patroni.
func switchOver(t *testing.T, db *database, primary *corev1.Pod) {
	t.Helper()
	if db.namespace == namespace {
		db.env.kubectl(t, "annotate", "--overwrite", "ffc", clusterName, plan.AnnotationSwitchover+"="+time.Now().UTC().Format(time.RFC3339))
		return
	}
	if output, err := db.env.exec(t, nil, db.namespace, primary.Name,
		"patronictl", "-c", "/etc/patroni/patroni.yml", "switchover", "--force", "--leader", primary.Name); err != nil {
		t.Fatalf("switchover: %v\n%s", err, output)
	}
}

// restartMembers changes what members only read at start: the operator restarts those of its cluster
// in its own order, a StatefulSet restarts its pods in theirs.
func restartMembers(t *testing.T, db *database, _ *corev1.Pod) {
	t.Helper()
	if db.namespace != namespace {
		db.env.kubectl(t, "-n", db.namespace, "rollout", "restart", "statefulset/"+plainName)
		return
	}
	memory := resource.MustParse("528Mi")
	if database := db.env.cluster(t).Spec.Database; database != nil && database.Managed.Resources.Memory.Equal(memory) {
		memory = resource.MustParse("544Mi")
	}
	db.env.change(t, func(spec *v1alpha1.FediFlowClusterSpec) {
		spec.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{
			Resources: &v1alpha1.ResourceOverride{Memory: &memory}}}
	})
}
