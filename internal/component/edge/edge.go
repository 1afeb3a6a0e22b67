// Package edge renders and judges the HTTP caches: nginx, one StatefulSet per region, each with a
// cache on disk that survives a restart.
package edge

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/kube"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Ports of the edge: traffic, and health with figures.
const (
	httpPort    int32 = 8080
	statusPort  int32 = 8081
	servicePort int32 = 80
)

// Component is the HTTP caches.
func Component() component.Component {
	return component.Component{Name: plan.Edge, Render: render, Assess: assess}
}

func render(p plan.Plan) component.Rendered {
	name := p.Name.Component(plan.Edge)
	objects := component.Owned(
		service(p, name, nil),
		kube.Ingress(p, plan.Edge, name, []int32{statusPort}, []int32{httpPort}))
	for _, region := range p.Edge.Regions {
		name := p.Name.EdgeRegion(region.Name)
		files := map[string]string{"nginx.conf": configuration(p, region)}
		objects = append(objects, component.Owned(
			kube.ConfigMap(p, plan.Edge, name, files),
			service(p, name, regionLabels(region)),
			kube.Headless(p, plan.Edge, p.Name.EdgeRegionMembers(region.Name),
				kube.SelectorLabels(p, plan.Edge, regionLabels(region)), kube.ServicePort("http", httpPort)),
			statefulSet(p, region, files),
			kube.DisruptionBudget(p, plan.Edge, name, kube.Selector(p, plan.Edge, regionLabels(region))),
		)...)
	}
	return component.Rendered{Objects: objects}
}

func regionLabels(region plan.EdgeRegionPlan) map[string]string {
	return map[string]string{plan.LabelEdgeRegion: region.Name}
}

// service prefers an edge in the caller's own zone.
func service(p plan.Plan, name string, narrow map[string]string) *accore.ServiceApplyConfiguration {
	service := kube.Service(p, plan.Edge, name)
	service.Spec.
		WithType(corev1.ServiceType(p.Edge.ServiceType)).
		WithTrafficDistribution(corev1.ServiceTrafficDistributionPreferSameZone).
		WithSelector(kube.SelectorLabels(p, plan.Edge, narrow)).
		WithPorts(kube.ServicePort("http", servicePort))
	return service
}

func statefulSet(p plan.Plan, region plan.EdgeRegionPlan, files map[string]string) *acapps.StatefulSetApplyConfiguration {
	name := p.Name.EdgeRegion(region.Name)
	spec := kube.PodSpec(p, kube.ServiceUser).
		WithTerminationGracePeriodSeconds(40).
		WithTopologySpreadConstraints(kube.SpreadHard(p, plan.Edge, regionLabels(region))).
		WithContainers(container(p)).
		WithVolumes(kube.ConfigMapVolume("config", name), kube.EmptyDir("tmp"))
	if region.Pinned {
		spec.WithAffinity(kube.InRegion(region.Name))
	}
	return acapps.StatefulSet(name, p.Namespace).
		WithLabels(p.Name.Labels(plan.Edge)).
		WithAnnotations(kube.ResizeAnnotations(p)).
		WithSpec(acapps.StatefulSetSpec().
			WithReplicas(region.Replicas).
			WithServiceName(p.Name.EdgeRegionMembers(region.Name)).
			WithPodManagementPolicy(appsv1.ParallelPodManagement).
			WithUpdateStrategy(kube.OnDelete()).
			// A cache is not data: its volumes go with the pods.
			WithPersistentVolumeClaimRetentionPolicy(acapps.StatefulSetPersistentVolumeClaimRetentionPolicy().
				WithWhenDeleted(appsv1.DeletePersistentVolumeClaimRetentionPolicyType).
				WithWhenScaled(appsv1.DeletePersistentVolumeClaimRetentionPolicyType)).
			WithSelector(kube.Selector(p, plan.Edge, regionLabels(region))).
			WithTemplate(kube.StatefulTemplate(kube.Labels(p, plan.Edge, regionLabels(region)), kube.HashMap(files), spec)).
			WithVolumeClaimTemplates(kube.Claim(p, plan.Edge, "cache", p.Edge.Storage)))
}

func container(p plan.Plan) *accore.ContainerApplyConfiguration {
	probe := kube.Probe{Period: 5, Timeout: 3, Failures: 3}
	return kube.Container("nginx", p.Edge.Image, p.Edge.Resources).
		WithCommand("nginx", "-c", "/etc/nginx/fediflow/nginx.conf", "-g", "daemon off;").
		WithPorts(kube.Port("http", httpPort), kube.Port("status", statusPort)).
		WithVolumeMounts(
			kube.Mount("config", "/etc/nginx/fediflow").WithReadOnly(true),
			kube.Mount("cache", "/var/cache/nginx"),
			kube.Mount("tmp", "/tmp")).
		WithReadinessProbe(probe.HTTP("/healthz", "status")).
		WithLivenessProbe(kube.Probe{Period: 10, Timeout: 5, Failures: 6}.HTTP("/healthz", "status")).
		WithLifecycle(kube.SleepBeforeStop(5))
}

// Sets are the StatefulSets and pods of every region.
func Sets(p plan.Plan, w component.World) map[string][]*corev1.Pod {
	sets := map[string][]*corev1.Pod{}
	for _, region := range p.Edge.Regions {
		sets[p.Name.EdgeRegion(region.Name)] = w.PodsWith(kube.SelectorLabels(p, plan.Edge, regionLabels(region)))
	}
	return sets
}

func assess(p plan.Plan, w component.World) []component.Health {
	healths := make([]component.Health, 0, len(p.Edge.Regions))
	for _, region := range p.Edge.Regions {
		name := p.Name.EdgeRegion(region.Name)
		pods := w.PodsWith(kube.SelectorLabels(p, plan.Edge, regionLabels(region)))
		healths = append(healths, component.StatefulSetHealth(
			fmt.Sprintf("%s-%s", plan.Edge, region.Name), w.StatefulSet(name), region.Replicas, pods))
	}
	return healths
}
