//go:build e2e

package e2e

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/test/failover/history"
)

const plannedClients = 20

// planned writes through the pooler while the primary changes as planned: clients wait, and none of
// them sees an error.
func (e *environment) planned(t *testing.T, run string, begin func(primary *corev1.Pod), end func(primary *corev1.Pod)) {
	t.Helper()
	e.waitReady(t)
	primary := e.primary(t)
	db := e.database()
	var w *writer
	for _, pod := range db.writers(t) {
		w = db.startWriter(t, pod, run, history.Pooled, db.addresses[history.Pooled], plannedClients, 20*time.Millisecond)
		break
	}
	w.waitAcknowledged(t, 20)
	started := time.Now()
	begin(primary)
	e.waitOtherPrimary(t, primary)
	w.waitAcknowledged(t, 50)
	end(primary)
	e.waitReady(t)
	w.waitAcknowledged(t, 20)
	w.check(t)
	felt := history.Interrupted(history.Pooled, w.history(t), started)
	t.Logf("the longest wait of a client was %s", felt.Waits[len(felt.Waits)-1].Round(time.Millisecond))
	if felt.Failed+felt.FailedConnects > 0 {
		t.Errorf("%d statements and %d connects failed", felt.Failed, felt.FailedConnects)
	}
}

func testSwitchover(t *testing.T, env *environment) {
	request := time.Now().UTC().Format(time.RFC3339)
	env.planned(t, "switchover", func(*corev1.Pod) {
		env.kubectl(t, "annotate", "--overwrite", "ffc", clusterName, plan.AnnotationSwitchover+"="+request)
	}, func(*corev1.Pod) {
		eventually(t, "told", func() (bool, string) {
			answer := env.cluster(t).Status.Database.Switchover
			return answer != nil && answer.Request == request && answer.State == v1alpha1.SwitchoverDone, "no answer"
		})
	})
	last := env.cluster(t).Status.Database.LastFailover
	if last == nil || last.Cause != v1alpha1.FailoverPlanned || last.To != env.cluster(t).Status.Database.Primary {
		t.Errorf("the last failover is %+v", last)
	}
}

func testCordon(t *testing.T, env *environment) {
	evict := func(pod *corev1.Pod) error {
		return env.client.SubResource("eviction").Create(t.Context(), pod, &policyv1.Eviction{})
	}
	env.planned(t, "cordon", func(primary *corev1.Pod) {
		if err := evict(primary); !apierrors.IsTooManyRequests(err) {
			t.Errorf("the primary may be evicted: %v", err)
		}
		t.Cleanup(func() { env.kubectl(t, "uncordon", primary.Spec.NodeName) })
		env.kubectl(t, "cordon", primary.Spec.NodeName)
	}, func(old *corev1.Pod) {
		eventually(t, "evicted", func() (bool, string) {
			err := evict(old)
			return err == nil, "refused: " + errorText(err)
		})
		env.kubectl(t, "uncordon", old.Spec.NodeName)
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// testRollingRestart changes what PostgreSQL reads only when it starts, and nothing of the poolers.
func testRollingRestart(t *testing.T, env *environment) {
	env.planned(t, "rolling", func(*corev1.Pod) {
		env.change(t, func(spec *v1alpha1.FediFlowClusterSpec) {
			spec.Database.Managed.Parameters["track_activity_query_size"] = "2048"
		})
	}, func(*corev1.Pod) {})
}
