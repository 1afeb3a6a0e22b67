package plan

import "github.com/fediflow/fediflow-operator/api/v1alpha1"

const (
	// averageObjectBytes is a cautious mean size of a cached response.
	averageObjectBytes = 64 << 10
	// keysPerMiB is what nginx documents: one megabyte stores about 8 thousand keys.
	keysPerMiB = 8000
	// workerConnections of each nginx process; a proxied request holds two.
	workerConnections = 8192
)

func resolveEdge(l *ledger, spec *v1alpha1.FediFlowClusterSpec, profile v1alpha1.StatefulProfile, facts Facts) EdgePlan {
	edge := orEmpty(spec.Edge)
	plan := EdgePlan{
		Image:             facts.Images.Edge,
		ServiceType:       "ClusterIP",
		Resources:         l.resources("edge", "spec.edge.resources", edge.Resources, profile.CPU, profile.Memory),
		Storage:           l.storage("edge", "spec.edge.storage", edge.Storage, profile.Storage),
		Regions:           resolveRegions(l, edge.Regions, profile.Replicas),
		WorkerConnections: workerConnections,
		OpenFiles:         2*workerConnections + 1024,
	}
	if edge.ServiceType != nil {
		l.overrides = append(l.overrides, "spec.edge.serviceType")
		plan.ServiceType = *edge.ServiceType
	}
	// Two, so that one slow disk operation does not hold up every request.
	plan.Workers = max(2, plan.Resources.CPU.Value())
	l.record("edge.workers", plan.Workers, "one for each core of the request, and at least 2")
	l.record("edge.worker_connections", workerConnections, "for each worker; a proxied request holds two")
	l.record("edge.open_files", plan.OpenFiles, "2 × %d connections + 1024 cache files and logs, for each worker", workerConnections)
	plan.CacheBytes = plan.Storage.Size.Value() * 9 / 10
	l.record("edge.cache_mib", plan.CacheBytes/mebibyte, "90 %% of the volume of %s", plan.Storage.Size.String())
	// The index lives in the pod's memory: it never takes more than a quarter of it.
	wanted := plan.CacheBytes / averageObjectBytes / keysPerMiB
	room := plan.Resources.Memory.Value() / 4 / mebibyte
	plan.KeysZoneMiB = max(1, min(wanted, room))
	l.record("edge.keys_zone_mib", plan.KeysZoneMiB, "%d objects of %d KiB at %d a MiB, and at most a quarter of the memory (%d MiB)",
		plan.CacheBytes/averageObjectBytes, averageObjectBytes>>10, keysPerMiB, room)
	return plan
}

func resolveRegions(l *ledger, regions []v1alpha1.EdgeRegionSpec, replicas int32) []EdgeRegionPlan {
	if len(regions) == 0 {
		l.record("edge."+DefaultRegion+".replicas", replicas, "%s", l.source)
		return []EdgeRegionPlan{{Name: DefaultRegion, Replicas: replicas}}
	}
	l.overrides = append(l.overrides, "spec.edge.regions")
	plans := make([]EdgeRegionPlan, 0, len(regions))
	for _, region := range regions {
		count := pick(l, "edge."+region.Name+".replicas", "spec.edge.regions["+region.Name+"].replicas", region.Replicas, replicas)
		plans = append(plans, EdgeRegionPlan{Name: region.Name, Replicas: count, Pinned: true})
	}
	return plans
}
