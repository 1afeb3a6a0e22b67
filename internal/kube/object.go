package kube

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	acmeta "k8s.io/client-go/applyconfigurations/meta/v1"
	acnet "k8s.io/client-go/applyconfigurations/networking/v1"
	acpolicy "k8s.io/client-go/applyconfigurations/policy/v1"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

// ConfigMap holds configuration files.
func ConfigMap(p plan.Plan, component plan.ComponentName, name string, files map[string]string) *accore.ConfigMapApplyConfiguration {
	return accore.ConfigMap(name, p.Namespace).WithLabels(p.Name.Labels(component)).WithData(files)
}

// Service without a selector; its caller adds ports and, where pods serve it, a selector.
func Service(p plan.Plan, component plan.ComponentName, name string) *accore.ServiceApplyConfiguration {
	return accore.Service(name, p.Namespace).
		WithLabels(p.Name.Labels(component)).
		WithSpec(accore.ServiceSpec())
}

// Headless names pods in DNS, ready or not.
func Headless(p plan.Plan, component plan.ComponentName, name string, selector map[string]string, ports ...*accore.ServicePortApplyConfiguration) *accore.ServiceApplyConfiguration {
	service := Service(p, component, name)
	service.Spec.
		WithClusterIP(corev1.ClusterIPNone).
		WithPublishNotReadyAddresses(true).
		WithSelector(selector).
		WithPorts(ports...)
	return service
}

// ServicePort maps a port of a Service to a named port of its pods.
func ServicePort(name string, port int32) *accore.ServicePortApplyConfiguration {
	return accore.ServicePort().
		WithName(name).
		WithPort(port).
		WithProtocol(corev1.ProtocolTCP).
		WithTargetPort(intstr.FromString(name))
}

// DisruptionBudget lets at most one of the selected pods go at a time.
func DisruptionBudget(p plan.Plan, component plan.ComponentName, name string, selector *acmeta.LabelSelectorApplyConfiguration) *acpolicy.PodDisruptionBudgetApplyConfiguration {
	return acpolicy.PodDisruptionBudget(name, p.Namespace).
		WithLabels(p.Name.Labels(component)).
		WithSpec(acpolicy.PodDisruptionBudgetSpec().
			WithMaxUnavailable(intstr.FromInt32(1)).
			WithSelector(selector))
}

// Claim is a volume claim template. Its labels are fixed: a template cannot change later.
func Claim(p plan.Plan, component plan.ComponentName, name string, storage plan.Storage) *accore.PersistentVolumeClaimApplyConfiguration {
	spec := accore.PersistentVolumeClaimSpec().
		WithAccessModes(corev1.ReadWriteOnce).
		WithVolumeMode(corev1.PersistentVolumeFilesystem).
		WithResources(accore.VolumeResourceRequirements().
			WithRequests(corev1.ResourceList{corev1.ResourceStorage: storage.Size}))
	if storage.ClassName != "" {
		spec.WithStorageClassName(storage.ClassName)
	}
	claim := accore.PersistentVolumeClaim(name, "").WithLabels(p.Name.Labels(component)).WithSpec(spec)
	// What a client does not read back of a template would look like a change of it.
	claim.Namespace, claim.Kind, claim.APIVersion = nil, nil, nil
	return claim
}

// Ingress admits traffic to ports of the selected pods: from the cluster's own pods, and from
// anywhere on the ports in open.
func Ingress(p plan.Plan, component plan.ComponentName, name string, inside, open []int32) *acnet.NetworkPolicyApplyConfiguration {
	spec := acnet.NetworkPolicySpec().
		WithPodSelector(Selector(p, component, nil)).
		WithPolicyTypes("Ingress")
	if len(inside) > 0 {
		operator := acnet.NetworkPolicyPeer().
			WithNamespaceSelector(acmeta.LabelSelector()).
			WithPodSelector(acmeta.LabelSelector().WithMatchLabels(map[string]string{plan.LabelName: plan.ManagedBy}))
		members := acnet.NetworkPolicyPeer().
			WithPodSelector(acmeta.LabelSelector().WithMatchLabels(map[string]string{plan.LabelCluster: string(p.Name)}))
		spec.WithIngress(acnet.NetworkPolicyIngressRule().WithFrom(members, operator).WithPorts(policyPorts(inside)...))
	}
	if len(open) > 0 {
		spec.WithIngress(acnet.NetworkPolicyIngressRule().WithPorts(policyPorts(open)...))
	}
	return acnet.NetworkPolicy(name, p.Namespace).WithLabels(p.Name.Labels(component)).WithSpec(spec)
}

// AdmitScrapers also admits the pods of namespaces that are labelled for it to a port.
func AdmitScrapers(policy *acnet.NetworkPolicyApplyConfiguration, port int32) *acnet.NetworkPolicyApplyConfiguration {
	scrapers := acnet.NetworkPolicyPeer().WithNamespaceSelector(
		acmeta.LabelSelector().WithMatchLabels(map[string]string{plan.LabelMetrics: plan.MetricsEnabled}))
	policy.Spec.WithIngress(acnet.NetworkPolicyIngressRule().WithFrom(scrapers).WithPorts(policyPorts([]int32{port})...))
	return policy
}

func policyPorts(ports []int32) []*acnet.NetworkPolicyPortApplyConfiguration {
	list := make([]*acnet.NetworkPolicyPortApplyConfiguration, 0, len(ports))
	for _, port := range ports {
		list = append(list, acnet.NetworkPolicyPort().
			WithProtocol(corev1.ProtocolTCP).WithPort(intstr.FromInt32(port)))
	}
	return list
}
