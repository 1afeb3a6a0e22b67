package component

import (
	"strconv"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Template revisions of the tests' StatefulSet.
const (
	oldRevision = "db-old"
	newRevision = "db-new"
)

// statefulSet is one that wants pods of the new revision and has been looked at by its controller.
func statefulSet(replicas int32) *appsv1.StatefulSet {
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db", Generation: 2}}
	set.Spec.Replicas = &replicas
	set.Status.ObservedGeneration = 2
	set.Status.UpdateRevision = newRevision
	return set
}

// change is something about a pod.
type change func(*corev1.Pod)

// member is a ready pod of the new revision, but for what is changed.
func member(ordinal int, changes ...change) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name:   "db-" + strconv.Itoa(ordinal),
		Labels: map[string]string{appsv1.ControllerRevisionHashLabelKey: newRevision},
	}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	for _, change := range changes {
		change(pod)
	}
	return pod
}

func stale(pod *corev1.Pod) { pod.Labels[appsv1.ControllerRevisionHashLabelKey] = oldRevision }

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
