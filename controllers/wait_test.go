package controllers

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// condition of the cluster, with its content; empty where it is absent.
func condition(cluster *v1alpha1.FediFlowCluster, kind string) metav1.Condition {
	found := meta.FindStatusCondition(cluster.Status.Conditions, kind)
	if found == nil {
		return metav1.Condition{}
	}
	return *found
}

// waitFor waits until the operator has looked at the current spec and the cluster is as wanted. What
// is seen on the way must keep to kstatus.
func (p *platform) waitFor(t *testing.T, what string, wanted func(*v1alpha1.FediFlowCluster) bool) *v1alpha1.FediFlowCluster {
	t.Helper()
	var cluster *v1alpha1.FediFlowCluster
	eventually(t, what, func() (bool, string) {
		cluster = p.cluster(t)
		if cluster.Status.ObservedGeneration >= 0 {
			checkContract(t, cluster)
		}
		return cluster.Status.ObservedGeneration == cluster.Generation && wanted(cluster),
			fmt.Sprintf("generation %d, observed %d, %v", cluster.Generation, cluster.Status.ObservedGeneration, cluster.Status.Conditions)
	})
	return cluster
}

// waitStalled waits until the cluster needs a human, and checks what it tells them.
func (p *platform) waitStalled(t *testing.T, reason string, parts ...string) {
	t.Helper()
	cluster := p.waitFor(t, "stalled with "+reason, func(c *v1alpha1.FediFlowCluster) bool {
		return condition(c, v1alpha1.ConditionStalled).Reason == reason
	})
	says(t, condition(cluster, v1alpha1.ConditionStalled).Message, parts...)
}

// waitApplied waits until the first objects are there and nothing but pods is missing.
func (p *platform) waitApplied(t *testing.T) {
	t.Helper()
	p.waitFor(t, "reconciling", func(c *v1alpha1.FediFlowCluster) bool {
		return condition(c, v1alpha1.ConditionReconciling).Status == metav1.ConditionTrue
	})
	p.quiet(t)
}

// waitReady plays everything that a real cluster has around the operator until the platform is ready.
func (p *platform) waitReady(t *testing.T) *v1alpha1.FediFlowCluster {
	t.Helper()
	cluster := p.waitFor(t, "ready", func(c *v1alpha1.FediFlowCluster) bool {
		p.play(t)
		return condition(c, v1alpha1.ConditionReady).Status == metav1.ConditionTrue
	})
	p.quiet(t)
	return cluster
}

// checkContract is what kstatus and GitOps tools rely on.
func checkContract(t *testing.T, cluster *v1alpha1.FediFlowCluster) {
	t.Helper()
	status := cluster.Status
	ready := condition(cluster, v1alpha1.ConditionReady).Status
	reconciling, stalled := condition(cluster, v1alpha1.ConditionReconciling).Status, condition(cluster, v1alpha1.ConditionStalled).Status
	switch {
	case ready == "":
		t.Error("a status without the condition Ready")
	case reconciling != "" && reconciling != metav1.ConditionTrue, stalled != "" && stalled != metav1.ConditionTrue:
		t.Error("Reconciling and Stalled are there only while they are True")
	case reconciling != "" && stalled != "":
		t.Error("Reconciling and Stalled exclude each other")
	case (ready == metav1.ConditionTrue) == (reconciling != "" || stalled != ""):
		t.Errorf("Ready is %s, Reconciling %q, Stalled %q: exactly one must speak", ready, reconciling, stalled)
	}
	if status.ObservedGeneration > cluster.Generation {
		t.Errorf("observed generation %d of %d", status.ObservedGeneration, cluster.Generation)
	}
	for _, c := range status.Conditions {
		// Schedulable speaks of the last plan, which may be that of an older spec.
		if c.Type == v1alpha1.ConditionSchedulable && c.ObservedGeneration < status.ObservedGeneration {
			continue
		}
		if c.ObservedGeneration != status.ObservedGeneration {
			t.Errorf("condition %s is of generation %d, the status of %d", c.Type, c.ObservedGeneration, status.ObservedGeneration)
		}
	}
}
