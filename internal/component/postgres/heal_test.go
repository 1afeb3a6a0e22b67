package postgres

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/fediflow/fediflow-operator/internal/component"
)

// startedPods are members with a container that was started at a time; member 2 is in a state.
func startedPods(at time.Time, status string) []*corev1.Pod {
	pods := healthy()
	pods[2].Annotations["status"] = status
	for _, pod := range pods {
		pod.UID = types.UID(pod.Name)
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: databaseContainer, State: corev1.ContainerState{
			Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(at)}}}}
	}
	return pods
}

// Safety rule 8: redundancy is restored, and never by way of the last good copy.
func TestAMemberThatDoesNotFollowIsHealed(t *testing.T) {
	const (
		starting = `{"state":"starting","role":"replica"}`
		cloning  = `{"state":"creating replica","role":"replica"}`
		running  = `{"state":"running","role":"replica"}`
		failed   = `{"state":"start failed","role":"replica"}`
	)
	leaderSince := noon
	before, after := noon.Add(-time.Minute), noon.Add(time.Minute)
	for name, c := range map[string]struct {
		status  string
		started time.Time
		lost    time.Duration
		want    RemedyAction
	}{
		"it follows": {streamingStatus, before, time.Hour, RemedyNone},
		"it was starting when the leader changed":          {starting, before, restartAfter, RemedyRestart},
		"it was running when the leader changed":           {running, before, restartAfter, RemedyRestart},
		"it is cut off and believes that it leads":         {primaryStatus, before, time.Hour, RemedyNone},
		"it has had no time yet":                           {starting, before, restartAfter - 1, RemedyNone},
		"it copies the primary":                            {cloning, before, time.Hour, RemedyNone},
		"it started after the change and replays":          {starting, after, time.Hour, RemedyNone},
		"it started after the change, just now":            {running, after, restartAfter, RemedyNone},
		"it started after the change and cannot follow":    {running, after, reinitializeAfter, RemedyReinitialize},
		"it started after the change and its server fails": {failed, after, reinitializeAfter, RemedyReinitialize},
	} {
		t.Run(name, func(t *testing.T) {
			now := noon.Add(2 * time.Hour)
			p, w := small(t), led(leaderSince, "fediflow-postgres-1", startedPods(c.started, c.status)...)
			known := NotFollowing(nil, now.Add(-c.lost), p, w)
			lost := NotFollowing(known, now, p, w)
			remedy := Heal(lost, now, p, w)
			if remedy.Action != c.want || (remedy.Pod != nil) != (c.want != RemedyNone) {
				t.Fatalf("%v", remedy)
			}
			if remedy.Pod != nil && remedy.Pod.Name != "fediflow-postgres-2" {
				t.Errorf("%s is healed", remedy.Pod.Name)
			}
		})
	}
}

func TestNobodyIsHealedWhereItMightBeTheLastGoodCopy(t *testing.T) {
	status := `{"state":"running","role":"replica"}`
	now := noon.Add(time.Hour)
	long := map[Lost]time.Time{}
	for _, pod := range startedPods(noon, status) {
		long[Lost{pod.UID, "running"}] = noon
	}
	for name, w := range map[string]component.World{
		"the primary is not ready": led(noon, "", func() []*corev1.Pod {
			pods := startedPods(noon.Add(time.Minute), status)
			unready(pods[0])
			return pods
		}()...),
		"the primary's pod is gone": led(noon, "", startedPods(noon.Add(time.Minute), status)[1:]...),
		"there is no lock":          {Pods: startedPods(noon.Add(time.Minute), status)},
	} {
		t.Run(name, func(t *testing.T) {
			lost := NotFollowing(long, now, small(t), w)
			if remedy := Heal(lost, now, small(t), w); len(lost) > 0 || remedy.Action != RemedyNone {
				t.Errorf("%v, %v", lost, remedy)
			}
		})
	}
	w := led(noon, "fediflow-postgres-1", startedPods(noon.Add(time.Minute), status)...)
	if lost := NotFollowing(long, now, small(t), w); len(lost) != 1 {
		t.Errorf("not following are %v", lost)
	}
}

// A copy may take hours: its end is no reason for another one.
func TestAMemberThatGetsOnHasTimeAnew(t *testing.T) {
	const cloning, running = `{"state":"creating replica","role":"replica"}`, `{"state":"running","role":"replica"}`
	see := func(known map[Lost]time.Time, status string, at time.Time) (map[Lost]time.Time, Remedy) {
		p, w := small(t), led(noon, "fediflow-postgres-1", startedPods(noon.Add(time.Minute), status)...)
		lost := NotFollowing(known, at, p, w)
		return lost, Heal(lost, at, p, w)
	}
	lost, _ := see(nil, cloning, noon.Add(2*time.Minute))
	lost, _ = see(lost, cloning, noon.Add(5*time.Hour))
	lost, remedy := see(lost, running, noon.Add(5*time.Hour+time.Second))
	if remedy.Action != RemedyNone {
		t.Errorf("a member that has just copied the primary is healed: %v", remedy)
	}
	if _, remedy := see(lost, running, noon.Add(6*time.Hour)); remedy.Action != RemedyReinitialize {
		t.Errorf("one that does not go on from there is not: %v", remedy)
	}
}

func TestAKilledContainerIsStartedAtOnceAndOneThatFailsIsNot(t *testing.T) {
	for name, c := range map[string]struct {
		exit   int32
		reason string
		want   RemedyAction
	}{
		"killed":        {137, "Error", RemedyRestart},
		"out of memory": {137, "OOMKilled", RemedyNone},
		"failed":        {1, "Error", RemedyNone},
	} {
		t.Run(name, func(t *testing.T) {
			pods := startedPods(noon, streamingStatus)
			pods[0].Status.ContainerStatuses[0] = corev1.ContainerStatus{Name: databaseContainer,
				State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: c.exit, Reason: c.reason}}}
			if remedy := Heal(nil, noon, small(t), led(noon, "", pods...)); remedy.Action != c.want {
				t.Errorf("%v", remedy)
			}
		})
	}
}
