package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PerformanceProfile is a set of figures that clusters refer to with spec.profile.ref. Changing it
// changes every cluster that refers to it; deleting it leaves them running as they were.
// `kubectl fediflow profile show Medium -o yaml` prints a built-in one to start from.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=ffp,categories=fediflow
// +kubebuilder:printcolumn:name="API min",type=integer,JSONPath=`.spec.api.minReplicas`
// +kubebuilder:printcolumn:name="API max",type=integer,JSONPath=`.spec.api.maxReplicas`
// +kubebuilder:printcolumn:name="Instances",type=integer,JSONPath=`.spec.postgres.replicas`
// +kubebuilder:printcolumn:name="Postgres CPU",type=string,JSONPath=`.spec.postgres.cpu`
// +kubebuilder:printcolumn:name="Postgres memory",type=string,JSONPath=`.spec.postgres.memory`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type PerformanceProfile struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is the standard object metadata.
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec holds the figures. Every component must be there: nothing is guessed.
	// +required
	Spec PerformanceProfileSpec `json:"spec"`
}

// PerformanceProfileList is a list of PerformanceProfiles.
//
// +kubebuilder:object:root=true
type PerformanceProfileList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	// items of the list.
	Items []PerformanceProfile `json:"items"`
}

// PerformanceProfileSpec holds the figures from which every other number is derived.
type PerformanceProfileSpec struct {
	// api are the HTTP and ActivityPub servers.
	// +required
	API AutoscaledProfile `json:"api"`
	// postgres are the database members.
	// +required
	Postgres StatefulProfile `json:"postgres"`
	// pooler are the connection poolers; replicas is per pooler, one for writes and one for reads.
	// +required
	Pooler WorkloadProfile `json:"pooler"`
	// queue is the durable Redis store.
	// +required
	Queue StatefulProfile `json:"queue"`
	// cache is the evictable Redis store.
	// +required
	Cache WorkloadProfile `json:"cache"`
	// sentinel are the Sentinels that watch all Redis stores.
	// +required
	Sentinel StatefulProfile `json:"sentinel"`
	// edge are the HTTP caches; replicas is per region.
	// +required
	Edge StatefulProfile `json:"edge"`
}

// WorkloadProfile are the figures of a component with a fixed number of pods.
type WorkloadProfile struct {
	// replicas is the number of pods.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=50
	Replicas int32 `json:"replicas"`
	// cpu is the CPU request of each pod in cores, for example 500m.
	// +required
	CPU resource.Quantity `json:"cpu"`
	// memory is the memory request and limit of each pod in bytes, for example 512Mi.
	// +required
	Memory resource.Quantity `json:"memory"`
}

// StatefulProfile are the figures of a component whose pods have a volume each.
type StatefulProfile struct {
	WorkloadProfile `json:",inline"`
	// storage is the size of each pod's volume in bytes, for example 50Gi.
	// +required
	Storage resource.Quantity `json:"storage"`
}

// AutoscaledProfile are the figures of a component that a HorizontalPodAutoscaler scales.
//
// +kubebuilder:validation:XValidation:rule="self.minReplicas <= self.maxReplicas",message="minReplicas must not be larger than maxReplicas"
type AutoscaledProfile struct {
	// minReplicas is the smallest number of pods.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MinReplicas int32 `json:"minReplicas"`
	// maxReplicas is the largest number of pods.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxReplicas int32 `json:"maxReplicas"`
	// cpuUtilization is the average CPU use to aim at, in percent of the request.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	CPUUtilization int32 `json:"cpuUtilization"`
	// memoryUtilization is the average memory use to aim at, in percent of the request.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MemoryUtilization int32 `json:"memoryUtilization"`
	// cpu is the CPU request of each pod in cores, for example 500m.
	// +required
	CPU resource.Quantity `json:"cpu"`
	// memory is the memory request and limit of each pod in bytes, for example 512Mi.
	// +required
	Memory resource.Quantity `json:"memory"`
}
