// Package plan turns a spec, its profile and facts about the Kubernetes cluster into a Plan: every
// number the platform runs with. It is pure; it reads nothing and cannot fail half way.
package plan

import (
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// Plan is what one cluster runs with. Everything in it is legal and complete.
type Plan struct {
	Namespace string
	Name      ClusterName
	Domain    string
	// PullSecrets are names of Secrets.
	PullSecrets []string
	// Image is the application image.
	Image     string
	API       APIPlan
	Migration MigrationPlan
	Database  DatabasePlan
	Pooler    PoolerPlan
	Redis     RedisPlan
	Edge      EdgePlan
	TLS       TLSPlan
	// Certificates are what pods show and trust now; empty where nobody has looked.
	Certificates Certificates
	// Resize is how pods that hold state or a warm cache follow a change of CPU and memory.
	Resize string
	// Zonal plans put members in different zones, others on different nodes.
	Zonal bool
	// Profile is where the figures come from, for people; Base are those figures.
	Profile string
	Base    v1alpha1.PerformanceProfileSpec
	// Figures are all numbers with their reasons, in the order in which they were derived.
	Figures []Figure
	Budget  []BudgetLine
	// Clamped says which figures were cut down, and why.
	Clamped []string
	// Overrides lists the spec fields that replaced a figure of the profile, sorted.
	Overrides []string
}

// Facts are what resolve needs to know of the world.
type Facts struct {
	Images Images
	// Regions are the values of the node label topology.kubernetes.io/region, sorted.
	Regions []string
	// StorageClasses are the names of all StorageClasses, sorted.
	StorageClasses []string
	// ReplaceToResize is set where Kubernetes cannot resize pods in place (before 1.35).
	ReplaceToResize bool
	// Zones are the values of the node label topology.kubernetes.io/zone, sorted.
	Zones []string
	// Nodes are what pods can be put on; empty where it is not known.
	Nodes []Node
	// Quotas and limits of the cluster's namespace.
	Quotas []Quota
	Limits []Limit
	// Profile are the figures of the PerformanceProfile that the spec refers to, nil where there is none.
	Profile *v1alpha1.PerformanceProfileSpec
	// Members counts the members of each StatefulSet of this cluster that have a volume in use, and
	// Retired those beyond them whose volumes are kept.
	Members, Retired map[string]int32
	// Capacities are the sizes of their smallest volumes in use, as far as they are known.
	Capacities map[string]resource.Quantity
}

// Problem is something wrong with a spec that no retry can fix.
type Problem struct {
	// Reason is one of the exported condition reasons of v1alpha1.
	Reason string
	// Message says what to write instead.
	Message string
}

// Resources of each pod. Memory is request and limit, in bytes; CPU is a request, in cores.
type Resources struct {
	CPU    resource.Quantity
	Memory resource.Quantity
}

// Storage of each member.
type Storage struct {
	Size resource.Quantity
	// ClassName is empty for the default StorageClass.
	ClassName string
}

// Autoscaling bounds the HorizontalPodAutoscaler; utilisations are percentages of the request.
type Autoscaling struct {
	MinReplicas, MaxReplicas int32
	CPUUtilization           int32
	MemoryUtilization        int32
}

// APIPlan is the plan of the HTTP and ActivityPub servers.
type APIPlan struct {
	Autoscaling Autoscaling
	Resources   Resources
	// HeapMiB bounds the JavaScript heap.
	HeapMiB int64
	// Threads of Node's own pool, for file system and cryptography.
	Threads int64
	Pool    ClientPool
}

// ClientPool is the connection pool inside one application process.
type ClientPool struct {
	Min, Max               int32
	IdleMilliseconds       int32
	ConnectionMilliseconds int32
	// StatementMilliseconds bounds one statement.
	StatementMilliseconds int32
}

// MigrationPlan is the plan of the schema migrations.
type MigrationPlan struct {
	Command []string
}

// DatabasePlan is either managed or external.
type DatabasePlan struct {
	Managed  *PostgresPlan
	External *ExternalPlan
	// Indexes of the application's tables.
	Indexes []IndexPlan
}

// ExternalPlan is a PostgreSQL that runs elsewhere.
type ExternalPlan struct {
	Host              string
	Port              int32
	Database          string
	CredentialsSecret string
}

// PostgresPlan is the plan of the managed database.
type PostgresPlan struct {
	Image string
	// Instances are the members there are now. Target is how many there will be: members are removed
	// one by one, and retired ones come back when there is a primary to follow.
	Instances, Target int32
	// Kept are the instances beyond those asked for that stay.
	Kept       int32
	Durability v1alpha1.Durability
	// MaximumLagBytes bounds what an asynchronous failover may lose.
	MaximumLagBytes int64
	Heartbeat       HeartbeatPlan
	Storage         Storage
	// Volume is the room that settings may count on: a volume that exists may be smaller than Storage.
	Volume    resource.Quantity
	Resources Resources
	// Exporter are the resources of the exporter beside each member.
	Exporter Resources
	// MaxConnections is the connection budget of each member.
	MaxConnections int32
	// Parameters are PostgreSQL settings by name, in PostgreSQL's own notation.
	Parameters map[string]string
	// Extensions and Roles are those declared, extensions sorted.
	Extensions []string
	Roles      []RolePlan
}

// HeartbeatPlan is how the primary's lock is kept, in seconds. Patroni demands Interval + 2×Retry ≤
// Expiry, and an Expiry of at least 20.
type HeartbeatPlan struct {
	// Interval between two renewals, Expiry of a lock that is not renewed, Retry of a request to the
	// Kubernetes API.
	Interval, Expiry, Retry int64
}

// PoolerPlan is the plan of the PgBouncer poolers. Every figure is per pod.
type PoolerPlan struct {
	Image     string
	Replicas  int32
	Resources Resources
	// PoolSize and ReserveSize are server connections; MaxClients are client connections.
	PoolSize, ReserveSize, MaxClients int32
	// Accesses are the poolers there are: one for writes and, where there are replicas, one for reads.
	Accesses []Access
	// ReadAccess is the pooler that reads go through.
	ReadAccess Access
}

// RedisPlan is the plan of the Redis stores.
type RedisPlan struct {
	Image     string
	Stores    []StorePlan
	Sentinels SentinelPlan
}

// StorePlan is the plan of one store.
type StorePlan struct {
	Name     StoreName
	Replicas int32
	// Kept are the replicas beyond those asked for.
	Kept      int32
	Resources Resources
	// MaxMemoryBytes bounds the data set.
	MaxMemoryBytes int64
	MaxClients     int32
	// Storage is nil for a store without a disk.
	Storage *Storage
}

// SentinelPlan is the plan of the Sentinels that watch all stores.
type SentinelPlan struct {
	Replicas  int32
	Quorum    int32
	Resources Resources
	Storage   Storage
}

// EdgePlan is the plan of the HTTP caches.
type EdgePlan struct {
	Image       string
	ServiceType v1alpha1.EdgeServiceType
	Resources   Resources
	Storage     Storage
	// Workers are nginx's processes.
	Workers int64
	// WorkerConnections and OpenFiles are for each worker.
	WorkerConnections, OpenFiles int32
	// CacheBytes bounds the cache on disk; KeysZoneMiB is its index in memory.
	CacheBytes  int64
	KeysZoneMiB int64
	Regions     []EdgeRegionPlan
}

// EdgeRegionPlan is the plan of one region.
type EdgeRegionPlan struct {
	Name     string
	Replicas int32
	// Pinned regions run only on nodes with their region label.
	Pinned bool
}
