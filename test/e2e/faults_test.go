//go:build e2e

package e2e

import (
	"strconv"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/test/failover/history"
)

func itoa(number int32) string { return strconv.Itoa(int(number)) }

// fault writes while something happens to the primary, waits for another one, and checks that
// nothing acknowledged is lost and that the platform is whole again.
func (e *environment) fault(t *testing.T, run string, strike func(primary *corev1.Pod), heal func(primary *corev1.Pod)) {
	t.Helper()
	e.waitReady(t)
	primary := e.primary(t)
	w := e.database().startWriterApart(t, run, primary)
	strike(primary)
	e.waitOtherPrimary(t, primary)
	w.waitAcknowledged(t, 50)
	heal(primary)
	e.waitReady(t)
	w.waitAcknowledged(t, 20)
	w.check(t)
}

// startWriterApart starts one that writes through the pooler, on a node that does not run the pod.
func (d *database) startWriterApart(t *testing.T, run string, avoid *corev1.Pod) *writer {
	t.Helper()
	for node, pod := range d.writers(t) {
		if node != avoid.Spec.NodeName {
			w := d.startWriter(t, pod, run, history.Pooled, d.addresses[history.Pooled], 1, 5*time.Millisecond)
			w.waitAcknowledged(t, 20)
			return w
		}
	}
	t.Fatal("every node runs the primary")
	return nil
}

func nothing(*corev1.Pod) {}

func testPostmasterKilled(t *testing.T, env *environment) {
	env.fault(t, "postmaster", func(primary *corev1.Pod) {
		env.kubectl(t, "exec", primary.Name, "--", "bash", "-c", "kill -KILL $(head -1 $PGDATA/postmaster.pid)")
	}, nothing)
}

func testPrimaryDeleted(t *testing.T, env *environment) {
	env.fault(t, "deleted", func(primary *corev1.Pod) {
		if err := env.client.Delete(t.Context(), primary); err != nil {
			t.Fatal(err)
		}
	}, nothing)
}

func testOperatorDown(t *testing.T, env *environment) {
	scale := func(replicas int32) {
		env.kubectl(t, "-n", systemNamespace, "scale", "deployment/fediflow-operator", "--replicas", itoa(replicas))
	}
	var operator appsv1.Deployment
	key := client.ObjectKey{Namespace: systemNamespace, Name: "fediflow-operator"}
	if err := env.client.Get(t.Context(), key, &operator); err != nil {
		t.Fatal(err)
	}
	env.fault(t, "operator-down", func(primary *corev1.Pod) {
		t.Cleanup(func() { scale(*operator.Spec.Replicas) })
		scale(0)
		env.kubectl(t, "-n", systemNamespace, "wait", "--for=delete", "pod", "-l", "app.kubernetes.io/name=fediflow-operator")
		if err := env.client.Delete(t.Context(), primary, client.GracePeriodSeconds(0)); err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
	}, func(*corev1.Pod) {
		scale(*operator.Spec.Replicas)
		env.kubectl(t, "-n", systemNamespace, "rollout", "status", "deployment/fediflow-operator")
	})
}

func testPartition(t *testing.T, env *environment) {
	env.fault(t, "partition", func(primary *corev1.Pod) {
		t.Cleanup(func() { env.lab(t, "node", "heal", primary.Spec.NodeName) })
		env.lab(t, "node", "partition", primary.Spec.NodeName)
	}, func(primary *corev1.Pod) { env.lab(t, "node", "heal", primary.Spec.NodeName) })
}
