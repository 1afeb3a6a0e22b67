package component

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// crashed is what a container's last end was.
func crashed(reason string, code, restarts int32) change {
	return func(pod *corev1.Pod) {
		waiting("CrashLoopBackOff", "back-off", restarts)(pod)
		pod.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code}
	}
}

func inInit(pod *corev1.Pod) {
	pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses = pod.Status.ContainerStatuses, nil
}

func TestPodTroubleSaysWhyAPodIsNotReady(t *testing.T) {
	tests := map[string]struct {
		changes []change
		reason  string
		says    []string
		human   bool
	}{
		"a ready pod":                    {nil, "", nil, false},
		"a pod that only starts":         {[]change{waiting("ContainerCreating", "", 0)}, "", nil, false},
		"a pod on its way out":           {[]change{crashed("Error", 1, 9), terminating}, "", nil, false},
		"no node":                        {[]change{unschedulable}, v1alpha1.ReasonUnschedulable, []string{"db-0", "0/4 nodes are available"}, false},
		"an image that is not there":     {[]change{waiting("ErrImagePull", "", 0)}, v1alpha1.ReasonImagePullFailed, []string{"db-0", "postgres:1", "imagePullSecrets"}, true},
		"an image that stays away":       {[]change{waiting("ImagePullBackOff", "", 0)}, v1alpha1.ReasonImagePullFailed, []string{"postgres:1"}, true},
		"an image name that is none":     {[]change{waiting("InvalidImageName", "", 0)}, v1alpha1.ReasonImagePullFailed, []string{"postgres:1"}, true},
		"a Secret that is missing":       {[]change{waiting("CreateContainerConfigError", `secret "x" not found`, 0)}, v1alpha1.ReasonContainerFailing, []string{"db-0", "container postgres", `secret "x" not found`}, false},
		"a command that is missing":      {[]change{waiting("RunContainerError", "no such file", 0)}, v1alpha1.ReasonContainerFailing, []string{"no such file"}, false},
		"a first crash":                  {[]change{crashed("Error", 3, 1)}, v1alpha1.ReasonContainerFailing, []string{"db-0", "code 3 (Error)", "kubectl logs --previous"}, false},
		"crash after crash":              {[]change{crashed("OOMKilled", 137, 3)}, v1alpha1.ReasonContainerFailing, []string{"code 137 (OOMKilled)"}, true},
		"a crash that nobody remembers":  {[]change{waiting("CrashLoopBackOff", "", 9)}, v1alpha1.ReasonContainerFailing, []string{"keeps exiting"}, true},
		"crashes before the pod's start": {[]change{crashed("Error", 3, 5), inInit}, v1alpha1.ReasonContainerFailing, []string{"code 3"}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			trouble := PodTrouble(member(0, test.changes...))
			if trouble == nil {
				if test.reason != "" {
					t.Fatal("no trouble is seen")
				}
				return
			}
			if trouble.Reason != test.reason || trouble.NeedsHuman != test.human {
				t.Errorf("%+v", *trouble)
			}
			for _, says := range test.says {
				if !strings.Contains(trouble.Message, says) {
					t.Errorf("%q does not say %q", trouble.Message, says)
				}
			}
		})
	}
}

func TestWhatNeedsAHumanIsToldFirst(t *testing.T) {
	pods := []*corev1.Pod{member(0), member(1, unschedulable), member(2, waiting("ErrImagePull", "", 0))}
	if trouble := FirstTrouble(pods); trouble == nil || trouble.Reason != v1alpha1.ReasonImagePullFailed {
		t.Errorf("%+v", trouble)
	}
	if trouble := FirstTrouble(pods[:2]); trouble == nil || trouble.Reason != v1alpha1.ReasonUnschedulable {
		t.Errorf("%+v", trouble)
	}
	if trouble := FirstTrouble(pods[:1]); trouble != nil {
		t.Errorf("%+v", trouble)
	}
}

// verdict is what a health is compared by.
type verdict struct {
	state          v1alpha1.ComponentState
	reason         string
	ready, desired int32
	says           string
	human          bool
}

func (v verdict) check(t *testing.T, h Health) {
	t.Helper()
	if h.State != v.state || h.Reason != v.reason || h.Ready != v.ready || h.Desired != v.desired || h.NeedsHuman != v.human {
		t.Errorf("%+v, not %+v", h, v)
	}
	if !strings.Contains(h.Message, v.says) {
		t.Errorf("%q does not say %q", h.Message, v.says)
	}
}

func TestDeploymentHealth(t *testing.T) {
	deployment := func(observed int64, replicas, updated, ready int32) *appsv1.Deployment {
		return &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: "api", Generation: 2},
			Status: appsv1.DeploymentStatus{
				ObservedGeneration: observed, Replicas: replicas, UpdatedReplicas: updated, AvailableReplicas: ready,
			},
		}
	}
	rolling, progressing := v1alpha1.ReasonRollingOut, v1alpha1.StateProgressing
	tests := map[string]struct {
		deployment *appsv1.Deployment
		pods       []*corev1.Pod
		want       verdict
	}{
		"it is not there yet":              {nil, nil, verdict{progressing, rolling, 0, 3, "being created", false}},
		"every pod is ready and new":       {deployment(2, 3, 3, 3), nil, verdict{v1alpha1.StateReady, v1alpha1.ReasonReady, 3, 3, "", false}},
		"more pods than asked for":         {deployment(2, 5, 5, 5), nil, verdict{v1alpha1.StateReady, v1alpha1.ReasonReady, 5, 3, "", false}},
		"its controller has not looked":    {deployment(1, 3, 3, 3), nil, verdict{progressing, rolling, 3, 3, "being replaced", false}},
		"pods of the old template remain":  {deployment(2, 4, 3, 4), nil, verdict{progressing, rolling, 4, 3, "being replaced", false}},
		"the new template has too few":     {deployment(2, 2, 2, 2), nil, verdict{progressing, rolling, 2, 3, "2 of 3 pods are ready", false}},
		"a pod is not ready yet":           {deployment(2, 3, 3, 2), []*corev1.Pod{member(0), member(1, broken)}, verdict{progressing, rolling, 2, 3, "waiting for db-1", false}},
		"a pod finds no node":              {deployment(2, 3, 3, 2), []*corev1.Pod{member(0, unschedulable)}, verdict{progressing, v1alpha1.ReasonUnschedulable, 2, 3, "db-0", false}},
		"the new image cannot be pulled":   {deployment(2, 4, 1, 3), []*corev1.Pod{member(0, waiting("ErrImagePull", "", 0))}, verdict{v1alpha1.StateFailed, v1alpha1.ReasonImagePullFailed, 3, 3, "postgres:1", true}},
		"a straggler when all else serves": {deployment(2, 3, 3, 3), []*corev1.Pod{member(3, crashed("Error", 1, 9))}, verdict{v1alpha1.StateReady, v1alpha1.ReasonReady, 3, 3, "", false}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			h := DeploymentHealth("api", test.deployment, 3, test.pods)
			if h.Name != "api" {
				t.Errorf("name %s", h.Name)
			}
			test.want.check(t, h)
		})
	}
}

func TestStatefulSetHealth(t *testing.T) {
	behind := statefulSet(3)
	behind.Generation = 3
	rolling, progressing := v1alpha1.ReasonRollingOut, v1alpha1.StateProgressing
	tests := map[string]struct {
		set  *appsv1.StatefulSet
		pods []*corev1.Pod
		want verdict
	}{
		"it is not there yet":           {nil, nil, verdict{progressing, rolling, 0, 3, "being created", false}},
		"every pod is ready and new":    {statefulSet(3), []*corev1.Pod{member(0), member(1), member(2)}, verdict{v1alpha1.StateReady, v1alpha1.ReasonReady, 3, 3, "", false}},
		"its controller has not looked": {behind, []*corev1.Pod{member(0), member(1), member(2)}, verdict{progressing, rolling, 3, 3, "being replaced", false}},
		"a pod of the old template":     {statefulSet(3), []*corev1.Pod{member(0), member(1, stale), member(2)}, verdict{progressing, rolling, 3, 3, "being replaced", false}},
		"a pod is missing":              {statefulSet(3), []*corev1.Pod{member(0), member(1)}, verdict{progressing, rolling, 2, 3, "2 of 3 pods are ready", false}},
		"a pod is on its way out":       {statefulSet(3), []*corev1.Pod{member(0), member(1), member(2, terminating)}, verdict{progressing, rolling, 2, 3, "waiting for db-2", false}},
		"a pod crashes":                 {statefulSet(3), []*corev1.Pod{member(0), member(1), member(2, crashed("Error", 1, 4))}, verdict{v1alpha1.StateFailed, v1alpha1.ReasonContainerFailing, 2, 3, "db-2", true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test.want.check(t, StatefulSetHealth("db", test.set, 3, test.pods)) })
	}
}

func TestKeepingAndDegradingSpeakOnlyOfWhatIsReady(t *testing.T) {
	ready := NewHealth("db", v1alpha1.StateReady, v1alpha1.ReasonReady, "")
	ready.Desired = 3
	if h := ready.Keeping(2, "they hold data"); h.State != v1alpha1.StateReady || !strings.Contains(h.Message, "keeps 3 members although 1 are asked for") {
		t.Errorf("%+v", h)
	}
	if h := ready.Keeping(0, "they hold data"); h.Message != "" {
		t.Errorf("%+v", h)
	}
	if h := ready.Degrade(v1alpha1.ReasonNotReplicating, "db-1"); h.State != v1alpha1.StateDegraded || h.Reason != v1alpha1.ReasonNotReplicating {
		t.Errorf("%+v", h)
	}
	failed := NewHealth("db", v1alpha1.StateFailed, v1alpha1.ReasonImagePullFailed, "no image")
	if h := failed.Degrade(v1alpha1.ReasonNotReplicating, "db-1").Keeping(2, "they hold data"); h != failed {
		t.Errorf("worse news were replaced: %+v", h)
	}
}

func TestAClosedGateHoldsEveryPartAndChangesNoCount(t *testing.T) {
	healths := []Health{NewHealth("api", v1alpha1.StateReady, v1alpha1.ReasonReady, "")}
	healths[0].Ready, healths[0].Desired = 2, 3
	held := Held(healths, "waiting for the migration")
	if h := held[0]; h.State != v1alpha1.StateWaiting || h.Reason != v1alpha1.ReasonWaiting || h.Ready != 2 || h.Desired != 3 ||
		h.Message != "waiting for the migration" {
		t.Errorf("%+v", h)
	}
	if healths[0].State != v1alpha1.StateReady {
		t.Error("what was assessed was changed")
	}
}
