package controllers

import (
	"context"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func TestFieldsHaveOneOwner(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.waitReady(t)
	api := names.Component(plan.API)

	t.Run("replicas are the autoscaler's", func(t *testing.T) {
		p.scale(t, must(t, p, api, &appsv1.Deployment{}), 2)
		p.passes(t, 2)
		p.respec(t, func(s *v1alpha1.FediFlowClusterSpec) {
			s.API = &v1alpha1.APISpec{Resources: &v1alpha1.ResourceOverride{Memory: new(resource.MustParse("400Mi"))}}
		})
		p.waitReady(t)
		deployment := must(t, p, api, &appsv1.Deployment{})
		if got := *deployment.Spec.Replicas; got != 2 {
			t.Errorf("the autoscaler wants 2 pods, the Deployment says %d", got)
		}
		if got := deployment.Spec.Template.Spec.Containers[0].Resources.Limits.Memory().String(); got != "400Mi" {
			t.Errorf("memory is %s: the change was not applied", got)
		}
		if status := p.cluster(t).Status.API; status != "2/2" {
			t.Errorf("status.api is %s", status)
		}
	})
	t.Run("foreign labels, annotations and fields stay", func(t *testing.T) {
		change(t, p, api, &appsv1.Deployment{}, func(d *appsv1.Deployment) {
			metav1.SetMetaDataAnnotation(&d.ObjectMeta, "example.com/on-call", "alice")
			metav1.SetMetaDataLabel(&d.ObjectMeta, "example.com/team", "social")
			metav1.SetMetaDataAnnotation(&d.Spec.Template.ObjectMeta, "kubectl.kubernetes.io/restartedAt", "now")
			d.Spec.RevisionHistoryLimit = new(int32(3))
		})
		p.play(t)
		p.quiet(t)
		start := current.wire.mark()
		p.passes(t, 2)
		if writes := current.wire.writesSince(start, p.namespace); len(writes) > 0 {
			t.Errorf("the operator wrote %v", writes)
		}
		p.respec(t, func(s *v1alpha1.FediFlowClusterSpec) { s.API = nil })
		p.waitReady(t)
		d := must(t, p, api, &appsv1.Deployment{})
		if d.Annotations["example.com/on-call"] != "alice" || d.Labels["example.com/team"] != "social" ||
			d.Spec.Template.Annotations["kubectl.kubernetes.io/restartedAt"] != "now" || *d.Spec.RevisionHistoryLimit != 3 {
			t.Errorf("lost: %v %v %v %d", d.Annotations, d.Labels, d.Spec.Template.Annotations, *d.Spec.RevisionHistoryLimit)
		}
	})
	t.Run("our fields are put back", func(t *testing.T) { testDrift(t, p) })
	t.Run("deleted objects come back", func(t *testing.T) { testDeletedObjects(t, p) })
}

// drifted is an edit of one of our fields by hand, and what must be there again.
type drifted struct {
	edit func(t *testing.T, p *platform)
	back func(t *testing.T, p *platform) bool
}

func drift[T client.Object](name string, object func() T, edit func(T), back func(T) bool) drifted {
	return drifted{
		func(t *testing.T, p *platform) { t.Helper(); change(t, p, name, object(), edit) },
		func(t *testing.T, p *platform) bool { t.Helper(); return back(must(t, p, name, object())) },
	}
}

func testDrift(t *testing.T, p *platform) {
	t.Helper()
	api, database := names.Component(plan.API), names.Component(plan.Postgres)
	for name, test := range map[string]drifted{
		"an image": drift(api, func() *appsv1.Deployment { return &appsv1.Deployment{} },
			func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "example.com/other:1" },
			func(d *appsv1.Deployment) bool { return d.Spec.Template.Spec.Containers[0].Image == applicationImage }),
		"a removed environment variable": drift(api, func() *appsv1.Deployment { return &appsv1.Deployment{} },
			func(d *appsv1.Deployment) {
				d.Spec.Template.Spec.Containers[0].Env = d.Spec.Template.Spec.Containers[0].Env[1:]
			},
			func(d *appsv1.Deployment) bool {
				return d.Spec.Template.Spec.Containers[0].Env[0].Name == "FEDIFLOW_DOMAIN"
			}),
		"a scaled StatefulSet": drift(database, func() *appsv1.StatefulSet { return &appsv1.StatefulSet{} },
			func(s *appsv1.StatefulSet) { s.Spec.Replicas = new(int32(0)) },
			func(s *appsv1.StatefulSet) bool { return *s.Spec.Replicas == 1 }),
		"the bounds of the autoscaler": drift(api,
			func() *autoscalingv2.HorizontalPodAutoscaler { return &autoscalingv2.HorizontalPodAutoscaler{} },
			func(a *autoscalingv2.HorizontalPodAutoscaler) { a.Spec.MaxReplicas = 77 },
			func(a *autoscalingv2.HorizontalPodAutoscaler) bool { return a.Spec.MaxReplicas == 2 }),
		"a port of a Service": drift(api, func() *corev1.Service { return &corev1.Service{} },
			func(s *corev1.Service) { s.Spec.Ports[0].TargetPort = intstr.FromInt32(1) },
			func(s *corev1.Service) bool { return s.Spec.Ports[0].TargetPort == intstr.FromString("http") }),
		"the selector of a Service": drift(names.PostgresReadOnly(), func() *corev1.Service { return &corev1.Service{} },
			func(s *corev1.Service) { delete(s.Spec.Selector, plan.LabelRole) },
			func(s *corev1.Service) bool { return s.Spec.Selector[plan.LabelRole] == "replica" }),
		"a disruption budget": drift(database, func() *policyv1.PodDisruptionBudget { return &policyv1.PodDisruptionBudget{} },
			func(b *policyv1.PodDisruptionBudget) { b.Spec.MaxUnavailable = new(intstr.FromInt32(9)) },
			func(b *policyv1.PodDisruptionBudget) bool { return b.Spec.MaxUnavailable.IntValue() == 1 }),
		"an opened firewall": drift(database, func() *networkingv1.NetworkPolicy { return &networkingv1.NetworkPolicy{} },
			func(n *networkingv1.NetworkPolicy) { n.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}} },
			func(n *networkingv1.NetworkPolicy) bool {
				return len(n.Spec.Ingress) == 2 && len(n.Spec.Ingress[0].From) == 2
			}),
		"more rights for Patroni": drift(database, func() *rbacv1.Role { return &rbacv1.Role{} },
			func(r *rbacv1.Role) {
				r.Rules = append(r.Rules, rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"secrets"}})
			},
			func(r *rbacv1.Role) bool { return len(r.Rules) == 2 }),
		"a label of ours": drift(api, func() *corev1.Service { return &corev1.Service{} },
			func(s *corev1.Service) { s.Labels[plan.LabelComponent] = "other" },
			func(s *corev1.Service) bool { return s.Labels[plan.LabelComponent] == string(plan.API) }),
		"the label that says whose it is": drift(api, func() *corev1.Service { return &corev1.Service{} },
			func(s *corev1.Service) { delete(s.Labels, plan.LabelManagedBy) },
			func(s *corev1.Service) bool { return s.Labels[plan.LabelManagedBy] == plan.ManagedBy }),
	} {
		t.Run(name, func(t *testing.T) {
			test.edit(t, p)
			eventually(t, "put back", func() (bool, string) { return test.back(t, p), "still as edited" })
		})
	}
	p.waitReady(t)
}

func testDeletedObjects(t *testing.T, p *platform) {
	t.Helper()
	before := p.objects(t)
	deleted := map[string]bool{}
	for _, kind := range writtenKinds() {
		if _, secret := kind.(*corev1.Secret); secret {
			continue
		}
		options := []client.DeleteAllOfOption{client.InNamespace(p.namespace), client.MatchingLabels{plan.LabelCluster: string(names)},
			client.PropagationPolicy(metav1.DeletePropagationBackground)}
		if err := admin.DeleteAllOf(t.Context(), kind, options...); err != nil {
			t.Fatal(err)
		}
	}
	for name, object := range before {
		deleted[name] = object.Kind != "Secret"
	}
	p.waitReady(t)
	after := p.objects(t)
	for name := range before {
		again, exists := after[name]
		if !exists {
			t.Errorf("%s did not come back", name)
			continue
		}
		if deleted[name] == (again.UID == before[name].UID) {
			t.Errorf("%s: is it the old one? %t", name, again.UID == before[name].UID)
		}
	}
}

// A pipeline applies the manifest again and again: nothing of what it wrote is taken from it.
func TestAGitOpsToolAppliesTheManifestWithoutConflict(t *testing.T) {
	t.Parallel()
	p := newNamespace(t)
	p.enrol(t)
	manifest := func() client.Object {
		objects, err := readManifests("config/samples/fediflow.yaml")
		if err != nil {
			t.Fatal(err)
		}
		objects[0].SetNamespace(p.namespace)
		return objects[0]
	}
	sync := func() error {
		//nolint:staticcheck // the tool applies what it reads from a file
		return admin.Patch(t.Context(), manifest(), client.Apply, client.FieldOwner("kustomize-controller"))
	}
	if err := sync(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin.Delete(context.WithoutCancel(t.Context()), manifest()); err != nil {
			t.Error(err)
		}
	})
	p.waitStalled(t, v1alpha1.ReasonRegionNotFound, "asia-pacific")
	p.passes(t, 3)
	before := p.cluster(t)
	if err := sync(); err != nil {
		t.Errorf("applied again: %v", err)
	}
	if after := p.cluster(t); after.Generation != before.Generation {
		t.Errorf("applying the same manifest made generation %d of %d", after.Generation, before.Generation)
	}
}

// An object that its controller is still deleting is not made again over its head.
func TestAnObjectThatIsBeingDeletedIsWaitedFor(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.waitApplied(t)
	hold := func(s *corev1.Service) { s.Finalizers = []string{"example.com/hold"} }
	service := change(t, p, names.Component(plan.API), &corev1.Service{}, hold)
	p.delete(t, service)
	p.passes(t, 2)
	change(t, p, service.Name, &corev1.Service{}, func(s *corev1.Service) { s.Finalizers = nil })
	eventually(t, "made again", func() (bool, string) {
		again := &corev1.Service{}
		return p.get(t, service.Name, again) && again.UID != service.UID, "not there"
	})
}
