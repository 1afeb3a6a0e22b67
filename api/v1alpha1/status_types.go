package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Condition types. Ready, Reconciling and Stalled follow kstatus.
const (
	// ConditionReady is True while every component is ready.
	ConditionReady = "Ready"
	// ConditionDatabaseAsDeclared is present where indexes, extensions or roles are declared, and True
	// while all of them are as declared. It is no part of Ready: the platform serves without them.
	ConditionDatabaseAsDeclared = "DatabaseAsDeclared"
	// ConditionReconciling is present and True only while the operator is working.
	ConditionReconciling = "Reconciling"
	// ConditionSchedulable is False where the plan asks for more than the nodes or a quota have.
	ConditionSchedulable = "Schedulable"
	// ConditionStalled is present and True only for what a retry cannot fix.
	ConditionStalled = "Stalled"
)

// Reasons of the conditions Ready, Reconciling and Stalled.
const (
	// ReasonNew: the operator has not looked at the cluster yet.
	ReasonNew = "New"
	// ReasonReady: every component is ready.
	ReasonReady = "Ready"
	// ReasonProgressing: at least one component is not ready yet.
	ReasonProgressing = "Progressing"
	// ReasonInvalidSpec: the spec contradicts itself or the Kubernetes cluster; the message says what to write instead.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonSecretNotFound: a Secret that the spec names, or that existing data needs, is missing.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretForbidden: the operator may not use Secrets in this namespace; enrol it with config/namespace.
	ReasonSecretForbidden = "SecretForbidden"
	// ReasonCertificateInvalid: a Secret holds a certificate that cannot be used; the message says why.
	ReasonCertificateInvalid = "CertificateInvalid"
	// ReasonStorageClassNotFound: a StorageClass that the spec names does not exist.
	ReasonStorageClassNotFound = "StorageClassNotFound"
	// ReasonRegionNotFound: no node carries the label of a region that the spec names.
	ReasonRegionNotFound = "RegionNotFound"
	// ReasonProfileNotFound: the PerformanceProfile that the spec names does not exist; nothing changes until it does.
	ReasonProfileNotFound = "ProfileNotFound"
	// ReasonNameConflict: an object that the platform needs exists and belongs to somebody else.
	ReasonNameConflict = "NameConflict"
	// ReasonApplyRejected: the API server refused an object; the message is its own.
	ReasonApplyRejected = "ApplyRejected"
	// ReasonImagePullFailed: an image cannot be pulled.
	ReasonImagePullFailed = "ImagePullFailed"
	// ReasonUnschedulable: a pod finds no node.
	ReasonUnschedulable = "Unschedulable"
	// ReasonContainerFailing: a container exits or is killed again and again.
	ReasonContainerFailing = "ContainerFailing"
	// ReasonMigrationFailed: the migration Job failed; the old pods keep serving.
	ReasonMigrationFailed = "MigrationFailed"
	// ReasonFits: nodes and quotas have room for the plan.
	ReasonFits = "Fits"
	// ReasonInsufficientCapacity: nodes or a quota have no room for the plan; the message says how much is missing.
	ReasonInsufficientCapacity = "InsufficientCapacity"
	// ReasonAsDeclared: what is declared inside the database is there.
	ReasonAsDeclared = "AsDeclared"
	// ReasonNotAsDeclared: something declared inside the database is missing or different; the message says what.
	ReasonNotAsDeclared = "NotAsDeclared"
	// ReasonWaiting: the component waits for another one.
	ReasonWaiting = "Waiting"
	// ReasonRollingOut: pods are being created or replaced.
	ReasonRollingOut = "RollingOut"
	// ReasonNoPrimary: the database has no primary at the moment.
	ReasonNoPrimary = "NoPrimary"
	// ReasonNoMaster: a Redis store has no master at the moment.
	ReasonNoMaster = "NoMaster"
	// ReasonNotReplicating: a member is not streaming from its primary.
	ReasonNotReplicating = "NotReplicating"
)

// ComponentState is the state of one component.
// +kubebuilder:validation:Enum=Ready;Progressing;Waiting;Degraded;Failed
type ComponentState string

// The states of a component, best first.
const (
	// StateReady: everything asked for is there.
	StateReady ComponentState = "Ready"
	// StateProgressing: pods are being created or replaced.
	StateProgressing ComponentState = "Progressing"
	// StateWaiting: nothing is done until another component is ready.
	StateWaiting ComponentState = "Waiting"
	// StateDegraded: it serves, with less than asked for.
	StateDegraded ComponentState = "Degraded"
	// StateFailed: a human must act.
	StateFailed ComponentState = "Failed"
)

// ComponentStatus is what is known of one component.
type ComponentStatus struct {
	// name of the component, for example api, postgres or edge-us-east.
	Name string `json:"name"`
	// state is Ready, Progressing, Waiting, Degraded or Failed.
	State ComponentState `json:"state"`
	// reason is a CamelCase word for programs.
	// +optional
	Reason string `json:"reason,omitempty"`
	// message says what is missing and names the object.
	// +optional
	Message string `json:"message,omitempty"`
	// ready is the number of ready pods.
	Ready int32 `json:"ready"`
	// desired is the number of pods asked for.
	Desired int32 `json:"desired"`
}

// DatabaseMemberRole is the role of a PostgreSQL member.
type DatabaseMemberRole string

// The roles of a PostgreSQL member.
const (
	RolePrimary     DatabaseMemberRole = "Primary"
	RoleSyncStandby DatabaseMemberRole = "SyncStandby"
	RoleReplica     DatabaseMemberRole = "Replica"
	RoleUnknown     DatabaseMemberRole = "Unknown"
)

// DatabaseMemberStatus is one PostgreSQL member.
type DatabaseMemberStatus struct {
	// name of the member, which is the name of its pod.
	Name string `json:"name"`
	// role is Primary, SyncStandby, Replica or Unknown.
	Role DatabaseMemberRole `json:"role"`
	// state as Patroni reports it, for example running or streaming.
	// +optional
	State string `json:"state,omitempty"`
	// timeline of the member; it grows by one with every promotion.
	// +optional
	Timeline int64 `json:"timeline,omitempty"`
	// pendingRestart says that a changed setting waits for a restart of the member.
	// +optional
	PendingRestart bool `json:"pendingRestart,omitempty"`
	// lagBytes is how far the member was behind the primary when last recorded, in bytes rounded
	// down to whole MiB. It is recorded on events, not continuously.
	// +optional
	LagBytes *int64 `json:"lagBytes,omitempty"`
}

// SwitchoverState is what became of a requested switchover.
type SwitchoverState string

// The states of a requested switchover.
const (
	SwitchoverPending SwitchoverState = "Pending"
	SwitchoverDone    SwitchoverState = "Done"
	SwitchoverExpired SwitchoverState = "Expired"
	SwitchoverRefused SwitchoverState = "Refused"
)

// SwitchoverStatus is what became of a requested switchover.
type SwitchoverStatus struct {
	// request is the value of the annotation fediflow.io/switchover.
	Request string `json:"request"`
	// state is Pending, Done, Expired or Refused.
	State SwitchoverState `json:"state"`
	// message says what it waits for, or how it ended.
	// +optional
	Message string `json:"message,omitempty"`
}

// FailoverCause is why the primary changed.
type FailoverCause string

// The causes of a change of the primary.
const (
	// FailoverPlanned: somebody asked for it, or a rolling change or a drained node needed it.
	FailoverPlanned FailoverCause = "Planned"
	// FailoverPodGone: the primary's pod was deleted.
	FailoverPodGone FailoverCause = "PodGone"
	// FailoverServerStopped: PostgreSQL or its container ended, and Patroni gave the lock away.
	FailoverServerStopped FailoverCause = "ServerStopped"
	// FailoverHeartbeatLost: the primary renewed its lock no more: its node or its network is gone.
	FailoverHeartbeatLost FailoverCause = "HeartbeatLost"
	// FailoverUnseen: it happened while the operator was away.
	FailoverUnseen FailoverCause = "Unseen"
)

// FailoverStatus is a change of the primary.
type FailoverStatus struct {
	// from is the primary before.
	From string `json:"from"`
	// to is the primary after.
	To string `json:"to"`
	// time is when the new primary took the leader lock.
	// +optional
	Time metav1.Time `json:"time,omitzero"`
	// cause is Planned, PodGone, ServerStopped, HeartbeatLost or Unseen.
	Cause FailoverCause `json:"cause"`
	// duration is the time without a primary, as far as was seen, for example 1.2s: from the last
	// renewal or the release of the leader lock until it was taken again.
	// +optional
	Duration string `json:"duration,omitempty"`
}

// DatabaseStatus is what is known of the database.
type DatabaseStatus struct {
	// primary is the member that holds the leader lock.
	// +optional
	Primary string `json:"primary,omitempty"`
	// primarySince is when the primary took the leader lock.
	// +optional
	PrimarySince metav1.Time `json:"primarySince,omitzero"`
	// timeline of the primary; it grows by one with every promotion.
	// +optional
	Timeline int64 `json:"timeline,omitempty"`
	// switchover is what became of the last request.
	// +optional
	Switchover *SwitchoverStatus `json:"switchover,omitempty"`
	// lastFailover is the last change of the primary that the operator saw, planned or not.
	// +optional
	LastFailover *FailoverStatus `json:"lastFailover,omitempty"`
	// members of the database, sorted by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	Members []DatabaseMemberStatus `json:"members,omitempty"`
	// indexes that are declared, and their state.
	// +optional
	// +listType=map
	// +listMapKey=name
	Indexes []DatabaseObjectStatus `json:"indexes,omitempty"`
	// extensions that are declared, and their state.
	// +optional
	// +listType=map
	// +listMapKey=name
	Extensions []DatabaseObjectStatus `json:"extensions,omitempty"`
	// roles that are or were declared, and their state.
	// +optional
	// +listType=map
	// +listMapKey=name
	Roles []DatabaseObjectStatus `json:"roles,omitempty"`
}

// RedisStoreStatus is one Redis store.
type RedisStoreStatus struct {
	// name of the store: queue or cache.
	Name string `json:"name"`
	// master is the pod that takes writes, as Sentinel last said.
	// +optional
	Master string `json:"master,omitempty"`
}

// PlanComponent holds the figures one component runs with.
type PlanComponent struct {
	// name of the component.
	Name string `json:"name"`
	// replicas is the number of pods, or the smallest number where an autoscaler decides.
	Replicas int32 `json:"replicas"`
	// maxReplicas is the largest number of pods where an autoscaler decides.
	// +optional
	MaxReplicas int32 `json:"maxReplicas,omitempty"`
	// cpu is the CPU request of each pod.
	CPU string `json:"cpu"`
	// memory is the memory request and limit of each pod.
	Memory string `json:"memory"`
	// storage of each pod.
	// +optional
	Storage string `json:"storage,omitempty"`
}

// ResourceTotals are sums over all pods.
type ResourceTotals struct {
	// cpu is the sum of CPU requests, in cores.
	CPU string `json:"cpu"`
	// memory is the sum of memory requests.
	Memory string `json:"memory"`
	// storage is the sum of all volumes.
	// +optional
	Storage string `json:"storage,omitempty"`
}

// BudgetLine is one row of the connection budget: what is needed and what there is.
type BudgetLine struct {
	// name of what is counted, for example postgres.connections.
	Name string `json:"name"`
	// used with every autoscaled role at its maximum.
	Used int64 `json:"used"`
	// available at most.
	Available int64 `json:"available"`
}

// PlanStatus holds the effective figures.
type PlanStatus struct {
	// profile is what the figures come from: a size, a number of users, or a PerformanceProfile.
	// +optional
	Profile string `json:"profile,omitempty"`
	// components and their figures, in the order in which they are applied.
	// +optional
	// +listType=map
	// +listMapKey=name
	Components []PlanComponent `json:"components,omitempty"`
	// budget lists what is shared and could run out, with every autoscaled role at its maximum.
	// +optional
	// +listType=map
	// +listMapKey=name
	Budget []BudgetLine `json:"budget,omitempty"`
	// minimum is what is requested with every autoscaled role at its minimum.
	// +optional
	Minimum *ResourceTotals `json:"minimum,omitempty"`
	// maximum is what is requested with every autoscaled role at its maximum.
	// +optional
	Maximum *ResourceTotals `json:"maximum,omitempty"`
	// overrides lists the spec fields that replace a figure of the profile, sorted.
	// +optional
	// +listType=atomic
	Overrides []string `json:"overrides,omitempty"`
	// clamped says which figures were cut down, and why.
	// +optional
	// +listType=atomic
	Clamped []string `json:"clamped,omitempty"`
}

// FediFlowClusterStatus is what the operator last saw.
type FediFlowClusterStatus struct {
	// observedGeneration is the generation of the spec that this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions: Ready; Reconciling and Stalled only while they are True.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// components and their state.
	// +optional
	// +listType=map
	// +listMapKey=name
	Components []ComponentStatus `json:"components,omitempty"`
	// api is "ready/desired" of the api component.
	// +optional
	API string `json:"api,omitempty"`
	// edge is "ready/desired" of all edge pods.
	// +optional
	Edge string `json:"edge,omitempty"`
	// database members and roles.
	// +optional
	Database *DatabaseStatus `json:"database,omitempty"`
	// certificateExpires is when the first certificate of the database path expires. Those that the
	// operator keeps are renewed months before.
	// +optional
	CertificateExpires *metav1.Time `json:"certificateExpires,omitempty"`
	// redis stores and their masters.
	// +optional
	// +listType=map
	// +listMapKey=name
	Redis []RedisStoreStatus `json:"redis,omitempty"`
	// plan holds the effective figures.
	// +optional
	Plan *PlanStatus `json:"plan,omitempty"`
}
