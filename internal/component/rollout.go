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

// Stale are the pods made from another template than the StatefulSet's current one.
func Stale(set *appsv1.StatefulSet, pods []*corev1.Pod) []*corev1.Pod {
	if set.Status.UpdateRevision == "" {
		return nil
	}
	var stale []*corev1.Pod
	for _, pod := range pods {
		if pod.Labels[appsv1.ControllerRevisionHashLabelKey] != set.Status.UpdateRevision {
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
	if set == nil || set.Status.ObservedGeneration < set.Generation {
		return Step{}
	}
	stale := Stale(set, pods)
	if len(stale) == 0 {
		return Step{}
	}
	unready := slices.DeleteFunc(slices.Clone(pods), IsReady)
	if len(unready) > 0 {
		return healStep(unready, stale)
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

// healStep replaces a broken stale pod, if every broken pod is stale.
func healStep(unready, stale []*corev1.Pod) Step {
	for _, pod := range unready {
		if !slices.Contains(stale, pod) || pod.DeletionTimestamp != nil {
			return Step{}
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
