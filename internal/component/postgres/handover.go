package postgres

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// requestExpiry is how long a requested switchover is tried: nobody expects one hours later.
const requestExpiry = 10 * time.Minute

// Handover is a planned change of the primary. It is nothing to do where From is empty.
type Handover struct {
	From, To string
	// Reason is for logs.
	Reason string
	// Due is when it will be time; zero where it is.
	Due time.Time
}

// PrimarySince is when the primary took the leader lock; zero where there is none.
func PrimarySince(p plan.Plan, w component.World) time.Time {
	text := w.Annotations("Endpoints", p.Name.Component(plan.Postgres))["acquireTime"]
	since, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return since
}

// Requested judges a request for a switchover: TIME or TIME/MEMBER, TIME as in RFC 3339. A request
// is done when a primary took the lock after it; so nothing needs to be remembered. It returns nil
// where there is no request. One that is pending is to be judged again when it is due.
func Requested(request string, now time.Time, p plan.Plan, w component.World) (*v1alpha1.SwitchoverStatus, Handover) {
	if request == "" || p.Database.Managed == nil {
		return nil, Handover{}
	}
	judged := func(state v1alpha1.SwitchoverState, format string, arguments ...any) *v1alpha1.SwitchoverStatus {
		return &v1alpha1.SwitchoverStatus{Request: request, State: state, Message: fmt.Sprintf(format, arguments...)}
	}
	text, member, named := strings.Cut(request, "/")
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || named && member == "" {
		return judged(v1alpha1.SwitchoverRefused,
			"write a time, and a member if it matters which: %s=2026-01-31T12:00:00Z/%s", plan.AnnotationSwitchover,
			plan.Member(p.Name.Component(plan.Postgres), 1)), Handover{}
	}
	leader, since := Leader(p, w), PrimarySince(p, w)
	switch {
	case since.After(at):
		return judged(v1alpha1.SwitchoverDone, "%s is primary since %s", leader, since.UTC().Format(time.RFC3339)),
			Handover{}
	case named && member == leader:
		return judged(v1alpha1.SwitchoverDone, "%s was primary already", leader), Handover{}
	case now.Before(at):
		return judged(v1alpha1.SwitchoverPending, "it is not yet time"), Handover{Due: at}
	}
	obstacle, successor := nextPrimary(member, p, w, Successors(p, w))
	switch {
	case now.Sub(at) > requestExpiry:
		return judged(v1alpha1.SwitchoverExpired, "not possible within %s: %s", requestExpiry, cmp.Or(obstacle, "Patroni refused")),
			Handover{}
	case obstacle != "":
		return judged(v1alpha1.SwitchoverPending, "waiting: %s", obstacle), Handover{}
	}
	return judged(v1alpha1.SwitchoverPending, "from %s to %s", leader, successor),
		Handover{From: leader, To: successor, Reason: "requested"}
}

// nextPrimary is the first successor or the one that was named, or why there is none.
func nextPrimary(named string, p plan.Plan, w component.World, successors []string) (obstacle, successor string) {
	switch {
	case !PrimaryReady(p, w):
		return "there is no ready primary", ""
	case migrating(w):
		return "a migration runs straight on the primary", ""
	case len(successors) == 0:
		return "no standby is ready, streaming and has every acknowledged write", ""
	case named == "":
		return "", successors[0]
	case !slices.Contains(successors, named):
		return fmt.Sprintf("%s is not ready, streaming and in possession of every acknowledged write; %s is",
			named, strings.Join(successors, " or ")), ""
	}
	return "", named
}

// migrating says whether a migration Job is at work.
func migrating(w component.World) bool {
	for key, object := range w.Objects {
		job, ok := object.(*batchv1.Job)
		if ok && key.Kind == "Job" && job.Labels[plan.LabelComponent] == string(plan.Migration) && job.Status.Active > 0 {
			return true
		}
	}
	return false
}

// Drained is the handover from a primary whose node is cordoned, before its pod is evicted, to a
// successor on a node that is not.
func Drained(p plan.Plan, w component.World) Handover {
	leader := Leader(p, w)
	if p.Database.Managed == nil || !slices.Contains(w.Cordoned, nodeOf(p, w, leader)) {
		return Handover{}
	}
	successors := slices.DeleteFunc(Successors(p, w), func(name string) bool {
		return slices.Contains(w.Cordoned, nodeOf(p, w, name))
	})
	obstacle, successor := nextPrimary("", p, w, successors)
	if obstacle != "" {
		return Handover{}
	}
	return Handover{From: leader, To: successor, Reason: "its node is cordoned"}
}

func nodeOf(p plan.Plan, w component.World, member string) string {
	pods := Pods(p, w)
	index := slices.IndexFunc(pods, func(pod *corev1.Pod) bool { return pod.Name == member })
	if index < 0 {
		return ""
	}
	return pods[index].Spec.NodeName
}
