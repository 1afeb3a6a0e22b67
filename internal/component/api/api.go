// Package api renders and judges the HTTP and ActivityPub servers: a Deployment whose replica
// count belongs to its HorizontalPodAutoscaler alone.
package api

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	acscaling "k8s.io/client-go/applyconfigurations/autoscaling/v2"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/contract"
	"github.com/fediflow/fediflow-operator/internal/component/migration"
	"github.com/fediflow/fediflow-operator/internal/kube"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// ServicePort is the port of the API Service.
const ServicePort int32 = 80

// Component is the HTTP and ActivityPub servers.
func Component() component.Component {
	return component.Component{Name: plan.API, Gate: gate, Render: render, Assess: assess}
}

// gate keeps pods of a new image back until the schema is ready for them.
func gate(p plan.Plan, w component.World) component.Gate {
	if migration.Done(p, w) {
		return component.Gate{Open: true}
	}
	return component.Gate{Message: "waiting for the migration"}
}

func render(p plan.Plan) component.Rendered {
	name := p.Name.Component(plan.API)
	return component.Rendered{
		Objects: component.Owned(
			service(p), deployment(p), autoscaler(p),
			kube.DisruptionBudget(p, plan.API, name, kube.Selector(p, plan.API, nil)),
			kube.Ingress(p, plan.API, name, []int32{contract.Port}, nil),
		),
		Secrets: []component.Secret{{
			Namespace: p.Namespace,
			Name:      p.Name.AppSecrets(),
			Labels:    p.Name.Labels(plan.API),
			Random:    []string{contract.KeyAdminToken},
		}},
	}
}

func service(p plan.Plan) *accore.ServiceApplyConfiguration {
	service := kube.Service(p, plan.API, p.Name.Component(plan.API))
	port := kube.ServicePort("http", ServicePort)
	service.Spec.WithSelector(kube.SelectorLabels(p, plan.API, nil)).WithPorts(port)
	return service
}

func deployment(p plan.Plan) *acapps.DeploymentApplyConfiguration {
	spec := kube.PodSpec(p, kube.ApplicationUser).
		WithTerminationGracePeriodSeconds(contract.ShutdownGraceSeconds+15).
		WithTopologySpreadConstraints(kube.SpreadSoft(p, plan.API, nil)).
		WithContainers(container(p)).
		WithVolumes(kube.EmptyDir("tmp"), kube.AuthoritiesVolume(p.CertificateSecret(plan.Pooler)))
	return acapps.Deployment(p.Name.Component(plan.API), p.Namespace).
		WithLabels(p.Name.Labels(plan.API)).
		WithSpec(acapps.DeploymentSpec().
			WithStrategy(kube.SurgeOnly()).
			WithMinReadySeconds(kube.RoutedSeconds).
			WithSelector(kube.Selector(p, plan.API, nil)).
			WithTemplate(accore.PodTemplateSpec().
				WithLabels(p.Name.Labels(plan.API)).
				// Applications may read whom to trust only at their start.
				WithAnnotations(map[string]string{plan.AnnotationConfigHash: kube.Hash(p.Certificates.Authorities)}).
				WithSpec(spec)))
}

func container(p plan.Plan) *accore.ContainerApplyConfiguration {
	// Readiness asks the database. A failover must not take all pods out of the Service at once:
	// they can still serve what needs no database, and are needed the moment it is back.
	probe := kube.Probe{Period: 3, Timeout: 3, Failures: 10}
	return kube.Container("api", p.Image, p.API.Resources).
		WithPorts(kube.Port("http", contract.Port)).
		WithEnv(contract.Pooled(p)...).
		WithVolumeMounts(kube.Mount("tmp", "/tmp"), kube.CertificateMount()).
		WithStartupProbe(kube.Probe{Period: 1, Timeout: 3, Failures: 120}.HTTP("/healthz", "http")).
		WithReadinessProbe(probe.HTTP("/readyz", "http")).
		WithLivenessProbe(kube.Probe{Period: 10, Timeout: 5, Failures: 6}.HTTP("/healthz", "http")).
		WithLifecycle(kube.SleepBeforeStop(5))
}

func autoscaler(p plan.Plan) *acscaling.HorizontalPodAutoscalerApplyConfiguration {
	name := p.Name.Component(plan.API)
	scaling := p.API.Autoscaling
	return acscaling.HorizontalPodAutoscaler(name, p.Namespace).
		WithLabels(p.Name.Labels(plan.API)).
		WithSpec(acscaling.HorizontalPodAutoscalerSpec().
			WithScaleTargetRef(acscaling.CrossVersionObjectReference().
				WithAPIVersion("apps/v1").WithKind("Deployment").WithName(name)).
			WithMinReplicas(scaling.MinReplicas).
			WithMaxReplicas(scaling.MaxReplicas).
			WithMetrics(
				metric(corev1.ResourceCPU, scaling.CPUUtilization),
				metric(corev1.ResourceMemory, scaling.MemoryUtilization)))
}

func metric(name corev1.ResourceName, utilization int32) *acscaling.MetricSpecApplyConfiguration {
	return acscaling.MetricSpec().
		WithType(autoscalingv2.ResourceMetricSourceType).
		WithResource(acscaling.ResourceMetricSource().
			WithName(name).
			WithTarget(acscaling.MetricTarget().
				WithType(autoscalingv2.UtilizationMetricType).
				WithAverageUtilization(utilization)))
}

func assess(p plan.Plan, w component.World) []component.Health {
	deployment := w.Deployment(p.Name.Component(plan.API))
	desired := p.API.Autoscaling.MinReplicas
	if deployment != nil && deployment.Spec.Replicas != nil {
		desired = max(desired, *deployment.Spec.Replicas)
	}
	pods := w.PodsWith(kube.SelectorLabels(p, plan.API, nil))
	return []component.Health{component.DeploymentHealth(string(plan.API), deployment, desired, pods)}
}
