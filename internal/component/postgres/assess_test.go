package postgres

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

const (
	primaryStatus   = `{"state":"running","role":"primary","timeline":3,"xlog_location":50331648}`
	streamingStatus = `{"state":"running","role":"replica","replication_state":"streaming","timeline":3,"xlog_location":46137344}`
	startingStatus  = `{"state":"starting","role":"replica"}`
)

// member is a ready pod with the status that Patroni gave it.
func memberPod(name, status string) *corev1.Pod {
	pod := &corev1.Pod{}
	pod.Name = name
	pod.Labels = plan.ClusterName("fediflow").Labels(plan.Postgres)
	pod.Annotations = map[string]string{"status": status, plan.AnnotationTemplateHash: "current"}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return pod
}

func unready(pod *corev1.Pod) *corev1.Pod {
	pod.Status.Conditions[0].Status = corev1.ConditionFalse
	return pod
}

// running is a cluster led by member 0 with a synchronous set.
func running(standbys string, pods ...*corev1.Pod) component.World {
	leader, sync := &corev1.Endpoints{}, &corev1.Endpoints{} //nolint:staticcheck // where Patroni keeps its state
	leader.Annotations = map[string]string{"leader": "fediflow-postgres-0", "optime": "50331648"}
	sync.Annotations = map[string]string{"leader": "fediflow-postgres-0", "sync_standby": standbys}
	set := &appsv1.StatefulSet{}
	set.Spec.Template.Annotations = map[string]string{plan.AnnotationTemplateHash: "current"}
	return component.World{Pods: pods, Objects: map[component.Key]runtime.Object{
		{Kind: "Endpoints", Name: "fediflow-postgres"}:      leader,
		{Kind: "Endpoints", Name: "fediflow-postgres-sync"}: sync,
		{Kind: "StatefulSet", Name: "fediflow-postgres"}:    set,
	}}
}

func healthy() []*corev1.Pod {
	return []*corev1.Pod{
		memberPod("fediflow-postgres-0", primaryStatus),
		memberPod("fediflow-postgres-1", streamingStatus),
		memberPod("fediflow-postgres-2", streamingStatus),
	}
}

// Safety rules 5 and 6: who may follow a primary in a planned switchover.
func TestOnlyReadyStreamingMembersWithEveryWriteMaySucceed(t *testing.T) {
	for name, c := range map[string]struct {
		p        plan.Plan
		standbys string
		change   func(pods []*corev1.Pod)
		want     []string
	}{
		"all is well":                    {small(t), "fediflow-postgres-2", nil, []string{"fediflow-postgres-2"}},
		"two are in the set":             {small(t), "fediflow-postgres-2,fediflow-postgres-1", nil, []string{"fediflow-postgres-1", "fediflow-postgres-2"}},
		"asynchronous: any that streams": {asynchronous(t), "", nil, []string{"fediflow-postgres-1", "fediflow-postgres-2"}},
		"nobody is in the set":           {small(t), "", nil, nil},
		"the leader is in the set":       {small(t), "fediflow-postgres-0", nil, nil},
		"the standby is not ready": {small(t), "fediflow-postgres-2", func(pods []*corev1.Pod) {
			unready(pods[2])
		}, nil},
		"the standby does not stream": {small(t), "fediflow-postgres-2", func(pods []*corev1.Pod) {
			pods[2].Annotations["status"] = startingStatus
		}, nil},
		"the standby's status is unreadable": {asynchronous(t), "", func(pods []*corev1.Pod) {
			pods[2].Annotations["status"] = "{"
		}, []string{"fediflow-postgres-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			pods := healthy()
			if c.change != nil {
				c.change(pods)
			}
			if have := Successors(c.p, running(c.standbys, pods...)); !slices.Equal(have, c.want) {
				t.Errorf("successors are %v, not %v", have, c.want)
			}
		})
	}
}

func TestHealthSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		world   component.World
		state   v1alpha1.ComponentState
		reason  string
		message string
	}{
		"all is well":      {running("fediflow-postgres-1", healthy()...), v1alpha1.StateReady, v1alpha1.ReasonReady, ""},
		"nothing is there": {component.World{}, v1alpha1.StateProgressing, v1alpha1.ReasonNoPrimary, "leader lock"},
		"the leader is not ready": {
			running("fediflow-postgres-1", unready(memberPod("fediflow-postgres-0", primaryStatus)), healthy()[1], healthy()[2]),
			v1alpha1.StateProgressing, "", "",
		},
		"a replica does not stream": {
			running("fediflow-postgres-1", healthy()[0], healthy()[1], memberPod("fediflow-postgres-2", startingStatus)),
			v1alpha1.StateDegraded, v1alpha1.ReasonNotReplicating, "fediflow-postgres-2 is not streaming from fediflow-postgres-0 (starting)",
		},
		"no standby is synchronous": {
			running("", healthy()...), v1alpha1.StateDegraded, v1alpha1.ReasonNotReplicating, "no synchronous standby",
		},
	} {
		t.Run(name, func(t *testing.T) {
			healths := assess(small(t), c.world)
			if len(healths) != 1 {
				t.Fatalf("%d entries", len(healths))
			}
			health := healths[0]
			if health.State != c.state || c.reason != "" && health.Reason != c.reason || !strings.Contains(health.Message, c.message) {
				t.Errorf("%s, %s: %s", health.State, health.Reason, health.Message)
			}
		})
	}
}

func TestStatusNamesTheRoleAndTheLagOfEveryMember(t *testing.T) {
	pods := append(healthy(), memberPod("fediflow-postgres-3", ""))
	status := Status(small(t), running("fediflow-postgres-2", pods...))
	if status.Primary != "fediflow-postgres-0" || len(status.Members) != 4 {
		t.Fatalf("%v", status)
	}
	roles := map[string]v1alpha1.DatabaseMemberRole{
		"fediflow-postgres-0": v1alpha1.RolePrimary, "fediflow-postgres-1": v1alpha1.RoleReplica,
		"fediflow-postgres-2": v1alpha1.RoleSyncStandby, "fediflow-postgres-3": v1alpha1.RoleUnknown,
	}
	for _, m := range status.Members {
		if m.Role != roles[m.Name] {
			t.Errorf("%s is %s", m.Name, m.Role)
		}
		if follows := m.Role == v1alpha1.RoleReplica || m.Role == v1alpha1.RoleSyncStandby; follows != (m.LagBytes != nil) {
			t.Errorf("%s has lag %v", m.Name, m.LagBytes)
		}
	}
	if lag := status.Members[1].LagBytes; lag == nil || *lag != 4<<20 {
		t.Errorf("the lag is %v", lag)
	}
}

func TestAMovingPositionIsNoNews(t *testing.T) {
	at := func(status string) string { return WithoutPosition(map[string]string{"status": status}) }
	moved := strings.Replace(streamingStatus, "46137344", "46137345", 1)
	if at(streamingStatus) != at(moved) {
		t.Error("a moving position is news")
	}
	if at(streamingStatus) == at(startingStatus) {
		t.Error("another state is no news")
	}
	if at("{") == at("[") {
		t.Error("an unreadable status hides a change")
	}
}
