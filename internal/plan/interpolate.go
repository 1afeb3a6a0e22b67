package plan

import (
	"math"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// ForUsers are the figures for a number of monthly active users: on a straight line between the
// two nearest named sizes, with both axes logarithmic, rounded up to handy steps; beyond the largest
// size the last line goes on. Members that hold data change in number only at a named size, because
// adding one copies all of the data.
func ForUsers(users int64) v1alpha1.PerformanceProfileSpec {
	users = max(users, anchors[0].users)
	upper := 1
	for upper < len(anchors)-1 && users > anchors[upper].users {
		upper++
	}
	low, high := anchors[upper-1], anchors[upper]
	position := math.Log(float64(users)/float64(low.users)) / math.Log(float64(high.users)/float64(low.users))
	l := line{position}
	a, b := low.figures, high.figures
	return v1alpha1.PerformanceProfileSpec{
		API: v1alpha1.AutoscaledProfile{
			MinReplicas:       l.count(a.API.MinReplicas, b.API.MinReplicas, 1000),
			MaxReplicas:       l.count(a.API.MaxReplicas, b.API.MaxReplicas, 1000),
			CPUUtilization:    a.API.CPUUtilization,
			MemoryUtilization: a.API.MemoryUtilization,
			CPU:               l.cpu(a.API.CPU, b.API.CPU),
			Memory:            l.memory(a.API.Memory, b.API.Memory),
		},
		Postgres: l.members(a.Postgres, b.Postgres),
		Pooler:   l.pods(a.Pooler, b.Pooler, 50),
		Queue:    l.members(a.Queue, b.Queue),
		Cache:    l.pods(a.Cache, b.Cache, 5),
		Sentinel: l.members(a.Sentinel, b.Sentinel),
		Edge: v1alpha1.StatefulProfile{
			WorkloadProfile: l.pods(a.Edge.WorkloadProfile, b.Edge.WorkloadProfile, 50),
			Storage:         l.storage(a.Edge.Storage, b.Edge.Storage),
		},
	}
}

// line is a position between two figures: 0 is the first, 1 the second.
type line struct{ position float64 }

// at is the value on the line, a little lowered so that rounding up keeps an exact figure exact.
func (l line) at(a, b int64) float64 {
	return float64(a) * math.Pow(float64(b)/float64(a), l.position) * (1 - 1e-9)
}

func (l line) count(a, b, most int32) int32 {
	return int32(min(math.Ceil(l.at(int64(a), int64(b))), float64(most)))
}

// step is the grid on which figures below a limit lie; limits are multiples of both neighbours.
type step struct{ below, grid int64 }

func (l line) rounded(a, b int64, steps []step) int64 {
	value := l.at(a, b)
	for _, s := range steps {
		if value < float64(s.below) {
			return int64(math.Ceil(value/float64(s.grid))) * s.grid
		}
	}
	return b
}

const gibibyte = 1 << 30

var (
	cpuSteps    = []step{{100, 5}, {1_000, 25}, {4_000, 250}, {math.MaxInt64, 1_000}} // thousandths of a core
	memorySteps = []step{
		{256 * mebibyte, 8 * mebibyte}, {gibibyte, 32 * mebibyte}, {8 * gibibyte, 256 * mebibyte}, {math.MaxInt64, gibibyte},
	}
	storageSteps = []step{
		{gibibyte, 128 * mebibyte}, {10 * gibibyte, gibibyte}, {100 * gibibyte, 2 * gibibyte}, {math.MaxInt64, 4 * gibibyte},
	}
)

func (l line) cpu(a, b resource.Quantity) resource.Quantity {
	return *resource.NewMilliQuantity(l.rounded(a.MilliValue(), b.MilliValue(), cpuSteps), resource.DecimalSI)
}

func (l line) memory(a, b resource.Quantity) resource.Quantity {
	return *resource.NewQuantity(l.rounded(a.Value(), b.Value(), memorySteps), resource.BinarySI)
}

func (l line) storage(a, b resource.Quantity) resource.Quantity {
	return *resource.NewQuantity(l.rounded(a.Value(), b.Value(), storageSteps), resource.BinarySI)
}

func (l line) pods(a, b v1alpha1.WorkloadProfile, most int32) v1alpha1.WorkloadProfile {
	return v1alpha1.WorkloadProfile{
		Replicas: l.count(a.Replicas, b.Replicas, most),
		CPU:      l.cpu(a.CPU, b.CPU),
		Memory:   l.memory(a.Memory, b.Memory),
	}
}

func (l line) members(a, b v1alpha1.StatefulProfile) v1alpha1.StatefulProfile {
	members := v1alpha1.StatefulProfile{
		WorkloadProfile: l.pods(a.WorkloadProfile, b.WorkloadProfile, 50),
		Storage:         l.storage(a.Storage, b.Storage),
	}
	members.Replicas = a.Replicas
	if l.position >= 1 {
		members.Replicas = b.Replicas
	}
	return members
}
