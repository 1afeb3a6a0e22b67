package component

import (
	"fmt"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

// modelPod is a pod as a StatefulSet's controller, the kubelet and the engine make it.
type modelPod struct {
	revision int
	life     life
}

// life is a stage of a pod.
type life int

const (
	missing life = iota
	starting
	ready
	leaving
)

// model is a StatefulSet with OnDelete and an engine that knows its leader.
type model struct {
	pods     []modelPod
	current  int
	badSince int
	leader   int
	trace    []string
}

// startable says whether pods of the current template get ready. A bad template is one that they
// do not start with.
func (m *model) startable(revision int) bool { return m.badSince == 0 || revision != m.badSince }

func (m *model) log(format string, arguments ...any) {
	m.trace = append(m.trace, fmt.Sprintf(format, arguments...))
}

// observe is what the operator sees.
func (m *model) observe() (*appsv1.StatefulSet, []*corev1.Pod, string, []string) {
	set := statefulSet(int32(len(m.pods))) //nolint:gosec // a handful
	set.Spec.Template.Annotations[plan.AnnotationTemplateHash] = fmt.Sprint(m.current)
	var pods []*corev1.Pod
	var followers []string
	for i, pod := range m.pods {
		if pod.life == missing {
			continue
		}
		seen := member(i)
		seen.Annotations[plan.AnnotationTemplateHash] = fmt.Sprint(pod.revision)
		switch pod.life {
		case starting:
			broken(seen)
		case leaving:
			terminating(seen)
		case ready:
			if i != m.leader {
				followers = append(followers, seen.Name)
			}
		case missing:
		}
		pods = append(pods, seen)
	}
	leader := ""
	if m.leader >= 0 {
		leader = fmt.Sprintf("db-%d", m.leader)
	}
	return set, pods, leader, followers
}

// operate takes the next step, after checking that it disrupts no more than it may.
func (m *model) operate(t rapid.TB) Action {
	set, pods, leader, followers := m.observe()
	step := NextStep(set, pods, leader, followers)
	m.log("%s", describe(step))
	switch step.Action {
	case ActionDelete:
		victim := ordinal(step.Pod)
		if m.pods[victim].life == ready {
			if m.away() > 0 {
				t.Fatalf("%s while %d others are away: %v", describe(step), m.away(), m.trace)
			}
			if victim == m.leader && len(followers) > 0 {
				t.Fatalf("the leader %s is deleted while %v could lead: %v", leader, followers, m.trace)
			}
		}
		if m.pods[victim].revision == m.current {
			t.Fatalf("%s, which is current: %v", describe(step), m.trace)
		}
		m.pods[victim].life = leaving
		if victim == m.leader {
			m.leader = -1
		}
	case ActionHandOver:
		if step.Pod.Name != leader || m.away() > 0 || !slices.Contains(followers, step.Candidates[0]) {
			t.Fatalf("%s with leader %s, followers %v and %d away: %v", describe(step), leader, followers, m.away(), m.trace)
		}
		m.leader = slices.IndexFunc(pods, func(pod *corev1.Pod) bool { return pod.Name == step.Candidates[0] })
	case ActionNone:
	}
	return step.Action
}

// away counts the pods that do not serve.
func (m *model) away() int {
	away := 0
	for _, pod := range m.pods {
		if pod.life != ready {
			away++
		}
	}
	return away
}

// live moves one pod on, as Kubernetes and the engine would.
func (m *model) live(i int) {
	pod := &m.pods[i]
	switch pod.life {
	case leaving:
		pod.life = missing
	case missing:
		*pod = modelPod{revision: m.current, life: starting}
	case starting:
		if m.startable(pod.revision) {
			pod.life = ready
		}
	case ready:
	}
	if m.leader < 0 {
		m.leader = slices.IndexFunc(m.pods, func(pod modelPod) bool { return pod.life == ready })
	}
	m.log("db-%d is %d", i, pod.life)
}

// settle lets everything happen until nothing does.
func (m *model) settle(t rapid.TB) {
	for range 20 * len(m.pods) {
		idle := m.operate(t) == ActionNone
		for i := range m.pods {
			m.live(i)
		}
		if idle && m.away() == 0 && m.finished() {
			return
		}
	}
}

func (m *model) finished() bool {
	return !slices.ContainsFunc(m.pods, func(pod modelPod) bool { return pod.revision != m.current })
}

func anyModel(t *rapid.T) *model {
	m := &model{pods: make([]modelPod, rapid.IntRange(1, 5).Draw(t, "replicas")), current: 1}
	for i := range m.pods {
		m.pods[i] = modelPod{revision: rapid.IntRange(0, 1).Draw(t, "revision"), life: ready}
	}
	m.leader = rapid.IntRange(-1, len(m.pods)-1).Draw(t, "leader")
	return m
}

// walk lets the operator and the pods act in any order.
func (m *model) walk(t *rapid.T) {
	for range rapid.IntRange(0, 60).Draw(t, "events") {
		if i := rapid.IntRange(-1, len(m.pods)-1).Draw(t, "event"); i < 0 {
			m.operate(t)
		} else {
			m.live(i)
		}
	}
}

func TestSafetyARollingChangeDisruptsOneAtATimeAndTheLeaderLast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyModel(t)
		m.walk(t)
		if rapid.Bool().Draw(t, "changes again") {
			m.current++
			m.walk(t)
		}
		m.settle(t)
		if m.away() > 0 || !m.finished() {
			t.Fatalf("%+v after %v", m.pods, m.trace)
		}
	})
}

func TestSafetyABadChangeStopsAtOnePodAndRevertingItHeals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyModel(t)
		m.settle(t)
		m.current, m.badSince = 2, 2
		m.walk(t)
		m.settle(t)
		if m.away() != 1 {
			t.Fatalf("%d pods are away after a bad change: %v", m.away(), m.trace)
		}
		m.current = 3
		m.walk(t)
		m.settle(t)
		if m.away() > 0 || !m.finished() {
			t.Fatalf("%+v after the change was reverted: %v", m.pods, m.trace)
		}
	})
}
