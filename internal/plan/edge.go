package plan

import "github.com/fediflow/fediflow-operator/api/v1alpha1"

const (
	// averageObjectBytes is a cautious mean size of a cached response.
	averageObjectBytes = 64 << 10
	// keysPerMiB is what nginx documents: one megabyte stores about 8 thousand keys.
	keysPerMiB = 8000
)

func resolveEdge(o *overrides, spec *v1alpha1.FediFlowClusterSpec, size profile, facts Facts) EdgePlan {
	edge := orEmpty(spec.Edge)
	plan := EdgePlan{
		Image:       facts.Images.Edge,
		ServiceType: pick(o, "spec.edge.serviceType", edge.ServiceType, v1alpha1.EdgeServiceType("ClusterIP")),
		Resources:   o.resources("spec.edge.resources", edge.Resources, size.edge.workload),
		Storage:     o.storage("spec.edge.storage", edge.Storage, size.edge.storage),
		Regions:     resolveRegions(o, edge.Regions, size),
	}
	// Two, so that one slow disk operation does not hold up every request.
	plan.Workers = max(2, plan.Resources.CPU.Value())
	plan.CacheBytes = plan.Storage.Size.Value() * 9 / 10
	// The index lives in the pod's memory: it never takes more than a quarter of it.
	wanted := plan.CacheBytes / averageObjectBytes / keysPerMiB
	plan.KeysZoneMiB = max(1, min(wanted, plan.Resources.Memory.Value()/4/mebibyte))
	return plan
}

func resolveRegions(o *overrides, regions []v1alpha1.EdgeRegionSpec, size profile) []EdgeRegionPlan {
	if len(regions) == 0 {
		return []EdgeRegionPlan{{Name: DefaultRegion, Replicas: size.edge.replicas}}
	}
	o.fields = append(o.fields, "spec.edge.regions")
	plans := make([]EdgeRegionPlan, 0, len(regions))
	for _, region := range regions {
		replicas := pick(o, "spec.edge.regions["+region.Name+"].replicas", region.Replicas, size.edge.replicas)
		plans = append(plans, EdgeRegionPlan{Name: region.Name, Replicas: replicas, Pinned: true})
	}
	return plans
}
