package postgres

import (
	"encoding/json"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Remedy is what is done for one member that does not follow the primary by itself.
type Remedy struct {
	Pod    *corev1.Pod
	Action RemedyAction
}

// RemedyAction is one of the remedies.
type RemedyAction int

// The remedies, mildest first.
const (
	RemedyNone RemedyAction = iota
	// RemedyRestart replaces the pod; the data stay as they are.
	RemedyRestart
	// RemedyReinitialize replaces the data by a copy of the primary's.
	RemedyReinitialize
)

const (
	// restartAfter is longer than a member needs to follow another leader.
	restartAfter = 10 * time.Second
	// reinitializeAfter is longer than anything that needs no new data.
	reinitializeAfter = 2 * time.Minute
)

// Lost is a member that does not follow, in one state: whoever gets into another one has time anew,
// such as a member that has just copied the primary for hours and is about to stream.
type Lost struct {
	Pod   types.UID
	State string
}

// NotFollowing are the members that do not stream from a ready primary, with the time since when: the
// one that was known, or now. Without a ready primary nobody can follow.
func NotFollowing(known map[Lost]time.Time, now time.Time, p plan.Plan, w component.World) map[Lost]time.Time {
	found := map[Lost]time.Time{}
	if p.Database.Managed == nil || !PrimaryReady(p, w) {
		return found
	}
	for _, pod := range Pods(p, w) {
		// One that calls itself primary is cut off: it steps down by itself when it can see the lock.
		if pod.Name == Leader(p, w) || pod.DeletionTimestamp != nil || stateOf(pod) == "streaming" || claimsToLead(pod) {
			continue
		}
		lost := Lost{pod.UID, stateOf(pod)}
		found[lost] = now
		if since, ok := known[lost]; ok {
			found[lost] = since
		}
	}
	return found
}

// Heal chooses the next remedy, for one member at a time.
//
// A member that was starting when the leader changed keeps dialling the old one, for a minute or more:
// it is restarted, once, because one that started after the change knows the new one. Whoever does
// not follow long after that, although its server runs, cannot: it gets new data. That is safe
// because there is a ready primary and it is another member; one that copies or replays is left
// alone.
func Heal(notFollowing map[Lost]time.Time, now time.Time, p plan.Plan, w component.World) Remedy {
	if remedy := killed(p, w); remedy.Action != RemedyNone {
		return remedy
	}
	since := PrimarySince(p, w)
	for _, pod := range Pods(p, w) {
		state, started := stateOf(pod), startedAt(pod)
		from, lost := notFollowing[Lost{pod.UID, state}]
		if !lost || started.IsZero() || since.IsZero() {
			continue
		}
		switch {
		case started.Before(since) && now.Sub(from) >= restartAfter && state != "creating replica":
			return Remedy{pod, RemedyRestart}
		case !started.Before(since) && now.Sub(from) >= reinitializeAfter && (state == "running" || state == "start failed"):
			return Remedy{pod, RemedyReinitialize}
		}
	}
	return Remedy{}
}

// killed is a member whose container was killed and now waits longer and longer to be started again:
// a new pod starts at once. A container that ended by itself has a reason to wait.
func killed(p plan.Plan, w component.World) Remedy {
	const sigkill = 128 + 9
	for _, pod := range Pods(p, w) {
		for _, status := range pod.Status.ContainerStatuses {
			waits := status.State.Waiting != nil && status.State.Waiting.Reason == "CrashLoopBackOff"
			last := status.LastTerminationState.Terminated
			if waits && pod.DeletionTimestamp == nil && last != nil && last.ExitCode == sigkill && last.Reason != "OOMKilled" {
				return Remedy{pod, RemedyRestart}
			}
		}
	}
	return Remedy{}
}

// stateOf is what Patroni says of its replication, or else of its server.
func stateOf(pod *corev1.Pod) string {
	return member(pod, "", nil, 0).State
}

func claimsToLead(pod *corev1.Pod) bool {
	var status memberStatus
	return json.Unmarshal([]byte(pod.Annotations[memberAnnotation]), &status) == nil && status.Role == rolePrimary
}

// startedAt is when the database's container was started; zero where it does not run.
func startedAt(pod *corev1.Pod) time.Time {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == databaseContainer && status.State.Running != nil {
			return status.State.Running.StartedAt.Time
		}
	}
	return time.Time{}
}
