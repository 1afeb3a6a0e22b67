package plan

import "strconv"

// ComponentName is the name of a component, as in status and in the label
// app.kubernetes.io/component.
type ComponentName string

// The components, in the order in which they are applied.
const (
	Postgres  ComponentName = "postgres"
	Redis     ComponentName = "redis"
	Pooler    ComponentName = "pooler"
	Migration ComponentName = "migration"
	API       ComponentName = "api"
	Edge      ComponentName = "edge"
)

// ClusterName is the name of a FediFlowCluster. Its methods spell the name of every object.
type ClusterName string

// Component is the name of a component's main object.
func (c ClusterName) Component(component ComponentName) string {
	return string(c) + "-" + string(component)
}

// PostgresConfig is the Endpoints object that holds Patroni's dynamic configuration and the
// Service that keeps it alive.
func (c ClusterName) PostgresConfig() string { return c.Component(Postgres) + "-config" }

// PostgresSync is the Endpoints object that holds the synchronous set.
func (c ClusterName) PostgresSync() string { return c.Component(Postgres) + "-sync" }

// PostgresFailover is the Endpoints object that holds a switchover request.
func (c ClusterName) PostgresFailover() string { return c.Component(Postgres) + "-failover" }

// PostgresMembers is the headless Service that names the members.
func (c ClusterName) PostgresMembers() string { return c.Component(Postgres) + "-members" }

// PostgresReadOnly is the Service of the replicas.
func (c ClusterName) PostgresReadOnly() string { return c.Component(Postgres) + "-ro" }

// PostgresPatroni is the ConfigMap with Patroni's configuration file.
func (c ClusterName) PostgresPatroni() string { return c.Component(Postgres) + "-patroni" }

// PostgresCredentials is the Secret with the database passwords.
func (c ClusterName) PostgresCredentials() string { return c.Component(Postgres) + "-credentials" }

// Authority is the Secret with the key that signs certificates.
func (c ClusterName) Authority() string { return string(c) + "-ca" }

// Certificate is the Secret with the certificate of a component.
func (c ClusterName) Certificate(component ComponentName) string {
	return c.Component(component) + "-tls"
}

// PostgresOperator is the Secret with the password of the operator's own SQL role.
func (c ClusterName) PostgresOperator() string { return c.Component(Postgres) + "-operator" }

// Pooler is the name of the pooler of a direction.
func (c ClusterName) Pooler(access Access) string { return c.Component(Pooler) + "-" + string(access) }

// PostgresPrimary is the PodDisruptionBudget of the primary's pod.
func (c ClusterName) PostgresPrimary() string { return c.Component(Postgres) + "-primary" }

// PoolerAdmin is the Secret of the account that may pause the poolers.
func (c ClusterName) PoolerAdmin() string { return c.Component(Pooler) + "-admin" }

// PoolerMembers is the headless Service that has the addresses of all pods of a pooler.
func (c ClusterName) PoolerMembers(access Access) string { return c.Pooler(access) + "-members" }

// RedisStore is the StatefulSet and headless Service of a store.
func (c ClusterName) RedisStore(store StoreName) string {
	return c.Component(Redis) + "-" + string(store)
}

// RedisSentinel is the StatefulSet and headless Service of the Sentinels.
func (c ClusterName) RedisSentinel() string { return c.Component(Redis) + "-sentinel" }

// RedisCredentials is the Secret with the password of stores and Sentinels.
func (c ClusterName) RedisCredentials() string { return c.Component(Redis) + "-credentials" }

// EdgeRegion is the StatefulSet and Service of a region.
func (c ClusterName) EdgeRegion(region string) string { return c.Component(Edge) + "-" + region }

// EdgeRegionMembers is the headless Service that names the pods of a region. Whatever regions are
// called, it is no region's own name.
func (c ClusterName) EdgeRegionMembers(region string) string {
	return c.Component(Edge) + "s-" + region
}

// AppSecrets is the Secret with the application's own secrets.
func (c ClusterName) AppSecrets() string { return string(c) + "-app-secrets" }

// MigrationJob is the Job that migrates for a rollout; hash identifies its content.
func (c ClusterName) MigrationJob(hash string) string { return c.Component(Migration) + "-" + hash }

// Member is the pod of a StatefulSet with the given ordinal.
func Member(statefulSet string, ordinal int32) string {
	return statefulSet + "-" + strconv.Itoa(int(ordinal))
}

// Access is the direction of a pooler.
type Access string

// The directions of a pooler.
const (
	ReadWrite Access = "rw"
	ReadOnly  Access = "ro"
)

// StoreName is the name of a Redis store, also its name in Sentinel.
type StoreName string

// The Redis stores.
const (
	Queue StoreName = "queue"
	Cache StoreName = "cache"
)

// Labels and annotations of child objects.
const (
	LabelCluster   = "fediflow.io/cluster"
	LabelName      = "app.kubernetes.io/name"
	LabelComponent = "app.kubernetes.io/component"
	LabelPartOf    = "app.kubernetes.io/part-of"
	LabelManagedBy = "app.kubernetes.io/managed-by"
	LabelRegion    = "topology.kubernetes.io/region"
	LabelZone      = "topology.kubernetes.io/zone"
	// LabelRole is set by Patroni on database pods.
	LabelRole = "fediflow.io/role"
	// LabelRetired is on the volumes of members that were removed: others have newer data.
	LabelRetired = "fediflow.io/retired"
	// LabelStore tells the pods of one Redis store from the others.
	LabelStore = "fediflow.io/store"
	// LabelAccess tells the pods of one pooler from the other.
	LabelAccess = "fediflow.io/access"
	// LabelEdgeRegion tells the edge pods of one region from the others.
	LabelEdgeRegion = "fediflow.io/edge-region"
	// LabelMetrics on a namespace lets its pods scrape metrics.
	LabelMetrics   = "fediflow.io/metrics"
	MetricsEnabled = "enabled"
	// AnnotationApplied holds a digest of what was last applied, so that a field that is no longer
	// rendered is noticed.
	AnnotationApplied = "fediflow.io/applied"
	// AnnotationTemplateHash changes with everything of a pod template but CPU and memory.
	AnnotationTemplateHash = "fediflow.io/template-hash"
	// AnnotationResize on a StatefulSet says how its pods follow a change of CPU and memory.
	AnnotationResize    = "fediflow.io/resize"
	ResizeInPlace       = "in-place"
	ResizeByReplacement = "replace"
	// AnnotationTuning holds the settings that a running Redis store was last told.
	AnnotationTuning = "fediflow.io/tuning"
	// AnnotationSwitchover on a FediFlowCluster asks for another primary: TIME or TIME/MEMBER.
	AnnotationSwitchover = "fediflow.io/switchover"
	// AnnotationConfigHash rolls pods when a file they read only at start changes.
	AnnotationConfigHash = "fediflow.io/config-hash"

	ManagedBy = "fediflow-operator"
	PartOf    = "fediflow"
)

// Labels are on every object of a component.
func (c ClusterName) Labels(component ComponentName) map[string]string {
	labels := c.Selector(component)
	labels[LabelName] = PartOf
	labels[LabelPartOf] = PartOf
	labels[LabelManagedBy] = ManagedBy
	return labels
}

// Selector is the part of the labels that identifies a component.
func (c ClusterName) Selector(component ComponentName) map[string]string {
	return map[string]string{LabelCluster: string(c), LabelComponent: string(component)}
}
