package postgres

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Departure is the next step to fewer members.
type Departure struct {
	// Member goes next: the one of the highest ordinal, as StatefulSets do. It is empty where all stay.
	Member string
	// Obstacle is what it waits for; empty where it may go.
	Obstacle string
	// Handover comes first where the member is the primary.
	Handover Handover
}

// NextDeparture decides which member goes next, and whether it may.
func NextDeparture(p plan.Plan, w component.World) Departure {
	m := p.Database.Managed
	if m == nil || m.Target >= m.Instances {
		return Departure{}
	}
	departure := Departure{Member: plan.Member(p.Name.Component(plan.Postgres), m.Instances-1)}
	for _, obstacle := range obstacles {
		if departure.Obstacle = obstacle(p, w, departure.Member); departure.Obstacle != "" {
			return departure
		}
	}
	if Leader(p, w) == departure.Member {
		var successor string
		departure.Obstacle, successor = nextPrimary("", p, w, staying(p, w, departure.Member))
		if departure.Obstacle == "" {
			departure.Handover = Handover{From: departure.Member, To: successor, Reason: "it is to be removed"}
		}
	}
	return departure
}

// staying are the successors of a leaving primary. One on a cordoned node would hand over in its turn.
func staying(p plan.Plan, w component.World, leaving string) []string {
	return slices.DeleteFunc(Successors(p, w), func(name string) bool {
		return name == leaving || slices.Contains(w.Cordoned, nodeOf(p, w, name))
	})
}

// obstacles are what a member may have to wait for before it goes, each empty where there is none.
var obstacles = []func(p plan.Plan, w component.World, leaving string) string{
	// The member before it is gone, and Kubernetes knows.
	unsettled,
	// No other disruption is under way.
	replacing,
	noPrimary,
	// The others are as good as they were.
	notFollowing,
	// What durability asks for must be in force before, and possible after.
	unconfigured,
	lastStandby,
	// Nobody loses the only replica to read from.
	stillRead,
}

func unsettled(p plan.Plan, w component.World, _ string) string {
	set, pods := w.StatefulSet(p.Name.Component(plan.Postgres)), Pods(p, w)
	instances := p.Database.Managed.Instances
	if set == nil || set.Status.ObservedGeneration < set.Generation || set.Spec.Replicas == nil || *set.Spec.Replicas != instances {
		return "its StatefulSet is being changed"
	}
	for _, pod := range pods {
		if pod.DeletionTimestamp != nil || !slices.Contains(memberNames(set), pod.Name) {
			return pod.Name + " is still going away"
		}
	}
	if component.Count(pods) < instances {
		return "not all members are there"
	}
	return ""
}

func memberNames(set *appsv1.StatefulSet) []string {
	names := make([]string, 0, *set.Spec.Replicas)
	for ordinal := range *set.Spec.Replicas {
		names = append(names, plan.Member(set.Name, ordinal))
	}
	return names
}

func replacing(p plan.Plan, w component.World, _ string) string {
	set, pods := w.StatefulSet(p.Name.Component(plan.Postgres)), Pods(p, w)
	if w.Growing[set.Name] {
		return "volumes are growing"
	}
	if len(component.Stale(set, pods)) > 0 || len(component.Resizable(set, pods)) > 0 {
		return "members are being replaced or resized"
	}
	return ""
}

func noPrimary(p plan.Plan, w component.World, _ string) string {
	if !PrimaryReady(p, w) {
		return "there is no ready primary"
	}
	return ""
}

func notFollowing(p plan.Plan, w component.World, leaving string) string {
	leader, states := Leader(p, w), map[string]string{}
	for _, m := range Status(p, w).Members {
		states[m.Name] = m.State
	}
	for _, pod := range Pods(p, w) {
		switch {
		case pod.Name == leaving:
		case !component.IsReady(pod):
			return pod.Name + " is not ready"
		case pod.Name != leader && states[pod.Name] != stateStreaming:
			return fmt.Sprintf("%s is not streaming from %s", pod.Name, leader)
		}
	}
	return ""
}

func unconfigured(p plan.Plan, w component.World, _ string) string {
	if !SameConfiguration(CurrentConfiguration(p, w), DynamicConfiguration(p)) {
		return "Patroni has yet to take up its configuration"
	}
	return ""
}

func lastStandby(p plan.Plan, w component.World, _ string) string {
	switch {
	case !p.Database.Managed.Durability.Synchronous():
		return ""
	case len(SyncStandbys(p, w)) == 0:
		return "there is no synchronous standby"
	case p.Database.Managed.Instances <= 2:
		return "it is the last standby, and durability is Synchronous"
	}
	return ""
}

func stillRead(p plan.Plan, w component.World, _ string) string {
	if p.Database.Managed.Instances != 2 {
		return ""
	}
	for _, pod := range w.Pods {
		if pod.Labels[plan.LabelComponent] != string(plan.Postgres) && names(pod, p.Name.Pooler(plan.ReadOnly)) {
			return pod.Name + " still reads from it"
		}
	}
	return ""
}

// names says whether the environment of a pod names something.
func names(pod *corev1.Pod, name string) bool {
	for _, container := range pod.Spec.Containers {
		if slices.ContainsFunc(container.Env, func(e corev1.EnvVar) bool { return strings.Contains(e.Value, name) }) {
			return true
		}
	}
	return false
}

// Returning are the volumes of retired members to take into use again. Without a primary to follow,
// one of them might lead with old data.
func Returning(p plan.Plan, w component.World) []*corev1.PersistentVolumeClaim {
	m := p.Database.Managed
	if m == nil || !PrimaryReady(p, w) {
		return nil
	}
	var volumes []*corev1.PersistentVolumeClaim
	for ordinal := m.Instances; ordinal < m.Target; ordinal++ {
		volume := w.Volume(component.DataVolume, plan.Member(p.Name.Component(plan.Postgres), ordinal))
		if volume != nil && component.IsRetired(volume) {
			volumes = append(volumes, volume)
		}
	}
	return volumes
}

// memberChange says what happens to the number of members, if anything.
func memberChange(p plan.Plan, w component.World) string {
	m := p.Database.Managed
	departure := NextDeparture(p, w)
	switch {
	case m.Target > m.Instances:
		return fmt.Sprintf("%d members are asked for and %d run: retired ones come back when there is a primary", m.Target, m.Instances)
	case departure.Member == "":
		return ""
	}
	change := fmt.Sprintf("%d members are asked for and %d run: %s goes next", m.Target, m.Instances, departure.Member)
	switch {
	case departure.Obstacle != "":
		return change + " and waits: " + departure.Obstacle
	case departure.Handover.From != "":
		return change + ", after " + departure.Handover.To + " took over"
	}
	return change
}
