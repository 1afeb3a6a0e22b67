package component

import (
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Digests of templates of the tests' StatefulSet.
const (
	oldTemplate = "old"
	newTemplate = "new"
)

// statefulSet is one that wants pods of the new template and has been looked at by its controller.
func statefulSet(replicas int32) *appsv1.StatefulSet {
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db", Generation: 2}}
	set.Spec.Replicas = &replicas
	set.Status.ObservedGeneration = 2
	set.Spec.Template.Annotations = map[string]string{plan.AnnotationTemplateHash: newTemplate}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "postgres", Resources: resources("1", "1Gi")}}
	return set
}

// resources are what kube.Container asks for: CPU is not limited.
func resources(cpu, memory string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
		},
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memory)},
	}
}

// change is something about a pod.
type change func(*corev1.Pod)

// member is a ready pod of the new template, but for what is changed.
func member(ordinal int, changes ...change) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name:        "db-" + strconv.Itoa(ordinal),
		Annotations: map[string]string{plan.AnnotationTemplateHash: newTemplate},
	}}
	pod.Spec.Containers = []corev1.Container{{Name: "postgres", Resources: resources("1", "1Gi")}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	for _, change := range changes {
		change(pod)
	}
	return pod
}

func stale(pod *corev1.Pod) { pod.Annotations[plan.AnnotationTemplateHash] = oldTemplate }

func broken(pod *corev1.Pod) { pod.Status.Conditions[0].Status = corev1.ConditionFalse }

func terminating(pod *corev1.Pod) {
	pod.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
}

// waiting has a container that waits for a reason.
func waiting(reason, message string, restarts int32) change {
	return func(pod *corev1.Pod) {
		broken(pod)
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: "postgres", Image: "postgres:1", RestartCount: restarts,
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}},
		}}
	}
}

func unschedulable(pod *corev1.Pod) {
	broken(pod)
	pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse,
		Reason: corev1.PodReasonUnschedulable, Message: "0/4 nodes are available",
	})
}
