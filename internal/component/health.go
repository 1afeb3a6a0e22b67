package component

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// Trouble is why a pod is not ready, as far as its status tells.
type Trouble struct {
	Reason, Message string
	// NeedsHuman is set where no retry will help.
	NeedsHuman bool
}

// restartsUntilFailing is how often a container may restart before it counts as failing.
const restartsUntilFailing = 3

// PodTrouble returns the first thing that is wrong with a pod, or nil.
func PodTrouble(pod *corev1.Pod) *Trouble {
	if pod.DeletionTimestamp != nil {
		return nil
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse &&
			condition.Reason == corev1.PodReasonUnschedulable {
			return &Trouble{v1alpha1.ReasonUnschedulable, pod.Name + ": " + condition.Message, false}
		}
	}
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if trouble := containerTrouble(pod, status); trouble != nil {
			return trouble
		}
	}
	return nil
}

func containerTrouble(pod *corev1.Pod, status corev1.ContainerStatus) *Trouble {
	waiting := status.State.Waiting
	if waiting == nil {
		return nil
	}
	switch waiting.Reason {
	case "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable":
		return &Trouble{v1alpha1.ReasonImagePullFailed, fmt.Sprintf(
			"%s: image %s cannot be pulled: check its name and tag, and imagePullSecrets", pod.Name, status.Image), true}
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError":
		return &Trouble{v1alpha1.ReasonContainerFailing,
			fmt.Sprintf("%s: container %s: %s", pod.Name, status.Name, waiting.Message), false}
	case "CrashLoopBackOff":
		return &Trouble{v1alpha1.ReasonContainerFailing, fmt.Sprintf(
			"%s: container %s %s: see kubectl logs --previous", pod.Name, status.Name, lastExit(status)),
			status.RestartCount >= restartsUntilFailing}
	}
	return nil
}

func lastExit(status corev1.ContainerStatus) string {
	last := status.LastTerminationState.Terminated
	if last == nil {
		return "keeps exiting"
	}
	return fmt.Sprintf("keeps exiting with code %d (%s)", last.ExitCode, last.Reason)
}

// FirstTrouble returns the worst trouble among pods: what needs a human before what does not.
func FirstTrouble(pods []*corev1.Pod) *Trouble {
	var first *Trouble
	for _, pod := range pods {
		trouble := PodTrouble(pod)
		if trouble == nil {
			continue
		}
		if trouble.NeedsHuman {
			return trouble
		}
		if first == nil {
			first = trouble
		}
	}
	return first
}

// Count counts pods.
func Count(pods []*corev1.Pod) int32 {
	return int32(len(pods)) //nolint:gosec // nowhere near two billion pods
}

// CountReady counts ready pods.
func CountReady(pods []*corev1.Pod) int32 {
	var ready int32
	for _, pod := range pods {
		if IsReady(pod) {
			ready++
		}
	}
	return ready
}

// DeploymentHealth judges a Deployment whose pods are given. Name is what status calls it.
func DeploymentHealth(name string, deployment *appsv1.Deployment, desired int32, pods []*corev1.Pod) Health {
	h := Health{ComponentStatus: v1alpha1.ComponentStatus{Name: name, Desired: desired}}
	if deployment == nil {
		return h.with(v1alpha1.StateProgressing, v1alpha1.ReasonRollingOut, "Deployment is being created")
	}
	h.Ready = deployment.Status.AvailableReplicas
	status := deployment.Status
	if status.ObservedGeneration >= deployment.Generation &&
		status.UpdatedReplicas >= desired && status.Replicas == status.UpdatedReplicas {
		return h.judge(rolledOut, pods)
	}
	return h.judge(rollingOut, pods)
}

// StatefulSetHealth judges a StatefulSet that is rolled by the operator.
func StatefulSetHealth(name string, set *appsv1.StatefulSet, desired int32, pods []*corev1.Pod) Health {
	h := Health{ComponentStatus: v1alpha1.ComponentStatus{Name: name, Desired: desired}}
	if set == nil {
		return h.with(v1alpha1.StateProgressing, v1alpha1.ReasonRollingOut, "StatefulSet is being created")
	}
	h.Ready = CountReady(pods)
	if set.Status.ObservedGeneration >= set.Generation && len(Stale(set, pods)) == 0 &&
		len(Resizable(set, pods)) == 0 && !slices.ContainsFunc(pods, resizing) {
		return h.judge(rolledOut, pods)
	}
	return h.judge(rollingOut, pods)
}

// rollout says whether every pod is made from the current template.
type rollout int

const (
	rollingOut rollout = iota
	rolledOut
)

// judge completes a health from its ready and desired counts.
func (h Health) judge(progress rollout, pods []*corev1.Pod) Health {
	if h.Ready >= h.Desired && progress == rolledOut {
		return h.with(v1alpha1.StateReady, v1alpha1.ReasonReady, "")
	}
	if trouble := FirstTrouble(pods); trouble != nil {
		h.NeedsHuman = trouble.NeedsHuman
		state := v1alpha1.StateProgressing
		if trouble.NeedsHuman {
			state = v1alpha1.StateFailed
		}
		return h.with(state, trouble.Reason, trouble.Message)
	}
	if h.Ready >= h.Desired {
		return h.with(v1alpha1.StateProgressing, v1alpha1.ReasonRollingOut, "pods are being replaced or resized")
	}
	return h.with(v1alpha1.StateProgressing, v1alpha1.ReasonRollingOut,
		fmt.Sprintf("%d of %d pods are ready%s", h.Ready, h.Desired, firstUnready(pods)))
}

func firstUnready(pods []*corev1.Pod) string {
	for _, pod := range pods {
		if !IsReady(pod) {
			return ", waiting for " + pod.Name
		}
	}
	return ""
}

func (h Health) with(state v1alpha1.ComponentState, reason, message string) Health {
	h.State, h.Reason, h.Message = state, reason, message
	return h
}

// Keeping says that there are more members than asked for, and why.
func (h Health) Keeping(kept int32, why string) Health {
	if h.State == v1alpha1.StateReady && kept > 0 {
		h.Message = fmt.Sprintf("keeps %d members although %d are asked for: %s", h.Desired, h.Desired-kept, why)
	}
	return h
}

// Changing says what is on its way although all that is there is well.
func (h Health) Changing(what string) Health {
	switch {
	case what == "":
		return h
	case h.State == v1alpha1.StateReady:
		return h.with(v1alpha1.StateProgressing, v1alpha1.ReasonRollingOut, what)
	}
	h.Message += "; " + what
	return h
}

// Degrade lowers a ready health: it serves, with less than asked for.
func (h Health) Degrade(reason, message string) Health {
	if h.State != v1alpha1.StateReady {
		return h
	}
	return h.with(v1alpha1.StateDegraded, reason, message)
}

// NewHealth is a health of a part that is not made of counted pods.
func NewHealth(name string, state v1alpha1.ComponentState, reason, message string) Health {
	return Health{ComponentStatus: v1alpha1.ComponentStatus{Name: name}}.with(state, reason, message)
}

// Held are healths of a component whose gate is closed: what is there goes on as it was.
func Held(healths []Health, message string) []Health {
	held := make([]Health, 0, len(healths))
	for _, health := range healths {
		held = append(held, health.with(v1alpha1.StateWaiting, v1alpha1.ReasonWaiting, message))
	}
	return held
}
