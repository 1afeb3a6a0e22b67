package component

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

// ResourcesOnly says whether a pod differs from its StatefulSet's current template in nothing but
// CPU and memory, if at all.
func ResourcesOnly(set *appsv1.StatefulSet, pod *corev1.Pod) bool {
	want := templateHash(set)
	return want != "" && pod.Annotations[plan.AnnotationTemplateHash] == want
}

// templateHash is empty where this version of the operator has not applied the StatefulSet yet.
func templateHash(set *appsv1.StatefulSet) string {
	return set.Spec.Template.Annotations[plan.AnnotationTemplateHash]
}

// replacing says whether Kubernetes cannot resize pods in place.
func replacing(set *appsv1.StatefulSet) bool {
	return set.Annotations[plan.AnnotationResize] == plan.ResizeByReplacement
}

// Resizable are the pods that can follow the template without a restart.
func Resizable(set *appsv1.StatefulSet, pods []*corev1.Pod) []*corev1.Pod {
	if set == nil || replacing(set) {
		return nil
	}
	var resizable []*corev1.Pod
	for _, pod := range pods {
		if pod.DeletionTimestamp == nil && ResourcesOnly(set, pod) && !sameResources(set, pod) {
			resizable = append(resizable, pod)
		}
	}
	return resizable
}

// sameResources says whether the pod asks for what the template asks for.
func sameResources(set *appsv1.StatefulSet, pod *corev1.Pod) bool {
	for _, want := range set.Spec.Template.Spec.Containers {
		for _, have := range pod.Spec.Containers {
			if have.Name == want.Name && !equal(have.Resources, want.Resources) {
				return false
			}
		}
	}
	return true
}

func equal(have, want corev1.ResourceRequirements) bool {
	return have.Requests.Cpu().Equal(*want.Requests.Cpu()) &&
		have.Requests.Memory().Equal(*want.Requests.Memory()) &&
		have.Limits.Memory().Equal(*want.Limits.Memory())
}

// resizeRefused says whether the pod's node has no room for what the template asks for.
func resizeRefused(set *appsv1.StatefulSet, pod *corev1.Pod) bool {
	if !sameResources(set, pod) {
		return false // what was refused is no longer asked for
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodResizePending && condition.Status == corev1.ConditionTrue {
			return true
		}
	}
	return false
}

// resizing says whether a pod's containers do not have yet what the pod asks for.
func resizing(pod *corev1.Pod) bool {
	for _, status := range pod.Status.ContainerStatuses {
		for _, container := range pod.Spec.Containers {
			if container.Name == status.Name && status.Resources != nil && !equal(*status.Resources, container.Resources) {
				return true
			}
		}
	}
	return false
}
