package postgres

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

const mebibyte = 1 << 20

// stateStreaming is a member's state while it follows the primary.
const stateStreaming = "streaming"

// memberStatus is the annotation that Patroni keeps on its pod.
type memberStatus struct {
	State            string `json:"state"`
	Role             string `json:"role"`
	ReplicationState string `json:"replication_state"`
	Timeline         int64  `json:"timeline"`
	Location         int64  `json:"xlog_location"`
	PendingRestart   bool   `json:"pending_restart"`
}

// memberAnnotation is where Patroni keeps a member's status.
const memberAnnotation = "status"

// WithoutPosition is a member's status annotation without its WAL position, which moves all the
// time. It is for telling whether anything happened.
func WithoutPosition(annotations map[string]string) string {
	var status memberStatus
	if json.Unmarshal([]byte(annotations[memberAnnotation]), &status) != nil {
		return annotations[memberAnnotation]
	}
	status.Location = 0
	return fmt.Sprint(status)
}

// Leader is the member that holds the leader lock, or empty.
func Leader(p plan.Plan, w component.World) string {
	return w.Annotations("Endpoints", p.Name.Component(plan.Postgres))["leader"]
}

// SyncStandbys are the members that have every acknowledged write, sorted.
func SyncStandbys(p plan.Plan, w component.World) []string {
	names := w.Annotations("Endpoints", p.Name.PostgresSync())["sync_standby"]
	if names == "" {
		return nil
	}
	standbys := strings.Split(names, ",")
	slices.Sort(standbys)
	return standbys
}

// CurrentConfiguration is Patroni's shared configuration as it is, or empty before bootstrap.
func CurrentConfiguration(p plan.Plan, w component.World) string {
	return w.Annotations("Endpoints", p.Name.PostgresConfig())["config"]
}

// Pods are the database pods.
func Pods(p plan.Plan, w component.World) []*corev1.Pod {
	return w.PodsWith(p.Name.Selector(plan.Postgres))
}

// Status is the database's part of the cluster's status, or nil where it is external.
func Status(p plan.Plan, w component.World) *v1alpha1.DatabaseStatus {
	if p.Database.Managed == nil {
		return nil
	}
	leader, standbys := Leader(p, w), SyncStandbys(p, w)
	optime, err := strconv.ParseInt(w.Annotations("Endpoints", p.Name.Component(plan.Postgres))["optime"], 10, 64)
	if err != nil {
		optime = 0
	}
	status := &v1alpha1.DatabaseStatus{Primary: leader, PrimarySince: metav1.NewTime(PrimarySince(p, w)).Rfc3339Copy()}
	for _, pod := range Pods(p, w) {
		m := member(pod, leader, standbys, optime)
		status.Members = append(status.Members, m)
		if m.Role == v1alpha1.RolePrimary {
			status.Timeline = m.Timeline
		}
	}
	return status
}

func member(pod *corev1.Pod, leader string, standbys []string, optime int64) v1alpha1.DatabaseMemberStatus {
	m := v1alpha1.DatabaseMemberStatus{Name: pod.Name, Role: v1alpha1.RoleUnknown}
	var status memberStatus
	if json.Unmarshal([]byte(pod.Annotations[memberAnnotation]), &status) != nil {
		return m
	}
	m.Timeline, m.PendingRestart = status.Timeline, status.PendingRestart
	m.State = status.State
	if status.ReplicationState != "" {
		m.State = status.ReplicationState
	}
	switch {
	case pod.Name == leader:
		m.Role = v1alpha1.RolePrimary
	case slices.Contains(standbys, pod.Name):
		m.Role = v1alpha1.RoleSyncStandby
	default:
		m.Role = v1alpha1.RoleReplica
	}
	if pod.Name != leader && optime > 0 && status.Location > 0 {
		lag := max(0, optime-status.Location) / mebibyte * mebibyte
		m.LagBytes = &lag
	}
	return m
}

func assess(p plan.Plan, w component.World) []component.Health {
	if p.Database.Managed == nil {
		return nil
	}
	name := string(plan.Postgres)
	set := w.StatefulSet(p.Name.Component(plan.Postgres))
	pods := Pods(p, w)
	health := component.StatefulSetHealth(name, set, p.Database.Managed.Instances, pods)
	leader := Leader(p, w)
	if !PrimaryReady(p, w) {
		if health.State == v1alpha1.StateReady || health.Reason == v1alpha1.ReasonRollingOut {
			health.State, health.Reason = v1alpha1.StateProgressing, v1alpha1.ReasonNoPrimary
			health.Message = "no member holds the leader lock and is ready; " + readyCount(health)
		}
		return []component.Health{health}
	}
	for _, m := range Status(p, w).Members {
		if m.Name != leader && m.State != stateStreaming {
			health = health.Degrade(v1alpha1.ReasonNotReplicating,
				fmt.Sprintf("%s is not streaming from %s (%s)", m.Name, leader, m.State))
		}
	}
	if len(SyncStandbys(p, w)) == 0 {
		switch p.Database.Managed.Durability {
		case v1alpha1.DurabilitySynchronous:
			health = health.Degrade(v1alpha1.ReasonNotReplicating, "no synchronous standby: writes are acknowledged by the primary alone")
		case v1alpha1.DurabilityStrict:
			health = health.Degrade(v1alpha1.ReasonNotReplicating, "no synchronous standby: writes wait for one, as Strict demands")
		case v1alpha1.DurabilityAsynchronous:
		}
	}
	health = health.Keeping(p.Database.Managed.Kept, "only spec.database.managed.instances removes members")
	return []component.Health{health.Changing(memberChange(p, w))}
}

func readyCount(h component.Health) string {
	return fmt.Sprintf("%d of %d members are ready", h.Ready, h.Desired)
}

// PrimaryReady says whether a ready pod holds the leader lock.
func PrimaryReady(p plan.Plan, w component.World) bool {
	leader := Leader(p, w)
	for _, pod := range Pods(p, w) {
		if pod.Name == leader {
			return component.IsReady(pod)
		}
	}
	return false
}

// Successors are the members that a planned switchover may choose: ready, streaming and, in
// synchronous mode, in the synchronous set.
func Successors(p plan.Plan, w component.World) []string {
	standbys := SyncStandbys(p, w)
	synchronous := p.Database.Managed.Durability.Synchronous()
	leader := Leader(p, w)
	streaming := map[string]bool{}
	for _, m := range Status(p, w).Members {
		streaming[m.Name] = m.State == stateStreaming
	}
	var successors []string
	for _, pod := range Pods(p, w) {
		if pod.Name == leader || !component.IsReady(pod) || !streaming[pod.Name] ||
			synchronous && !slices.Contains(standbys, pod.Name) {
			continue
		}
		successors = append(successors, pod.Name)
	}
	return successors
}

// SameConfiguration compares Patroni's shared configuration, as it keeps it, with what it should be.
func SameConfiguration(current string, want []byte) bool {
	var a, b any
	if json.Unmarshal([]byte(current), &a) != nil || json.Unmarshal(want, &b) != nil {
		return false
	}
	return equality.Semantic.DeepEqual(a, b)
}
