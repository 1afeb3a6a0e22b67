package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// FediFlowClusterSpec is the desired state of a fediverse platform. Domain, image and profile
// alone give a complete one; every other field overrides what the profile derives.
//
// +kubebuilder:validation:XValidation:rule="self.domain == oldSelf.domain",message="domain is part of every actor's identity and cannot change: create a new FediFlowCluster for the new domain"
// +kubebuilder:validation:XValidation:rule="(has(self.database) && has(self.database.external)) == (has(oldSelf.database) && has(oldSelf.database.external))",message="database cannot change between managed and external in place: dump it, create a new FediFlowCluster and restore there"
type FediFlowClusterSpec struct {
	// domain is the host name of the platform, as it appears after the @ of every account, in
	// lower case and without scheme, port or path. It is part of every actor's identity and
	// cannot be changed later.
	// +required
	// +kubebuilder:validation:MinLength=4
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?[.])+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$')",message="domain must be a lower-case DNS name with at least one dot and without scheme, port or path, such as social.example.edu"
	Domain string `json:"domain"`

	// image is the container image of the application, with a tag or digest, for example
	// fediflow/fediflow:0.1.0. Changing it runs the migrations and then rolls the application.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-zA-Z0-9][a-zA-Z0-9._/:-]*(@sha256:[a-f0-9]{64})?$') && (self.contains('@') || self.matches('.*:[A-Za-z0-9_][A-Za-z0-9._-]*$'))",message="image must name a tag or a digest, such as fediflow/fediflow:0.1.0: without one, what runs is not reproducible"
	Image string `json:"image"`

	// profile says how large the platform is; every number is derived from it.
	// +required
	Profile ProfileSpec `json:"profile"`

	// imagePullSecrets are Secrets of type kubernetes.io/dockerconfigjson in this namespace with
	// which every image is pulled. Default: none.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	ImagePullSecrets []SecretName `json:"imagePullSecrets,omitempty"`

	// api overrides the HTTP and ActivityPub servers.
	// +optional
	API *APISpec `json:"api,omitempty"`

	// migrations overrides how the database schema is migrated before a rollout.
	// +optional
	Migrations *MigrationsSpec `json:"migrations,omitempty"`

	// database overrides the PostgreSQL database, or names one that runs elsewhere.
	// Default: a managed one.
	// +optional
	Database *DatabaseSpec `json:"database,omitempty"`

	// pooler overrides the PgBouncer connection poolers in front of the database.
	// +optional
	Pooler *PoolerSpec `json:"pooler,omitempty"`

	// redis overrides the stores that speak the Redis protocol (the program is Valkey).
	// +optional
	Redis *RedisSpec `json:"redis,omitempty"`

	// edge overrides the HTTP caches in front of the platform.
	// +optional
	Edge *EdgeSpec `json:"edge,omitempty"`

	// tls overrides where the certificates between the pods of the database path come from.
	// Default: from an authority of this cluster's own, which the operator creates and renews.
	// +optional
	TLS *TLSSpec `json:"tls,omitempty"`
}

// TLSSpec names a certificate that somebody else keeps, such as cert-manager.
type TLSSpec struct {
	// certificateSecret is a Secret of type kubernetes.io/tls in this namespace with the keys
	// tls.crt, tls.key and ca.crt. PostgreSQL members and poolers use it; it must be for the names
	// that docs/tls.md lists, and ca.crt should be an authority that signs for nobody else.
	// +required
	CertificateSecret SecretName `json:"certificateSecret"`
}

// SecretName names a Secret in the namespace of the cluster.
type SecretName struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`
	Name string `json:"name"`
}

// ProfileSize is one of the five named sizes.
// +kubebuilder:validation:Enum=Development;Small;Medium;Large;XLarge
type ProfileSize string

// The named sizes and the monthly active users each is made for.
const (
	SizeDevelopment ProfileSize = "Development" // 10
	SizeSmall       ProfileSize = "Small"       // 100
	SizeMedium      ProfileSize = "Medium"      // 2,000
	SizeLarge       ProfileSize = "Large"       // 20,000
	SizeXLarge      ProfileSize = "XLarge"      // 100,000
)

// ProfileSpec declares the size of the platform in one of three ways, and what else is intended.
//
// +kubebuilder:validation:XValidation:rule="[has(self.size), has(self.activeUsers), has(self.ref)].filter(x, x).size() == 1",message="profile needs exactly one of size, activeUsers and ref, such as size: Small"
type ProfileSpec struct {
	// size is a named anchor: Development (10 monthly active users), Small (100), Medium (2,000),
	// Large (20,000) or XLarge (100,000).
	// +optional
	Size ProfileSize `json:"size,omitempty"`
	// activeUsers is the number of monthly active users to plan for. Between the named sizes every
	// figure is interpolated, beyond XLarge it is extrapolated; more users never make anything smaller.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	ActiveUsers *int32 `json:"activeUsers,omitempty"`
	// ref is the name of a PerformanceProfile. Its changes are followed; when it is deleted, the
	// cluster keeps running as it was and says so.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`
	Ref string `json:"ref,omitempty"`
	// availability is Single (one member of everything, for tests) or Zonal (three members of
	// everything that holds data, each in a zone of its own). Default: as many members as the
	// size has, on different nodes.
	// +optional
	Availability Availability `json:"availability,omitempty"`
	// durability is Strict, Synchronous or Asynchronous, as in database.managed, which wins over it.
	// Default: Synchronous where there is a standby.
	// +optional
	Durability *Durability `json:"durability,omitempty"`
	// ceiling bounds what the whole platform may request when everything is scaled up. Autoscaling
	// is cut down to fit; what cannot fit at all is refused. Default: no bound.
	// +optional
	Ceiling *CeilingSpec `json:"ceiling,omitempty"`
}

// Availability says what the platform should survive.
// +kubebuilder:validation:Enum=Single;Zonal
type Availability string

const (
	// AvailabilitySingle survives nothing without an interruption.
	AvailabilitySingle Availability = "Single"
	// AvailabilityZonal survives the loss of a zone.
	AvailabilityZonal Availability = "Zonal"
)

// CeilingSpec bounds the sum of all requests.
type CeilingSpec struct {
	// cpu in cores, for example 16. Default: no bound.
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty"`
	// memory in bytes, for example 64Gi. Default: no bound.
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
}

// ResourceOverride replaces single figures of what the profile derives. Memory request and limit
// are always equal; CPU is requested and not limited.
type ResourceOverride struct {
	// cpu is the CPU request of each pod in cores, for example 500m. Default: from the profile.
	// +optional
	CPU *resource.Quantity `json:"cpu,omitempty"`
	// memory is the memory request and limit of each pod in bytes, for example 512Mi. Default:
	// from the profile.
	// +optional
	Memory *resource.Quantity `json:"memory,omitempty"`
}

// APISpec overrides the HTTP and ActivityPub servers.
type APISpec struct {
	// autoscaling bounds the HorizontalPodAutoscaler, which alone owns the replica count.
	// +optional
	Autoscaling *AutoscalingSpec `json:"autoscaling,omitempty"`
	// resources of each pod.
	// +optional
	Resources *ResourceOverride `json:"resources,omitempty"`
}

// AutoscalingSpec bounds a HorizontalPodAutoscaler. Absent fields come from the profile.
//
// +kubebuilder:validation:XValidation:rule="!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",message="minReplicas must not be larger than maxReplicas"
type AutoscalingSpec struct {
	// minReplicas is the smallest number of pods. Default: from the profile.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MinReplicas *int32 `json:"minReplicas,omitempty"`
	// maxReplicas is the largest number of pods. Default: from the profile.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`
	// cpuUtilization is the average CPU use to aim at, in percent of the request. Default: 70.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	CPUUtilization *int32 `json:"cpuUtilization,omitempty"`
	// memoryUtilization is the average memory use to aim at, in percent of the request. Default: 80.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MemoryUtilization *int32 `json:"memoryUtilization,omitempty"`
}

// MigrationsSpec overrides the Jobs that migrate the database schema.
type MigrationsSpec struct {
	// preDeploy is the Job that must succeed before pods of a new image start. It connects to the
	// primary directly, not through the pooler.
	// +optional
	PreDeploy *MigrationSpec `json:"preDeploy,omitempty"`
}

// MigrationSpec is one migration Job.
type MigrationSpec struct {
	// command runs in the application image. Default: ["node", "migrate.js", "up"].
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	Command []string `json:"command,omitempty"`
}

// DatabaseSpec is either managed (the operator runs PostgreSQL) or external (somebody else does).
//
// +kubebuilder:validation:XValidation:rule="!(has(self.managed) && has(self.external))",message="database is either managed or external, not both: remove one of them"
type DatabaseSpec struct {
	// managed overrides the PostgreSQL members that the operator runs.
	// +optional
	Managed *ManagedDatabaseSpec `json:"managed,omitempty"`
	// external names a PostgreSQL that runs elsewhere; the pooler connects to it.
	// +optional
	External *ExternalDatabaseSpec `json:"external,omitempty"`
	// indexes of the application's tables, in a managed or an external database. Each is built
	// without blocking writes; status.database.indexes says how far it is.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Indexes []IndexSpec `json:"indexes,omitempty"`
}

// Durability says what an acknowledged write has survived.
// +kubebuilder:validation:Enum=Strict;Synchronous;Asynchronous
type Durability string

const (
	// DurabilitySynchronous acknowledges a write when a standby has it too. When no standby is
	// left it keeps accepting writes.
	DurabilitySynchronous Durability = "Synchronous"
	// DurabilityAsynchronous acknowledges a write when the primary has it.
	DurabilityAsynchronous Durability = "Asynchronous"
	// DurabilityStrict is Synchronous that rather keeps writes waiting than acknowledges them
	// without a standby.
	DurabilityStrict Durability = "Strict"
)

// Synchronous says whether a standby has every acknowledged write.
func (d Durability) Synchronous() bool { return d == DurabilitySynchronous || d == DurabilityStrict }

// Heartbeat is how often a primary renews its lock.
// +kubebuilder:validation:Enum=Fast;Frugal
type Heartbeat string

const (
	// HeartbeatFast renews every 2 s: a lost node is replaced after about 20 s.
	HeartbeatFast Heartbeat = "Fast"
	// HeartbeatFrugal renews every 10 s: a lost node is replaced after about 40 s, for a fifth of the
	// requests to the Kubernetes API.
	HeartbeatFrugal Heartbeat = "Frugal"
)

// ManagedDatabaseSpec overrides the PostgreSQL members that the operator runs.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.instances) && self.instances == 1 && has(self.durability) && self.durability != 'Asynchronous')",message="durability Synchronous and Strict need a standby: use instances 2 or more, or durability Asynchronous"
// +kubebuilder:validation:XValidation:rule="!has(self.maximumLag) || (has(self.durability) && self.durability == 'Asynchronous')",message="maximumLag bounds what Asynchronous may lose: set durability Asynchronous, too, or remove maximumLag"
type ManagedDatabaseSpec struct {
	// instances is the number of PostgreSQL members, primary included. A smaller number removes members
	// one by one and keeps their volumes. Default: from the profile, which removes none.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9
	Instances *int32 `json:"instances,omitempty"`
	// durability is Synchronous (a write is acknowledged when a standby has it too; with no standby
	// left, when the primary has it), Strict (with no standby left, writes wait) or Asynchronous (when
	// the primary has it). Default: Synchronous where there is a standby.
	// +optional
	Durability *Durability `json:"durability,omitempty"`
	// maximumLag bounds, in bytes of WAL, what a failover may lose with durability Asynchronous: a
	// standby that is further behind the primary's last heartbeat is not promoted, and the database
	// waits for its primary instead. Default: 16Mi.
	// +optional
	MaximumLag *resource.Quantity `json:"maximumLag,omitempty"`
	// heartbeat is Fast (the primary renews its lock every 2 s, and is given up 20 s after it stopped)
	// or Frugal (every 10 s and 40 s, for a fifth of the requests to the Kubernetes API: for hundreds
	// of small clusters). A crash that leaves the node alive is noticed at once with either.
	// Default: Fast.
	// +optional
	Heartbeat *Heartbeat `json:"heartbeat,omitempty"`
	// storage of each member.
	// +optional
	Storage *StorageSpec `json:"storage,omitempty"`
	// resources of each member.
	// +optional
	Resources *ResourceOverride `json:"resources,omitempty"`
	// parameters are PostgreSQL settings by name, such as work_mem: 16MB. They win over what the
	// profile derives. docs/database.md lists the names; a few restart the members, one by one.
	// +optional
	// +kubebuilder:validation:MaxProperties=64
	// +kubebuilder:validation:XValidation:rule="self.all(name, name.matches('^[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)?$'))",message="parameters must be named like PostgreSQL settings, such as work_mem"
	Parameters map[string]ParameterValue `json:"parameters,omitempty"`
	// extensions of the application's database. Removing one from the spec drops nothing.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	Extensions []Extension `json:"extensions,omitempty"`
	// roles that may log in to the application's database, beside the application itself.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Roles []RoleSpec `json:"roles,omitempty"`
}

// ParameterValue is the value of a PostgreSQL setting in PostgreSQL's notation: on, 100, 0.5, 64MB, 10s.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=32
// +kubebuilder:validation:Pattern=`^-?[a-zA-Z0-9._]+$`
type ParameterValue string

// StorageSpec is the volume of each member of a component.
type StorageSpec struct {
	// size of the volume in bytes, for example 50Gi. Volumes that exist grow with it where their
	// StorageClass has allowVolumeExpansion, and never shrink. Default: from the profile.
	// +optional
	Size *resource.Quantity `json:"size,omitempty"`
	// storageClassName is the StorageClass of new volumes; those that exist keep theirs.
	// Default: the default class of the Kubernetes cluster.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`
	StorageClassName *string `json:"storageClassName,omitempty"`
}

// ExternalDatabaseSpec names a PostgreSQL that runs elsewhere.
type ExternalDatabaseSpec struct {
	// host is the DNS name or IPv4 address of the server.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?$`
	Host string `json:"host"`
	// port of the server. Default: 5432.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`
	// database is the name of the database. Default: fediflow.
	// +optional
	// +kubebuilder:validation:Pattern=`^[a-z_][a-z0-9_]{0,62}$`
	// +kubebuilder:validation:MaxLength=63
	Database *string `json:"database,omitempty"`
	// credentialsSecret is a Secret in this namespace with the keys username, password, and
	// userlist.txt (one line: "username" "password", for the pooler). Both become part of a URL:
	// use letters, digits and -._~ only.
	// +required
	CredentialsSecret SecretName `json:"credentialsSecret"`
}

// PoolerSpec overrides the PgBouncer connection poolers.
type PoolerSpec struct {
	// replicas of each pooler (one pooler for writes, one for reads). Default: from the profile.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=50
	Replicas *int32 `json:"replicas,omitempty"`
	// resources of each pod.
	// +optional
	Resources *ResourceOverride `json:"resources,omitempty"`
}

// RedisSpec is the set of stores that speak the Redis protocol.
type RedisSpec struct {
	// managed overrides the Valkey stores that the operator runs.
	// +optional
	Managed *ManagedRedisSpec `json:"managed,omitempty"`
}

// ManagedRedisSpec overrides the two stores: queue (durable, never evicts) and cache (in memory,
// evicts).
type ManagedRedisSpec struct {
	// queue overrides the durable store.
	// +optional
	Queue *RedisQueueSpec `json:"queue,omitempty"`
	// cache overrides the evictable store.
	// +optional
	Cache *RedisCacheSpec `json:"cache,omitempty"`
}

// RedisQueueSpec overrides the durable store.
type RedisQueueSpec struct {
	// replicas is the number of members, master included. Default: from the profile.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	Replicas *int32 `json:"replicas,omitempty"`
	// storage of each member.
	// +optional
	Storage *StorageSpec `json:"storage,omitempty"`
	// resources of each member.
	// +optional
	Resources *ResourceOverride `json:"resources,omitempty"`
}

// RedisCacheSpec overrides the evictable store.
type RedisCacheSpec struct {
	// replicas is the number of members, master included. Default: from the profile.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=5
	Replicas *int32 `json:"replicas,omitempty"`
	// resources of each member.
	// +optional
	Resources *ResourceOverride `json:"resources,omitempty"`
}

// EdgeSpec overrides the HTTP caches in front of the platform.
type EdgeSpec struct {
	// regions to run caches in, each pinned to the nodes whose label topology.kubernetes.io/region
	// has its name. Default: one group of caches named default, on any node.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Regions []EdgeRegionSpec `json:"regions,omitempty"`
	// storage is the cache volume of each edge pod.
	// +optional
	Storage *StorageSpec `json:"storage,omitempty"`
	// resources of each pod.
	// +optional
	Resources *ResourceOverride `json:"resources,omitempty"`
	// serviceType is the type of the edge Services: ClusterIP, NodePort or LoadBalancer.
	// Default: ClusterIP, for use behind an Ingress or Gateway.
	// +optional
	ServiceType *EdgeServiceType `json:"serviceType,omitempty"`
}

// EdgeServiceType is the type of the edge Services.
// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer
type EdgeServiceType corev1.ServiceType

// EdgeRegionSpec is one region.
type EdgeRegionSpec struct {
	// name of the region: the value of the node label topology.kubernetes.io/region.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
	Name string `json:"name"`
	// replicas is the number of edge pods in the region. Default: from the profile.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=50
	Replicas *int32 `json:"replicas,omitempty"`
}
