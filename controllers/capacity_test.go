package controllers

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

func (p *platform) waitFits(t *testing.T) {
	t.Helper()
	p.waitFor(t, "schedulable", func(c *v1alpha1.FediFlowCluster) bool {
		return condition(c, v1alpha1.ConditionSchedulable).Status == metav1.ConditionTrue
	})
}

// waitLacks waits until the cluster says what it lacks.
func (p *platform) waitLacks(t *testing.T, parts ...string) {
	t.Helper()
	cluster := p.waitFor(t, "unschedulable", func(c *v1alpha1.FediFlowCluster) bool {
		found := condition(c, v1alpha1.ConditionSchedulable)
		return found.Status == metav1.ConditionFalse && strings.Contains(found.Message, parts[0])
	})
	found := condition(cluster, v1alpha1.ConditionSchedulable)
	says(t, found.Message, parts...)
	if found.Reason != v1alpha1.ReasonInsufficientCapacity {
		t.Errorf("the reason is %s", found.Reason)
	}
}

func TestAQuotaThatIsTooSmallIsTold(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.waitReady(t)
	p.waitFits(t)
	least := p.cluster(t).Status.Plan.Minimum
	before := p.versions(t)
	quota := &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "tight"},
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{
			corev1.ResourceRequestsCPU: resource.MustParse("100m"), corev1.ResourceLimitsMemory: resource.MustParse("1Ti")}},
	}
	p.create(t, quota)
	p.waitLacks(t, "ResourceQuota tight allows requests.cpu 100m, and the plan needs "+least.CPU)
	if ready := condition(p.cluster(t), v1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue {
		t.Errorf("what runs is not ready: %+v", ready)
	}
	bound := func(cpu, memory string) {
		change(t, p, quota.Name, quota, func(q *corev1.ResourceQuota) {
			q.Spec.Hard = corev1.ResourceList{
				corev1.ResourceRequestsCPU: resource.MustParse(cpu), corev1.ResourceLimitsMemory: resource.MustParse(memory)}
		})
	}
	bound(least.CPU, "64Mi")
	p.waitLacks(t, "ResourceQuota tight allows limits.memory 64Mi, and the plan needs "+least.Memory)
	bound(least.CPU, least.Memory)
	p.waitFits(t)
	bound("1m", least.Memory)
	p.waitLacks(t, "ResourceQuota tight allows requests.cpu 1m")
	p.delete(t, quota)
	p.waitFits(t)
	p.unchanged(t, before)
}

func TestALimitRangeThatIsTooNarrowIsTold(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.waitReady(t)
	limit := &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "narrow"},
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("128Mi")}}}},
	}
	p.create(t, limit)
	p.waitLacks(t, "LimitRange narrow allows memory up to 128Mi, and api needs 320Mi", "postgres needs 256Mi")
	change(t, p, limit.Name, limit, func(l *corev1.LimitRange) {
		l.Spec.Limits[0].Max[corev1.ResourceMemory] = resource.MustParse("1Gi")
	})
	p.waitFits(t)
}

// Not parallel: nodes are those of all platforms.
func TestNodesThatAreTooSmallAreTold(t *testing.T) {
	const name = "giant"
	p := newPlatform(t, func(s *v1alpha1.FediFlowClusterSpec) {
		s.Edge = &v1alpha1.EdgeSpec{Resources: override("100", "512Gi")}
	})
	p.waitReady(t)
	p.waitLacks(t, "no node has room for one pod of edge-default with cpu 100 and memory 512Gi", "all 2 nodes together have cpu 128")
	before := p.versions(t)
	p.create(t, newNode(name, "128", "1Ti"))
	p.waitFits(t)
	change(t, p, name, &corev1.Node{}, func(n *corev1.Node) { n.Spec.Unschedulable = true })
	p.waitLacks(t, "no node has room for one pod of edge-default")
	change(t, p, name, &corev1.Node{}, func(n *corev1.Node) { n.Spec.Unschedulable = false })
	p.waitFits(t)
	p.delete(t, must(t, p, name, &corev1.Node{}))
	p.waitLacks(t, "no node has room for one pod of edge-default")
	p.unchanged(t, before)
}
