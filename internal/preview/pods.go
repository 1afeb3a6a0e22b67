package preview

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// PodGroup is the pods of one Deployment or StatefulSet and what happens to them, in order.
type PodGroup struct {
	// Name as in status, for example postgres or edge-us-east.
	Name  string    `json:"name"`
	Steps []PodStep `json:"steps"`
}

// PodAction is what happens to a pod.
type PodAction string

// What happens to pods.
const (
	// PodCreate: it is a new one.
	PodCreate PodAction = "Create"
	// PodResize: its CPU and memory change while it runs.
	PodResize PodAction = "Resize"
	// PodRestart: it is replaced by one with the same name and volume.
	PodRestart PodAction = "Restart"
	// PodHandOver: it gives the leadership away.
	PodHandOver PodAction = "HandOver"
	// PodRoll: new pods replace the old ones, which go when as many new ones are ready.
	PodRoll PodAction = "Roll"
	// PodRemove: it goes for good.
	PodRemove PodAction = "Remove"
	// PodWait: it is not touched until something else is well.
	PodWait PodAction = "Wait"
)

// PodStep is one step of a change of pods.
type PodStep struct {
	Action PodAction `json:"action"`
	// Pod is empty where the step is about all pods of a Deployment.
	Pod string `json:"pod,omitempty"`
	// Detail says how much or whereto.
	Detail string `json:"detail,omitempty"`
}

func podGroups(c Change, after prepared, objects []ObjectChange) ([]PodGroup, error) {
	var groups []PodGroup
	add := func(name string, steps []PodStep) {
		if len(steps) > 0 {
			groups = append(groups, PodGroup{Name: name, Steps: steps})
		}
	}
	for _, row := range c.After.Rows() {
		name := string(c.After.Name) + "-" + row.Name
		if desired := after.byKey[component.Key{Kind: "StatefulSet", Name: name}]; desired != nil {
			steps, err := statefulSteps(c, desired)
			if err != nil {
				return nil, err
			}
			add(row.Name, steps)
			continue
		}
		add(row.Name, deploymentSteps(c, row, name, objects))
	}
	for _, object := range objects {
		if object.Action == actionRemove && (object.Kind == "StatefulSet" || object.Kind == "Deployment") {
			add(c.After.Short(object.Name), removals(podsOf(c.World, object.Kind, object.Name)))
		}
	}
	return groups, nil
}

// podsOf are the pods of a live Deployment or StatefulSet.
func podsOf(w component.World, kind, name string) []*corev1.Pod {
	if set := w.StatefulSet(name); set != nil && kind == "StatefulSet" {
		return w.PodsWith(set.Spec.Selector.MatchLabels)
	}
	if deployment := w.Deployment(name); deployment != nil && kind == "Deployment" {
		return w.PodsWith(deployment.Spec.Selector.MatchLabels)
	}
	return nil
}

func removals(pods []*corev1.Pod) []PodStep {
	var steps []PodStep
	for _, pod := range pods {
		steps = append(steps, PodStep{Action: PodRemove, Pod: pod.Name})
	}
	return steps
}

// statefulSteps follow the rules of the operator for pods that hold state or a warm cache: new ones
// and resizes at once, restarts one at a time.
func statefulSteps(c Change, desired *unstructured.Unstructured) ([]PodStep, error) {
	set := &appsv1.StatefulSet{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(desired.Object, set); err != nil {
		return nil, fmt.Errorf("read StatefulSet %s: %w", desired.GetName(), err)
	}
	var steps []PodStep
	var staying, leaving []*corev1.Pod
	existing := map[string]*corev1.Pod{}
	for _, pod := range c.World.PodsWith(set.Spec.Selector.MatchLabels) {
		existing[pod.Name] = pod
	}
	for ordinal := range *set.Spec.Replicas {
		name := plan.Member(set.Name, ordinal)
		pod := existing[name]
		if pod == nil {
			pod = &corev1.Pod{}
			pod.Name = name
			pod = renewed(set, pod)
			steps = append(steps, PodStep{Action: PodCreate, Pod: name, Detail: resources(pod)})
		}
		staying = append(staying, pod)
		delete(existing, name)
	}
	leaving = slices.SortedFunc(maps.Values(existing), func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	steps = append(steps, removals(leaving)...)
	for _, pod := range component.Resizable(set, staying) {
		steps = append(steps, PodStep{PodResize, pod.Name, resources(pod) + " → " + resources(renewed(set, pod))})
	}
	return append(steps, rollingSteps(c, set, staying)...), nil
}

// rollingSteps plays what the operator does until every pod follows the template, taking it that each
// new pod becomes ready.
func rollingSteps(c Change, set *appsv1.StatefulSet, pods []*corev1.Pod) []PodStep {
	leader, followers := leadership(c, set.Name, pods)
	var steps []PodStep
	if healthy := component.CountReady(pods) == component.Count(pods); healthy && leader == "" && isStore(c.After, set.Name) {
		return waits(component.Stale(set, pods), "until Sentinel says which of them leads")
	}
	for range 3 * len(pods) {
		step := component.NextStep(set, pods, leader, followers)
		switch step.Action {
		case component.ActionHandOver:
			steps = append(steps, PodStep{PodHandOver, step.Pod.Name, "to " + strings.Join(step.Candidates, " or ")})
			followers = append(slices.Clone(followers[1:]), leader)
			leader = step.Candidates[0]
		case component.ActionDelete:
			steps = append(steps, PodStep{Action: PodRestart, Pod: step.Pod.Name, Detail: resources(renewed(set, step.Pod))})
			pods = slices.Clone(pods)
			pods[slices.Index(pods, step.Pod)] = renewed(set, step.Pod)
		case component.ActionNone:
			return append(steps, waits(component.Stale(set, pods), "until every pod is ready and another one can lead")...)
		}
	}
	return steps
}

func waits(pods []*corev1.Pod, until string) []PodStep {
	var steps []PodStep
	for _, pod := range pods {
		steps = append(steps, PodStep{PodWait, pod.Name, until})
	}
	return steps
}

func isStore(p plan.Plan, set string) bool {
	return slices.ContainsFunc(p.Redis.Stores, func(s plan.StorePlan) bool { return set == p.Name.RedisStore(s.Name) })
}

// leadership is the pod that goes last and those that it can hand over to.
func leadership(c Change, set string, pods []*corev1.Pod) (leader string, followers []string) {
	if c.After.Database.Managed != nil && set == c.After.Name.Component(plan.Postgres) {
		return postgres.Leader(c.After, c.World), postgres.Successors(c.After, c.World)
	}
	for _, store := range c.After.Redis.Stores {
		if set == c.After.Name.RedisStore(store.Name) {
			leader = c.World.Masters[store.Name]
		}
	}
	for _, pod := range pods {
		if leader != "" && pod.Name != leader && component.IsReady(pod) {
			followers = append(followers, pod.Name)
		}
	}
	return leader, followers
}

// renewed is a pod as its StatefulSet would make it, and ready.
func renewed(set *appsv1.StatefulSet, old *corev1.Pod) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: *set.Spec.Template.ObjectMeta.DeepCopy(), Spec: *set.Spec.Template.Spec.DeepCopy()}
	pod.Name, pod.Namespace = old.Name, set.Namespace
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	return pod
}

func resources(pod *corev1.Pod) string {
	var each []string
	for i := range pod.Spec.Containers {
		requests := pod.Spec.Containers[i].Resources.Requests
		each = append(each, fmt.Sprintf("cpu %s, memory %s", requests.Cpu(), requests.Memory()))
	}
	return strings.Join(each, "; ")
}

// deploymentSteps: a Deployment whose template changes rolls with surge; how many pods it has is its
// own figure or its autoscaler's.
func deploymentSteps(c Change, row plan.Row, name string, objects []ObjectChange) []PodStep {
	live := c.World.Deployment(name)
	if live == nil || live.Spec.Replicas == nil {
		return []PodStep{{Action: PodCreate, Detail: count(row.Replicas)}}
	}
	var steps []PodStep
	running := *live.Spec.Replicas
	switch least, most := row.Replicas, max(row.Replicas, row.MaxReplicas); {
	case running < least:
		steps = append(steps, PodStep{Action: PodCreate, Detail: count(least - running)})
	case running > most:
		steps = append(steps, PodStep{Action: PodRemove, Detail: count(running - most)})
	}
	for _, object := range objects {
		if object.Kind == "Deployment" && object.Name == name && object.template {
			steps = append(steps, PodStep{Action: PodRoll, Detail: count(running) + ", a quarter more at a time and never fewer"})
		}
	}
	return steps
}

func count(pods int32) string {
	if pods == 1 {
		return "1 pod"
	}
	return fmt.Sprintf("%d pods", pods)
}
