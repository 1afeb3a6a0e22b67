package plan

import (
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// anchor is a named size: the figures for a number of monthly active users.
type anchor struct {
	size    v1alpha1.ProfileSize
	users   int64
	figures v1alpha1.PerformanceProfileSpec
}

// anchors are the named sizes, smallest first. Every figure grows from one to the next or stays.
var anchors = []anchor{
	{v1alpha1.SizeDevelopment, 10, v1alpha1.PerformanceProfileSpec{
		API:      autoscaled(1, 2, "100m", "320Mi"),
		Postgres: stateful(1, "100m", "256Mi", "2Gi"),
		Pooler:   workload(1, "25m", "64Mi"),
		Queue:    stateful(1, "25m", "64Mi", "1Gi"),
		Cache:    workload(1, "25m", "64Mi"),
		Sentinel: stateful(1, "10m", "32Mi", "128Mi"),
		Edge:     stateful(1, "25m", "64Mi", "1Gi"),
	}},
	{v1alpha1.SizeSmall, 100, v1alpha1.PerformanceProfileSpec{
		API:      autoscaled(2, 10, "250m", "384Mi"),
		Postgres: stateful(3, "250m", "512Mi", "10Gi"),
		Pooler:   workload(2, "50m", "64Mi"),
		Queue:    stateful(3, "50m", "128Mi", "2Gi"),
		Cache:    workload(1, "50m", "128Mi"),
		Sentinel: stateful(3, "10m", "32Mi", "128Mi"),
		Edge:     stateful(1, "50m", "128Mi", "5Gi"),
	}},
	{v1alpha1.SizeMedium, 2_000, v1alpha1.PerformanceProfileSpec{
		API:      autoscaled(3, 20, "500m", "512Mi"),
		Postgres: stateful(3, "1", "2Gi", "50Gi"),
		Pooler:   workload(2, "100m", "128Mi"),
		Queue:    stateful(3, "100m", "512Mi", "5Gi"),
		Cache:    workload(1, "100m", "512Mi"),
		Sentinel: stateful(3, "20m", "64Mi", "128Mi"),
		Edge:     stateful(2, "200m", "256Mi", "20Gi"),
	}},
	{v1alpha1.SizeLarge, 20_000, v1alpha1.PerformanceProfileSpec{
		API:      autoscaled(3, 50, "1", "1Gi"),
		Postgres: stateful(3, "4", "16Gi", "200Gi"),
		Pooler:   workload(3, "250m", "256Mi"),
		Queue:    stateful(3, "500m", "2Gi", "20Gi"),
		Cache:    workload(2, "500m", "4Gi"),
		Sentinel: stateful(3, "50m", "64Mi", "128Mi"),
		Edge:     stateful(3, "500m", "512Mi", "100Gi"),
	}},
	{v1alpha1.SizeXLarge, 100_000, v1alpha1.PerformanceProfileSpec{
		API:      autoscaled(6, 100, "1", "1Gi"),
		Postgres: stateful(5, "8", "64Gi", "1Ti"),
		Pooler:   workload(4, "500m", "512Mi"),
		Queue:    stateful(3, "1", "8Gi", "50Gi"),
		Cache:    workload(3, "1", "16Gi"),
		Sentinel: stateful(3, "50m", "64Mi", "128Mi"),
		Edge:     stateful(4, "1", "1Gi", "200Gi"),
	}},
}

// Targets of the autoscaler, in percent of the request.
const (
	cpuUtilization    = 70
	memoryUtilization = 80
)

func workload(replicas int32, cpu, memory string) v1alpha1.WorkloadProfile {
	return v1alpha1.WorkloadProfile{Replicas: replicas, CPU: resource.MustParse(cpu), Memory: resource.MustParse(memory)}
}

func stateful(replicas int32, cpu, memory, storage string) v1alpha1.StatefulProfile {
	return v1alpha1.StatefulProfile{WorkloadProfile: workload(replicas, cpu, memory), Storage: resource.MustParse(storage)}
}

func autoscaled(least, most int32, cpu, memory string) v1alpha1.AutoscaledProfile {
	return v1alpha1.AutoscaledProfile{
		MinReplicas: least, MaxReplicas: most,
		CPUUtilization: cpuUtilization, MemoryUtilization: memoryUtilization,
		CPU: resource.MustParse(cpu), Memory: resource.MustParse(memory),
	}
}

// Sizes are the named sizes, smallest first.
func Sizes() []v1alpha1.ProfileSize {
	sizes := make([]v1alpha1.ProfileSize, 0, len(anchors))
	for _, anchor := range anchors {
		sizes = append(sizes, anchor.size)
	}
	return sizes
}

// Users are the monthly active users that a named size is made for, or 0 for an unknown one.
func Users(size v1alpha1.ProfileSize) int64 {
	for _, anchor := range anchors {
		if anchor.size == size {
			return anchor.users
		}
	}
	return 0
}

// BuiltIn are the figures of a named size.
func BuiltIn(size v1alpha1.ProfileSize) (v1alpha1.PerformanceProfileSpec, bool) {
	for _, anchor := range anchors {
		if anchor.size == size {
			return *anchor.figures.DeepCopy(), true
		}
	}
	return v1alpha1.PerformanceProfileSpec{}, false
}
