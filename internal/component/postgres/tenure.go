package postgres

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Tenure is what was seen of a leader's hold on the lock.
type Tenure struct {
	Leader string
	// Renewed is the last renewal, Released when the lock was seen to be given away.
	Renewed, Released time.Time
	// Planned is set once Patroni was asked to take the lead from this leader.
	Planned bool
}

// See goes on with the annotations of Patroni's leader lock as they are now. It returns a failover
// when another leader has it.
func (t Tenure) See(lock map[string]string, now time.Time) (Tenure, *v1alpha1.FailoverStatus) {
	leader := lock["leader"]
	switch {
	case leader == "" && t.Released.IsZero():
		t.Released = now
		return t, nil
	case leader == "":
		return t, nil
	}
	next := Tenure{Leader: leader, Renewed: timeOf(lock["renewTime"])}
	if leader == t.Leader {
		next.Planned = t.Planned
	}
	if t.Leader == "" || leader == t.Leader {
		return next, nil
	}
	taken := timeOf(lock["acquireTime"])
	if taken.IsZero() {
		taken = now
	}
	failover := &v1alpha1.FailoverStatus{
		From: t.Leader, To: leader, Time: metav1.NewTime(taken).Rfc3339Copy(), Cause: v1alpha1.FailoverServerStopped,
	}
	lost := t.Released
	switch {
	case t.Released.IsZero():
		lost, failover.Cause = t.Renewed, v1alpha1.FailoverHeartbeatLost
	case t.Planned:
		failover.Cause = v1alpha1.FailoverPlanned
	}
	if !lost.IsZero() && taken.After(lost) {
		failover.Duration = taken.Sub(lost).Round(100 * time.Millisecond).String()
	}
	return next, failover
}

// Ask goes on with the annotations of Patroni's request for another leader.
func (t Tenure) Ask(request map[string]string) Tenure {
	if t.Leader != "" && request["leader"] == t.Leader {
		t.Planned = true
	}
	return t
}

func timeOf(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// WithPods blames the pod of the old leader where that is gone or new.
func WithPods(failover *v1alpha1.FailoverStatus, p plan.Plan, w component.World) *v1alpha1.FailoverStatus {
	if failover == nil {
		return nil
	}
	blamed := failover.DeepCopy()
	for _, pod := range Pods(p, w) {
		if pod.Name == failover.From && !goneAt(pod, failover.Time.Time) {
			return blamed
		}
	}
	blamed.Cause = v1alpha1.FailoverPodGone
	return blamed
}

// goneAt says whether a pod's predecessor, or the pod itself, was on its way out at a time.
func goneAt(pod *corev1.Pod, at time.Time) bool {
	return pod.DeletionTimestamp != nil || pod.CreationTimestamp.After(at.Add(-replacement))
}

// replacement is the longest time between a pod that was deleted and a failover for that reason, as
// the next pod of its name shows it.
const replacement = 5 * time.Second
