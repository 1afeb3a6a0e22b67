package apply

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	acautoscaling "k8s.io/client-go/applyconfigurations/autoscaling/v2"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/internal/component"
)

// liveOf reads a prepared object into its type, as the API server would return it.
func liveOf(t *testing.T, object component.Object, into runtime.Object) {
	t.Helper()
	desired, err := Prepare(owner, object)
	if err != nil {
		t.Fatal(err)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(desired.Object, into); err != nil {
		t.Fatal(err)
	}
}

func unchanged(t *testing.T, object component.Object, live runtime.Object) bool {
	t.Helper()
	desired, err := Prepare(owner, object)
	if err != nil {
		t.Fatal(err)
	}
	same, err := Unchanged(desired, live)
	if err != nil {
		t.Fatal(err)
	}
	return same
}

func TestQuantitiesOfATypedObjectAreReadInAnyNotation(t *testing.T) {
	cores := func(cpu, memory string) component.Object {
		return deployment(func(d *acapps.DeploymentApplyConfiguration) {
			d.Spec.Template.Spec.Containers[0].WithResources(accore.ResourceRequirements().WithRequests(corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
			}))
		})
	}
	object := cores("1000m", "1024Mi")
	live := &appsv1.Deployment{}
	liveOf(t, object, live)
	requests := live.Spec.Template.Spec.Containers[0].Resources.Requests
	requests[corev1.ResourceCPU], requests[corev1.ResourceMemory] = resource.MustParse("1"), resource.MustParse("1Gi")
	if !unchanged(t, object, live) {
		t.Error("one core is not 1000m, or one GiB not 1024 MiB")
	}
	requests[corev1.ResourceCPU] = resource.MustParse("1001m")
	if unchanged(t, object, live) {
		t.Error("another request is not noticed")
	}
}

func TestAServiceIsUnchangedWithWhatTheServerAdds(t *testing.T) {
	object := component.Owned(accore.Service("db", "social").WithSpec(accore.ServiceSpec().
		WithSelector(map[string]string{"a": "b"}).
		WithPorts(
			accore.ServicePort().WithName("http").WithPort(80).WithTargetPort(intstr.FromString("http")),
			accore.ServicePort().WithName("admin").WithPort(81).WithTargetPort(intstr.FromInt32(8081)),
		)))[0]
	live := &corev1.Service{}
	liveOf(t, object, live)
	live.Spec.ClusterIP, live.Spec.ClusterIPs = "10.0.0.1", []string{"10.0.0.1"}
	live.Spec.Type, live.Spec.SessionAffinity = corev1.ServiceTypeClusterIP, corev1.ServiceAffinityNone
	for i := range live.Spec.Ports {
		live.Spec.Ports[i].Protocol, live.Spec.Ports[i].NodePort = corev1.ProtocolTCP, 31000
	}
	if !unchanged(t, object, live) {
		t.Error("what the server added counts as a change")
	}
	live.Spec.Ports[1].TargetPort = intstr.FromInt32(8082)
	if unchanged(t, object, live) {
		t.Error("another target port is not noticed")
	}
}

// Metrics have no merge key: their order counts.
func TestAnAutoscalerIsUnchangedWithItsMetrics(t *testing.T) {
	metric := func(name corev1.ResourceName, percent int32) *acautoscaling.MetricSpecApplyConfiguration {
		return acautoscaling.MetricSpec().WithType(autoscalingv2.ResourceMetricSourceType).WithResource(
			acautoscaling.ResourceMetricSource().WithName(name).WithTarget(
				acautoscaling.MetricTarget().WithType(autoscalingv2.UtilizationMetricType).WithAverageUtilization(percent)))
	}
	autoscaler := func(percent int32) component.Object {
		return component.Owned(acautoscaling.HorizontalPodAutoscaler("api", "social").WithSpec(
			acautoscaling.HorizontalPodAutoscalerSpec().WithMaxReplicas(5).
				WithMetrics(metric(corev1.ResourceCPU, percent), metric(corev1.ResourceMemory, 80))))[0]
	}
	live := &autoscalingv2.HorizontalPodAutoscaler{}
	liveOf(t, autoscaler(70), live)
	live.Status.CurrentReplicas = 4
	if !unchanged(t, autoscaler(70), live) {
		t.Error("the same autoscaler counts as changed")
	}
	*live.Spec.Metrics[0].Resource.Target.AverageUtilization = 71
	if unchanged(t, autoscaler(70), live) {
		t.Error("another target is not noticed")
	}
}

// In each, the live object still holds every value that is desired now; only the digest tells.
func TestWhatIsNoLongerRenderedIsNoticed(t *testing.T) {
	tests := map[string]func(*acapps.DeploymentApplyConfiguration){
		"an environment variable": func(d *acapps.DeploymentApplyConfiguration) {
			d.Spec.Template.Spec.Containers[0].WithEnv(accore.EnvVar().WithName("OLD").WithValue("1"))
		},
		"a container": func(d *acapps.DeploymentApplyConfiguration) {
			d.Spec.Template.Spec.WithContainers(accore.Container().WithName("old").WithImage("old:1"))
		},
		"a label":       func(d *acapps.DeploymentApplyConfiguration) { d.WithLabels(map[string]string{"old": "x"}) },
		"an annotation": func(d *acapps.DeploymentApplyConfiguration) { d.WithAnnotations(map[string]string{"old": "x"}) },
		"a volume without fields": func(d *acapps.DeploymentApplyConfiguration) {
			d.Spec.Template.Spec.WithVolumes(accore.Volume().WithName("tmp").WithEmptyDir(accore.EmptyDirVolumeSource()))
		},
	}
	for name, rendered := range tests {
		t.Run(name, func(t *testing.T) {
			live := applied(t, deployment(rendered))
			if !unchanged(t, deployment(rendered), live) {
				t.Error("it counts as changed while it is rendered")
			}
			if unchanged(t, deployment(), live) {
				t.Error("it stays although it is no longer rendered")
			}
		})
	}
}

// TestSafetyAnObjectThatIsToOutliveItsClusterLosesItsOwner: the garbage collector follows owners.
func TestSafetyAnObjectThatIsToOutliveItsClusterLosesItsOwner(t *testing.T) {
	service := accore.Service("db", "social")
	live := &corev1.Service{}
	liveOf(t, component.Owned(service)[0], live)
	if unchanged(t, component.Retained(service)[0], live) {
		t.Error("the owner stays")
	}
}

// unreadable is an object that no converter can read.
type unreadable struct {
	corev1.Pod

	Channel chan int
}

func TestSafetyAnObjectThatCannotBeReadIsNotTakenForUnchanged(t *testing.T) {
	desired, err := Prepare(owner, deployment())
	if err != nil {
		t.Fatal(err)
	}
	if same, err := Unchanged(desired, &unreadable{}); same || err == nil {
		t.Errorf("unchanged: %v, error: %v", same, err)
	}
}

func TestAnEmptyListHasNoMergeKey(t *testing.T) {
	for _, list := range []string{"list: [{name: a}]", "list: [a]"} {
		if holds(parse(t, list), parse(t, "list: []")) {
			t.Errorf("%s passes for an empty list", list)
		}
	}
	if !holds(parse(t, "list: []"), parse(t, "list: []")) {
		t.Error("an empty list differs from itself")
	}
}
