package component

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Action is the next step of a rolling change.
type Action int

// The steps of a rolling change.
const (
	// ActionNone: nothing to do, or not yet.
	ActionNone Action = iota
	// ActionDelete: delete the pod; its StatefulSet makes a new one from the current template.
	ActionDelete
	// ActionHandOver: ask the engine to move the leadership away from the pod.
	ActionHandOver
)

// Step is one step of a rolling change.
type Step struct {
	Action Action
	Pod    *corev1.Pod
	// Candidates are the pods that may take over, best first.
	Candidates []string
}

// Stale are the pods that must be replaced to follow their StatefulSet's current template: those that
// differ in more than CPU and memory, and those whose node has no room for a resize.
func Stale(set *appsv1.StatefulSet, pods []*corev1.Pod) []*corev1.Pod {
	var stale []*corev1.Pod
	for _, pod := range pods {
		if !ResourcesOnly(set, pod) || resizeRefused(set, pod) || replacing(set) && !sameResources(set, pod) {
			stale = append(stale, pod)
		}
	}
	return stale
}

// NextStep decides how to bring pods to their StatefulSet's current template, one disruption at a
// time: broken stale pods first (that is how a bad change is reverted), then replicas from the
// highest ordinal down, the leader last and only after it handed over. Nothing is disrupted while
// a pod with the current template is not ready: a bad change stops at the first pod.
//
// leader is the pod that must go last, or empty where there is none; followers are the pods it can
// hand over to without losing a write, best first.
func NextStep(set *appsv1.StatefulSet, pods []*corev1.Pod, leader string, followers []string) Step {
	if set == nil || set.Status.ObservedGeneration < set.Generation || templateHash(set) == "" {
		return Step{}
	}
	stale := Stale(set, pods)
	if len(stale) == 0 {
		return Step{}
	}
	unready := slices.DeleteFunc(slices.Clone(pods), IsReady)
	if len(unready) > 0 {
		return healStep(unready, stale, leader)
	}
	if set.Spec.Replicas != nil && Count(pods) < *set.Spec.Replicas {
		return Step{}
	}
	slices.SortFunc(stale, func(a, b *corev1.Pod) int { return cmp.Compare(ordinal(b), ordinal(a)) })
	for _, pod := range stale {
		if pod.Name != leader {
			return Step{Action: ActionDelete, Pod: pod}
		}
	}
	if len(pods) == 1 {
		return Step{Action: ActionDelete, Pod: stale[0]}
	}
	if len(followers) == 0 {
		return Step{}
	}
	return Step{Action: ActionHandOver, Pod: stale[0], Candidates: followers}
}

// healStep replaces a broken stale pod, if every broken pod is stale: the leader last. A broken
// leader may be unable to hand over.
func healStep(unready, stale []*corev1.Pod, leader string) Step {
	for _, pod := range unready {
		if !slices.Contains(stale, pod) || pod.DeletionTimestamp != nil {
			return Step{}
		}
	}
	for _, pod := range unready {
		if pod.Name != leader {
			return Step{Action: ActionDelete, Pod: pod}
		}
	}
	return Step{Action: ActionDelete, Pod: unready[0]}
}

func ordinal(pod *corev1.Pod) int {
	number, err := strconv.Atoi(pod.Name[strings.LastIndex(pod.Name, "-")+1:])
	if err != nil {
		return 0
	}
	return number
}
