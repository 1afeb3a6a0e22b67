package plan

import "github.com/fediflow/fediflow-operator/api/v1alpha1"

// profile is the data behind a named size. CPU and memory are Kubernetes quantities for one pod.
type profile struct {
	api      workload
	apiMax   int32
	postgres stateful
	pooler   workload
	queue    stateful
	cache    workload
	sentinel stateful
	edge     stateful
}

type workload struct {
	replicas    int32
	cpu, memory string
}

type stateful struct {
	workload
	storage string
}

// profiles are the five named sizes. Every figure grows from one size to the next or stays.
var profiles = map[v1alpha1.ProfileSize]profile{
	v1alpha1.SizeDevelopment: {
		api: workload{1, "100m", "320Mi"}, apiMax: 2,
		postgres: stateful{workload{1, "100m", "256Mi"}, "2Gi"},
		pooler:   workload{1, "25m", "64Mi"},
		queue:    stateful{workload{1, "25m", "64Mi"}, "1Gi"},
		cache:    workload{1, "25m", "64Mi"},
		sentinel: stateful{workload{1, "10m", "32Mi"}, "128Mi"},
		edge:     stateful{workload{1, "25m", "64Mi"}, "1Gi"},
	},
	v1alpha1.SizeSmall: {
		api: workload{2, "250m", "384Mi"}, apiMax: 10,
		postgres: stateful{workload{3, "250m", "512Mi"}, "10Gi"},
		pooler:   workload{2, "50m", "64Mi"},
		queue:    stateful{workload{3, "50m", "128Mi"}, "2Gi"},
		cache:    workload{1, "50m", "128Mi"},
		sentinel: stateful{workload{3, "10m", "32Mi"}, "128Mi"},
		edge:     stateful{workload{1, "50m", "128Mi"}, "5Gi"},
	},
	v1alpha1.SizeMedium: {
		api: workload{3, "500m", "512Mi"}, apiMax: 20,
		postgres: stateful{workload{3, "1", "2Gi"}, "50Gi"},
		pooler:   workload{2, "100m", "128Mi"},
		queue:    stateful{workload{3, "100m", "512Mi"}, "5Gi"},
		cache:    workload{1, "100m", "512Mi"},
		sentinel: stateful{workload{3, "20m", "64Mi"}, "128Mi"},
		edge:     stateful{workload{2, "200m", "256Mi"}, "20Gi"},
	},
	v1alpha1.SizeLarge: {
		api: workload{3, "1", "1Gi"}, apiMax: 50,
		postgres: stateful{workload{3, "4", "16Gi"}, "200Gi"},
		pooler:   workload{3, "250m", "256Mi"},
		queue:    stateful{workload{3, "500m", "2Gi"}, "20Gi"},
		cache:    workload{2, "500m", "4Gi"},
		sentinel: stateful{workload{3, "50m", "64Mi"}, "128Mi"},
		edge:     stateful{workload{3, "500m", "512Mi"}, "100Gi"},
	},
	v1alpha1.SizeXLarge: {
		api: workload{6, "1", "1Gi"}, apiMax: 100,
		postgres: stateful{workload{5, "8", "64Gi"}, "1Ti"},
		pooler:   workload{4, "500m", "512Mi"},
		queue:    stateful{workload{3, "1", "8Gi"}, "50Gi"},
		cache:    workload{3, "1", "16Gi"},
		sentinel: stateful{workload{3, "50m", "64Mi"}, "128Mi"},
		edge:     stateful{workload{4, "1", "1Gi"}, "200Gi"},
	},
}

// Sizes are the named sizes, smallest first.
func Sizes() []v1alpha1.ProfileSize {
	return []v1alpha1.ProfileSize{
		v1alpha1.SizeDevelopment, v1alpha1.SizeSmall, v1alpha1.SizeMedium,
		v1alpha1.SizeLarge, v1alpha1.SizeXLarge,
	}
}
