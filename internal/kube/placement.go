package kube

import (
	corev1 "k8s.io/api/core/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

// SpreadHard puts the selected pods on different nodes, or in different zones where that is intended;
// with fewer of them than pods they share evenly. Nodes that take no new pods are not counted.
func SpreadHard(p plan.Plan, component plan.ComponentName, extra map[string]string) *accore.TopologySpreadConstraintApplyConfiguration {
	constraint := spread(p, component, extra)
	if p.Zonal {
		constraint.WithTopologyKey(plan.LabelZone)
	}
	return constraint.
		WithWhenUnsatisfiable(corev1.DoNotSchedule).
		WithNodeTaintsPolicy(corev1.NodeInclusionPolicyHonor)
}

// SpreadSoft prefers different nodes for the pods of one template.
func SpreadSoft(p plan.Plan, component plan.ComponentName, extra map[string]string) *accore.TopologySpreadConstraintApplyConfiguration {
	return spread(p, component, extra).
		WithWhenUnsatisfiable(corev1.ScheduleAnyway).
		WithMatchLabelKeys("pod-template-hash")
}

func spread(p plan.Plan, component plan.ComponentName, extra map[string]string) *accore.TopologySpreadConstraintApplyConfiguration {
	return accore.TopologySpreadConstraint().
		WithMaxSkew(1).
		WithTopologyKey(corev1.LabelHostname).
		WithLabelSelector(Selector(p, component, extra))
}

// InRegion pins a pod to the nodes of a region.
func InRegion(region string) *accore.AffinityApplyConfiguration {
	return accore.Affinity().WithNodeAffinity(accore.NodeAffinity().
		WithRequiredDuringSchedulingIgnoredDuringExecution(accore.NodeSelector().
			WithNodeSelectorTerms(accore.NodeSelectorTerm().
				WithMatchExpressions(accore.NodeSelectorRequirement().
					WithKey(plan.LabelRegion).
					WithOperator(corev1.NodeSelectorOpIn).
					WithValues(region)))))
}
