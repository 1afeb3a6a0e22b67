package component

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// sized asks for other resources than the template.
func sized(cpu, memory string) change {
	return func(pod *corev1.Pod) { pod.Spec.Containers[0].Resources = resources(cpu, memory) }
}

// actual is what the container has at the moment, whatever the pod asks for.
func actual(cpu, memory string) change {
	return func(pod *corev1.Pod) {
		have := resources(cpu, memory)
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "postgres", Resources: &have}}
	}
}

// pending is a resize that the node puts off or cannot do at all.
func pending(status corev1.ConditionStatus, reason string) change {
	return func(pod *corev1.Pod) {
		pod.Status.Conditions = append(pod.Status.Conditions,
			corev1.PodCondition{Type: corev1.PodResizePending, Status: status, Reason: reason})
	}
}

// withSidecar has a container that the template does not have.
func withSidecar(pod *corev1.Pod) {
	pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Name: "sidecar", Resources: resources("2", "2Gi")})
}

// setWithSidecar wants a container beside the main one.
func setWithSidecar(cpu, memory string) *appsv1.StatefulSet {
	set := statefulSet(1)
	containers := &set.Spec.Template.Spec.Containers
	*containers = append(*containers, corev1.Container{Name: "sidecar", Resources: resources(cpu, memory)})
	return set
}

func replacingSet() *appsv1.StatefulSet {
	set := statefulSet(1)
	set.Annotations = map[string]string{plan.AnnotationResize: plan.ResizeByReplacement}
	return set
}

func TestAPodIsResizedWhereThatIsEnoughAndReplacedOtherwise(t *testing.T) {
	upgraded := statefulSet(1)
	upgraded.Spec.Template.Annotations = nil
	infeasible, deferred := corev1.PodReasonInfeasible, corev1.PodReasonDeferred
	tests := map[string]struct {
		set              *appsv1.StatefulSet
		changes          []change
		resizable, stale bool
	}{
		"it is as the template says":             {statefulSet(1), nil, false, false},
		"other CPU":                              {statefulSet(1), []change{sized("2", "1Gi")}, true, false},
		"more memory":                            {statefulSet(1), []change{sized("1", "512Mi")}, true, false},
		"less memory":                            {statefulSet(1), []change{sized("1", "4Gi")}, true, false},
		"the same in other words":                {statefulSet(1), []change{sized("1000m", "1024Mi")}, false, false},
		"a container of somebody else":           {statefulSet(1), []change{withSidecar}, false, false},
		"a sidecar as the template says":         {setWithSidecar("2", "2Gi"), []change{withSidecar}, false, false},
		"a sidecar with other memory":            {setWithSidecar("2", "1Gi"), []change{withSidecar}, true, false},
		"another template":                       {statefulSet(1), []change{stale}, false, true},
		"another template and other CPU":         {statefulSet(1), []change{stale, sized("2", "1Gi")}, false, true},
		"the node can never fit the resize":      {statefulSet(1), []change{pending(corev1.ConditionTrue, infeasible)}, false, true},
		"the node cannot fit the resize now":     {statefulSet(1), []change{pending(corev1.ConditionTrue, deferred)}, false, true},
		"the node has made room":                 {statefulSet(1), []change{pending(corev1.ConditionFalse, deferred)}, false, false},
		"on its way out with other CPU":          {statefulSet(1), []change{sized("2", "1Gi"), terminating}, false, false},
		"Kubernetes cannot resize":               {replacingSet(), []change{sized("2", "1Gi")}, false, true},
		"Kubernetes cannot resize, nothing to":   {replacingSet(), nil, false, false},
		"a StatefulSet of an older operator":     {upgraded, nil, false, true},
		"the same, and Kubernetes resizes to it": {upgraded, []change{sized("2", "1Gi")}, false, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pods := []*corev1.Pod{member(0, test.changes...)}
			if got := len(Resizable(test.set, pods)) == 1; got != test.resizable {
				t.Errorf("resizable: %t", got)
			}
			if got := len(Stale(test.set, pods)) == 1; got != test.stale {
				t.Errorf("stale: %t", got)
			}
		})
	}
	if Resizable(nil, []*corev1.Pod{member(0)}) != nil {
		t.Error("pods without a StatefulSet are resized")
	}
}

func TestAResizeDisruptsNobody(t *testing.T) {
	pods := []*corev1.Pod{member(0, sized("2", "1Gi")), member(1, sized("2", "1Gi")), member(2)}
	if got := describe(NextStep(statefulSet(3), pods, "db-0", []string{"db-1"})); got != "nothing" {
		t.Error(got)
	}
	if got := len(Resizable(statefulSet(3), pods)); got != 2 {
		t.Errorf("%d pods are resized", got)
	}
}

func TestARefusedResizeIsRolledLikeAnyOtherChange(t *testing.T) {
	refused := pending(corev1.ConditionTrue, corev1.PodReasonInfeasible)
	pods := []*corev1.Pod{member(0, refused), member(1, refused), member(2)}
	step := func() string { return describe(NextStep(statefulSet(3), pods, "db-1", []string{"db-2", "db-0"})) }
	if got := step(); got != "delete db-0" {
		t.Errorf("first %s", got)
	}
	pods[0] = member(0)
	if got := step(); got != "hand over db-1 to [db-2 db-0]" {
		t.Errorf("then %s", got)
	}
}

func TestWhereKubernetesCannotResizeEveryPodIsReplacedInTurn(t *testing.T) {
	pods := []*corev1.Pod{member(0, sized("2", "1Gi")), member(1, sized("2", "1Gi")), member(2)}
	set := replacingSet()
	set.Spec.Replicas = statefulSet(3).Spec.Replicas
	if got := describe(NextStep(set, pods, "db-0", []string{"db-1"})); got != "delete db-1" {
		t.Error(got)
	}
}

func TestHealthIsNotReadyWhileAResizeIsUnderWay(t *testing.T) {
	rolling, progressing := v1alpha1.ReasonRollingOut, v1alpha1.StateProgressing
	done := verdict{v1alpha1.StateReady, v1alpha1.ReasonReady, 1, 1, "", false}
	underWay := verdict{progressing, rolling, 1, 1, "replaced or resized", false}
	tests := map[string]struct {
		set     *appsv1.StatefulSet
		changes []change
		want    verdict
	}{
		"it has not been asked for":            {statefulSet(1), []change{sized("2", "1Gi")}, underWay},
		"the container has the CPU of before":  {statefulSet(1), []change{actual("2", "1Gi")}, underWay},
		"the container has the memory of then": {statefulSet(1), []change{actual("1", "2Gi")}, underWay},
		"the node refuses it":                  {statefulSet(1), []change{pending(corev1.ConditionTrue, corev1.PodReasonDeferred)}, underWay},
		"it is done":                           {statefulSet(1), []change{actual("1", "1Gi")}, done},
		"a kubelet that tells no resources":    {statefulSet(1), nil, done},
		"the pod waits for its replacement":    {replacingSet(), []change{sized("2", "1Gi")}, underWay},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			test.want.check(t, StatefulSetHealth("db", test.set, 1, []*corev1.Pod{member(0, test.changes...)}))
		})
	}
}
