package plan

import (
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// anyCluster draws a cluster that the CRD admits, with any fields left out.
func anyCluster(t *rapid.T) *v1alpha1.FediFlowCluster {
	cluster := testCluster(t, rapid.SampledFrom(Sizes()).Draw(t, "size"), "")
	cluster.Name = rapid.StringMatching(`[a-z]([a-z0-9-]{0,24}[a-z0-9])?`).Draw(t, "name")
	cluster.Spec.Profile.Availability = rapid.SampledFrom(
		[]v1alpha1.Availability{"", v1alpha1.AvailabilitySingle, v1alpha1.AvailabilityZonal}).Draw(t, "availability")
	cluster.Spec.Profile.Durability = anyDurability(t, "intended durability")
	cluster.Spec.Profile.Ceiling = &v1alpha1.CeilingSpec{
		CPU:    quantity(optional(t, "ceiling mCPU", rapid.Int64Range(1, 1_000_000)), millicores),
		Memory: quantity(optional(t, "ceiling MiB", rapid.Int64Range(1, 4<<20)), mebibytes),
	}
	cluster.Spec.API = &v1alpha1.APISpec{
		Autoscaling: &v1alpha1.AutoscalingSpec{
			MinReplicas:       anyCount(t, "minReplicas", 1000),
			MaxReplicas:       anyCount(t, "maxReplicas", 1000),
			CPUUtilization:    anyCount(t, "cpuUtilization", 100),
			MemoryUtilization: anyCount(t, "memoryUtilization", 100),
		},
		Resources: anyResources(t, "api"),
	}
	cluster.Spec.Database = anyDatabase(t)
	cluster.Spec.Pooler = &v1alpha1.PoolerSpec{Replicas: anyCount(t, "poolers", 50), Resources: anyResources(t, "pooler")}
	cluster.Spec.Redis = &v1alpha1.RedisSpec{Managed: &v1alpha1.ManagedRedisSpec{
		Queue: &v1alpha1.RedisQueueSpec{
			Replicas: anyCount(t, "queue", 5), Storage: anyStorage(t, "queue"), Resources: anyResources(t, "queue"),
		},
		Cache: &v1alpha1.RedisCacheSpec{Replicas: anyCount(t, "cache", 5), Resources: anyResources(t, "cache")},
	}}
	cluster.Spec.Edge = &v1alpha1.EdgeSpec{Storage: anyStorage(t, "edge"), Resources: anyResources(t, "edge")}
	for _, region := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"us-east", "eu-west", "mars"}), rapid.ID).Draw(t, "regions") {
		cluster.Spec.Edge.Regions = append(cluster.Spec.Edge.Regions,
			v1alpha1.EdgeRegionSpec{Name: region, Replicas: anyCount(t, region, 50)})
	}
	return cluster
}

func anyDatabase(t *rapid.T) *v1alpha1.DatabaseSpec {
	if rapid.Float64().Draw(t, "external") > 0.9 {
		return &v1alpha1.DatabaseSpec{External: &v1alpha1.ExternalDatabaseSpec{Host: "db", Port: anyCount(t, "port", 65535)}}
	}
	return &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{
		Instances:  anyCount(t, "instances", 9),
		Durability: anyDurability(t, "durability"),
		Storage:    anyStorage(t, "database"),
		Resources:  anyResources(t, "database"),
	}}
}

func anyDurability(t *rapid.T, name string) *v1alpha1.Durability {
	return optional(t, name, rapid.SampledFrom(
		[]v1alpha1.Durability{v1alpha1.DurabilityStrict, v1alpha1.DurabilitySynchronous, v1alpha1.DurabilityAsynchronous}))
}

// optional leaves a value out half of the time.
func optional[T any](t *rapid.T, name string, values *rapid.Generator[T]) *T {
	return rapid.Ptr(values, true).Draw(t, name)
}

func anyCount(t *rapid.T, name string, most int32) *int32 {
	return optional(t, name, rapid.Int32Range(1, most))
}

func anyResources(t *rapid.T, name string) *v1alpha1.ResourceOverride {
	return &v1alpha1.ResourceOverride{
		CPU:    quantity(optional(t, name+" mCPU", rapid.Int64Range(1, 256_000)), millicores),
		Memory: quantity(optional(t, name+" MiB", rapid.Int64Range(1, 4<<20)), mebibytes),
	}
}

func anyStorage(t *rapid.T, name string) *v1alpha1.StorageSpec {
	return &v1alpha1.StorageSpec{
		Size:             quantity(optional(t, name+" storage MB", rapid.Int64Range(2, 100_000_000)), megabytesOf),
		StorageClassName: optional(t, name+" class", rapid.SampledFrom([]string{"fast", "slow", "gold"})),
	}
}

func quantity(value *int64, of func(int64) *resource.Quantity) *resource.Quantity {
	if value == nil {
		return nil
	}
	return of(*value)
}

func millicores(value int64) *resource.Quantity {
	return resource.NewMilliQuantity(value, resource.DecimalSI)
}

func mebibytes(value int64) *resource.Quantity {
	return resource.NewQuantity(value*mebibyte, resource.BinarySI)
}

func megabytesOf(value int64) *resource.Quantity {
	return resource.NewScaledQuantity(value, resource.Mega)
}

func TestResolveIsDeterministicAndLeavesItsInputAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cluster := anyCluster(t)
		before := cluster.DeepCopy()
		p, problems := Resolve(cluster, testFacts)
		again, problemsAgain := Resolve(cluster, testFacts)
		if !equality.Semantic.DeepEqual(p, again) || !slices.Equal(problems, problemsAgain) {
			t.Errorf("once\n%+v %v\nand again\n%+v %v", p, problems, again, problemsAgain)
		}
		if !equality.Semantic.DeepEqual(before, cluster) {
			t.Errorf("the cluster was changed: %+v", cluster)
		}
	})
}

func TestWhatIsNotRefusedHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		_, p := acceptable(t)
		for _, broken := range append(budgetGaps(p), brokenPromises(p)...) {
			t.Error(broken)
		}
	})
}

func brokenPromises(p Plan) []string {
	var broken []string
	check := func(holds bool, promise string) {
		if !holds {
			broken = append(broken, "broken: "+promise)
		}
	}
	check(p.API.HeapMiB >= 128, "the heap has 128 MiB or more")
	check((p.API.HeapMiB+150)<<20 <= p.API.Resources.Memory.Value(), "heap and native memory fit the limit")
	check(p.API.Autoscaling.MinReplicas <= p.API.Autoscaling.MaxReplicas, "the smallest number of pods is not above the largest")
	check(p.Edge.CacheBytes <= p.Edge.Storage.Size.Value(), "the cache fits its volume")
	check(p.Edge.CacheBytes>>20 > 0, "the cache has a size that nginx takes")
	check(p.Edge.KeysZoneMiB > 0 && p.Edge.KeysZoneMiB<<20 <= p.Edge.Resources.Memory.Value()/4, "the index leaves room in memory")
	check(slices.IsSorted(p.Overrides) && len(slices.Compact(slices.Clone(p.Overrides))) == len(p.Overrides), "overrides are sorted and told once")
	for _, store := range p.Redis.Stores {
		check(store.MaxMemoryBytes > 0 && store.MaxMemoryBytes < store.Resources.Memory.Value(), "a store leaves room beside its data")
	}
	check((p.Database.Managed == nil) != (p.Database.External == nil), "there is exactly one database")
	if m := p.Database.Managed; m != nil {
		check(m.Durability == v1alpha1.DurabilityAsynchronous || m.Instances > 1, "a synchronous write has a standby to wait for")
	}
	return broken
}

func TestAnEditOfOnePartChangesNoOther(t *testing.T) {
	edits := map[string]func(*v1alpha1.FediFlowCluster){
		"pooler":   func(c *v1alpha1.FediFlowCluster) { c.Spec.Pooler.Resources = moreMemory() },
		"edge":     func(c *v1alpha1.FediFlowCluster) { c.Spec.Edge.Resources = moreMemory() },
		"cache":    func(c *v1alpha1.FediFlowCluster) { c.Spec.Redis.Managed.Cache.Resources = moreMemory() },
		"database": func(c *v1alpha1.FediFlowCluster) { c.Spec.Database.Managed.Resources.Memory = moreMemory().Memory },
	}
	parts := func(p Plan) map[string]any {
		return map[string]any{
			"api": p.API, "database": p.Database, "pooler": p.Pooler,
			"queue": p.Redis.Stores[0], "cache": p.Redis.Stores[1], "edge": p.Edge,
		}
	}
	// The connections that the database has memory for are shared out among the poolers.
	follow := map[string]string{"database": "pooler"}
	for edited, edit := range edits {
		t.Run(edited, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				cluster, accepted := acceptable(t)
				if accepted.Database.Managed == nil {
					t.Skip("the database is elsewhere")
				}
				// A ceiling ties everything together.
				cluster.Spec.Profile.Ceiling = nil
				before, problems := Resolve(cluster, testFacts)
				if len(problems) > 0 {
					t.Skip("the ceiling kept the number of clients down")
				}
				edit(cluster)
				after, problems := Resolve(cluster, testFacts)
				if len(problems) > 0 {
					t.Skip("that is too little")
				}
				for name, figures := range parts(before) {
					if now := parts(after)[name]; name != edited && name != follow[edited] && !equality.Semantic.DeepEqual(now, figures) {
						t.Errorf("%s was\n%+v\nis\n%+v", name, figures, now)
					}
				}
			})
		})
	}
}

func moreMemory() *v1alpha1.ResourceOverride {
	quantity := resource.MustParse("3Gi")
	return &v1alpha1.ResourceOverride{Memory: &quantity}
}
