package controllers

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

// play lets every actor of a real cluster do what it has to do: the controllers of StatefulSets,
// Deployments, Jobs and autoscalers, the kubelet, and Patroni.
func (p *platform) play(t *testing.T) {
	t.Helper()
	p.playStatefulSets(t)
	p.playKubelets(t)
	p.patroni.play(t, p)
	p.playJobs(t)
	p.playAutoscalers(t)
	p.playDeployments(t)
}

func (p *platform) playStatefulSets(t *testing.T) {
	t.Helper()
	var sets appsv1.StatefulSetList
	p.list(t, &sets)
	for i := range sets.Items {
		if set := &sets.Items[i]; set.DeletionTimestamp != nil {
			p.letGo(t, set)
		} else {
			p.playStatefulSet(t, set)
		}
	}
}

// letGo does what the garbage collector does when the pods of a StatefulSet are to stay.
func (p *platform) letGo(t *testing.T, set *appsv1.StatefulSet) {
	t.Helper()
	set.Finalizers = slices.DeleteFunc(set.Finalizers, func(f string) bool { return f == metav1.FinalizerOrphanDependents })
	if err := client.IgnoreNotFound(admin.Update(t.Context(), set)); err != nil && !apierrors.IsConflict(err) {
		t.Fatal(err)
	}
}

// playStatefulSet makes and removes pods. Its strategy is OnDelete: pods that exist stay as they are.
func (p *platform) playStatefulSet(t *testing.T, set *appsv1.StatefulSet) {
	t.Helper()
	var pods corev1.PodList
	p.list(t, &pods, client.MatchingLabels(set.Spec.Selector.MatchLabels))
	exists := map[string]bool{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if slices.Contains(memberNames(set), pod.Name) {
			exists[pod.Name] = true
		} else {
			p.delete(t, pod)
		}
	}
	for ordinal, name := range memberNames(set) {
		if !exists[name] {
			p.startMember(t, set, ordinal)
		}
	}
	desired := int32(len(memberNames(set))) //nolint:gosec // a handful
	status := appsv1.StatefulSetStatus{
		ObservedGeneration: set.Generation, Replicas: desired, ReadyReplicas: desired, AvailableReplicas: desired,
		CurrentReplicas: desired,
	}
	if set.Status.ObservedGeneration == status.ObservedGeneration {
		return
	}
	set.Status = status
	p.writeStatus(t, set)
}

func memberNames(set *appsv1.StatefulSet) []string {
	members := make([]string, 0, *set.Spec.Replicas)
	for ordinal := range *set.Spec.Replicas {
		members = append(members, plan.Member(set.Name, ordinal))
	}
	return members
}

// startMember makes a pod with its volumes, and the kubelet starts it.
func (p *platform) startMember(t *testing.T, set *appsv1.StatefulSet, ordinal int) {
	t.Helper()
	name := memberNames(set)[ordinal]
	for _, template := range set.Spec.VolumeClaimTemplates {
		claim := &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: template.Name + "-" + name, Labels: template.Labels},
			Spec:       template.Spec,
		}
		if err := admin.Create(t.Context(), claim); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	pod := p.pod(name, set.Spec.Template)
	pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("StatefulSet"))}
	for _, template := range set.Spec.VolumeClaimTemplates {
		pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: template.Name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: template.Name + "-" + name}}})
	}
	p.create(t, pod)
	ready := corev1.ConditionTrue
	if p.sick != nil && p.sick(pod) {
		ready = corev1.ConditionFalse
	}
	p.setReady(t, pod, ready)
}

// pod is a pod of a template.
func (p *platform) pod(name string, template corev1.PodTemplateSpec) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: *template.Spec.DeepCopy()}
	pod.Namespace, pod.Name = p.namespace, name
	return pod
}

// setReady does what the kubelet does after a probe.
func (p *platform) setReady(t *testing.T, pod *corev1.Pod, ready corev1.ConditionStatus) {
	t.Helper()
	pod.Status.Phase = corev1.PodRunning
	pod.Status.PodIP = p.address(pod)
	pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	pod.Status.ContainerStatuses = given(pod)
	p.writeStatus(t, pod)
}

// given says that the containers of a pod have what the pod asks for.
func given(pod *corev1.Pod) []corev1.ContainerStatus {
	statuses := make([]corev1.ContainerStatus, 0, len(pod.Spec.Containers))
	for _, container := range pod.Spec.Containers {
		statuses = append(statuses, corev1.ContainerStatus{
			Name: container.Name, Image: container.Image, ImageID: container.Image, Resources: container.Resources.DeepCopy(),
		})
	}
	return statuses
}

// playKubelets resize pods where their nodes have room.
func (p *platform) playKubelets(t *testing.T) {
	t.Helper()
	var pods corev1.PodList
	p.list(t, &pods)
	// The highest ordinal first: who is refused alone is replaced alone.
	for _, pod := range slices.Backward(pods.Items) {
		before := pod.Status.DeepCopy()
		pod.Status.Conditions = slices.DeleteFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodResizePending
		})
		wanted := given(&pod)
		if !equality.Semantic.DeepEqual(pod.Status.ContainerStatuses, wanted) && p.crowded != nil && p.crowded(&pod) {
			pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
				Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonInfeasible})
		} else {
			pod.Status.ContainerStatuses = wanted
		}
		if !equality.Semantic.DeepEqual(*before, pod.Status) {
			p.writeStatus(t, &pod)
		}
	}
}

// address is that of the actor behind a pod.
func (p *platform) address(pod *corev1.Pod) string {
	if pod.Labels[plan.LabelComponent] == string(plan.Postgres) {
		return p.patroni.address
	}
	return p.sentinel.address
}

func (p *platform) writeStatus(t *testing.T, object client.Object) {
	t.Helper()
	if err := admin.Status().Update(t.Context(), object); err != nil && !apierrors.IsConflict(err) {
		t.Fatal(err)
	}
}

// playJobs completes every Job.
func (p *platform) playJobs(t *testing.T) {
	t.Helper()
	var jobs batchv1.JobList
	p.list(t, &jobs)
	for i := range jobs.Items {
		if len(jobs.Items[i].Status.Conditions) == 0 {
			p.finishJob(t, &jobs.Items[i], batchv1.JobSuccessCriteriaMet, batchv1.JobComplete)
		}
	}
}

func (p *platform) finishJob(t *testing.T, job *batchv1.Job, how ...batchv1.JobConditionType) {
	t.Helper()
	now := metav1.Now()
	job.Status.StartTime = &now
	for _, kind := range how {
		job.Status.Conditions = append(job.Status.Conditions, batchv1.JobCondition{
			Type: kind, Status: corev1.ConditionTrue, LastTransitionTime: now})
	}
	if slices.Contains(how, batchv1.JobComplete) {
		job.Status.CompletionTime, job.Status.Succeeded = &now, 1
	} else {
		job.Status.Failed = 1
	}
	p.writeStatus(t, job)
}

// playAutoscalers scales every target up to the smallest number allowed.
func (p *platform) playAutoscalers(t *testing.T) {
	t.Helper()
	var autoscalers autoscalingv2.HorizontalPodAutoscalerList
	p.list(t, &autoscalers)
	for _, autoscaler := range autoscalers.Items {
		var deployment appsv1.Deployment
		least := *autoscaler.Spec.MinReplicas
		if p.get(t, autoscaler.Spec.ScaleTargetRef.Name, &deployment) && *deployment.Spec.Replicas < least {
			p.scale(t, &deployment, least)
		}
	}
}

// scale writes the scale subresource, as the autoscaler does.
func (p *platform) scale(t *testing.T, deployment *appsv1.Deployment, replicas int32) {
	t.Helper()
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
	err := admin.SubResource("scale").Update(t.Context(), deployment,
		client.WithSubResourceBody(scale), client.FieldOwner("kube-controller-manager"))
	if err != nil {
		t.Fatal(err)
	}
}

// playDeployments finishes every rollout at once.
func (p *platform) playDeployments(t *testing.T) {
	t.Helper()
	var deployments appsv1.DeploymentList
	p.list(t, &deployments)
	for i := range deployments.Items {
		deployment := &deployments.Items[i]
		n := *deployment.Spec.Replicas
		if deployment.Status.ObservedGeneration == deployment.Generation && deployment.Status.ReadyReplicas == n {
			continue
		}
		deployment.Status = appsv1.DeploymentStatus{ObservedGeneration: deployment.Generation,
			Replicas: n, UpdatedReplicas: n, ReadyReplicas: n, AvailableReplicas: n}
		p.writeStatus(t, deployment)
	}
}

// maxUnavailable is that of a PodDisruptionBudget, as a number.
func maxUnavailable(value *intstr.IntOrString) int {
	if value == nil {
		return 0
	}
	return value.IntValue()
}
