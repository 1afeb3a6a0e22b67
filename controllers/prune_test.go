package controllers

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// background lets the API server delete an object although no garbage collector takes its children.
const background = client.PropagationPolicy(metav1.DeletePropagationBackground)

func onlyEast(s *v1alpha1.FediFlowClusterSpec) {
	s.Edge.Regions = []v1alpha1.EdgeRegionSpec{{Name: regionEast}}
}

func TestARegionThatIsNoLongerDeclaredIsRemovedAndNothingElse(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, twoRegions)
	owner := p.cluster(t)
	// Objects that carry our labels, but are not what is pruned.
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "foreign", Labels: names.Labels(plan.Edge),
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "other", UID: "other", Controller: new(true)}}}}
	unowned := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "unowned", Labels: names.Labels(plan.Edge)}}
	ours := []metav1.OwnerReference{*metav1.NewControllerRef(owner, v1alpha1.SchemeGroupVersion.WithKind("FediFlowCluster"))}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: p.namespace, Name: "secret", Labels: names.Labels(plan.Edge), OwnerReferences: ours}}
	obsolete := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: p.namespace, Name: "obsolete", Labels: names.Labels(plan.Edge), OwnerReferences: ours}}
	for _, object := range []client.Object{foreign, unowned, secret, obsolete} {
		p.create(t, object)
	}
	p.waitReady(t)
	if p.get(t, obsolete.Name, obsolete) {
		t.Error("an object of ours that is not rendered was not pruned")
	}
	for _, object := range []client.Object{foreign, unowned, secret} {
		created := object.GetUID()
		if !p.get(t, object.GetName(), object) || object.GetUID() != created || object.GetDeletionTimestamp() != nil {
			t.Errorf("%s was pruned", object.GetName())
		}
	}
	before := p.versions(t)
	claims, secrets := p.read(t, admin, &corev1.PersistentVolumeClaim{}), p.read(t, admin, &corev1.Secret{})
	mark := current.wire.mark()

	p.respec(t, onlyEast)
	p.waitReady(t)
	want := []string{
		"ConfigMap fediflow-edge-eu-west", "PodDisruptionBudget fediflow-edge-eu-west", "Service fediflow-edge-eu-west",
		"Service fediflow-edges-eu-west", "StatefulSet fediflow-edge-eu-west",
	}
	if changed := differing(before, p.versions(t)); !slices.Equal(changed, want) {
		t.Errorf("changed %v, want %v", changed, want)
	}
	for _, name := range want {
		if _, exists := p.versions(t)[name]; exists {
			t.Errorf("%s is still there", name)
		}
	}
	p.checkDeletions(t, mark)
	if now := p.read(t, admin, &corev1.PersistentVolumeClaim{}); len(claims) < 5 || len(differing(claims, now)) > 0 {
		t.Errorf("volume claims changed: %v", differing(claims, now))
	}
	if now := p.read(t, admin, &corev1.Secret{}); len(secrets) < 3 || len(differing(secrets, now)) > 0 {
		t.Errorf("Secrets changed: %v", differing(secrets, now))
	}
}

// Which members hold the newest data only the engines know.
func TestMembersThatHoldDataAreNotRemovedByAProfile(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, small, func(s *v1alpha1.FediFlowClusterSpec) { s.Pooler = &v1alpha1.PoolerSpec{Replicas: new(int32(2))} })
	p.waitReady(t)
	mark, claims := current.wire.mark(), p.read(t, admin, &corev1.PersistentVolumeClaim{})
	p.respec(t, func(s *v1alpha1.FediFlowClusterSpec) {
		s.Profile.Availability = v1alpha1.AvailabilitySingle
		s.Redis = &v1alpha1.RedisSpec{Managed: &v1alpha1.ManagedRedisSpec{Queue: &v1alpha1.RedisQueueSpec{Replicas: new(int32(1))}}}
	})
	p.waitReady(t)
	for _, name := range []string{names.Component(plan.Postgres), names.RedisStore(plan.Queue)} {
		if replicas := *must(t, p, name, &appsv1.StatefulSet{}).Spec.Replicas; replicas != 3 {
			t.Errorf("%s has %d members", name, replicas)
		}
	}
	if deleted := p.podDeletions(mark); len(deleted) > 0 {
		t.Errorf("deleted %v", deleted)
	}
	if gone := differing(claims, p.read(t, admin, &corev1.PersistentVolumeClaim{})); len(claims) < 8 || len(gone) > 0 {
		t.Errorf("volume claims changed: %v", gone)
	}
}

// What is no longer rendered stays while something else is wrong: the spec may be wrong, too.
func TestNothingIsPrunedWhileAnythingIsWrong(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, twoRegions)
	p.waitReady(t)
	conflict := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: names.Pooler(plan.ReadOnly)},
		Spec:       corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone},
	}
	p.create(t, conflict)
	before := p.versions(t)
	p.respec(t, func(s *v1alpha1.FediFlowClusterSpec) {
		onlyEast(s)
		s.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{Instances: new(int32(2))}}
	})
	p.waitStalled(t, v1alpha1.ReasonNameConflict, "Service "+conflict.Name)
	p.passes(t, 2)
	now := p.versions(t)
	for name := range before {
		if _, exists := now[name]; !exists {
			t.Errorf("%s was pruned", name)
		}
	}
	p.delete(t, conflict)
	p.passes(t, 1)
	p.waitReady(t)
	if _, exists := p.versions(t)["StatefulSet fediflow-edge-eu-west"]; exists {
		t.Error("the region is still there")
	}
}

func TestAForeignObjectOfTheSameNameIsNotOverwritten(t *testing.T) {
	t.Parallel()
	labelled := func(name string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: names.Labels(plan.Redis)}}
	}
	controlled := labelled(names.RedisStore(plan.Cache))
	controlled.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "other", UID: "other", Controller: new(true)}}
	headless := corev1.ServiceSpec{ClusterIP: corev1.ClusterIPNone, Ports: []corev1.ServicePort{{Port: 1}}}
	for name, object := range map[string]client.Object{
		"ConfigMap fediflow-redis-queue":   &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: names.RedisStore(plan.Queue)}},
		"ConfigMap fediflow-edge-default":  labelled(names.EdgeRegion(plan.DefaultRegion)),
		"ConfigMap fediflow-redis-cache":   controlled,
		"Service fediflow-api":             &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: names.Component(plan.API)}, Spec: headless},
		"Service fediflow-postgres-sync":   &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: names.PostgresSync()}, Spec: headless},
		"ServiceAccount fediflow-postgres": &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: names.Component(plan.Postgres)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newNamespace(t)
			p.enrol(t)
			object, ok := object.DeepCopyObject().(client.Object)
			if !ok {
				t.Fatal("no object")
			}
			object.SetNamespace(p.namespace)
			p.create(t, object)
			before := object.GetResourceVersion()
			p.declare(t)
			p.waitStalled(t, v1alpha1.ReasonNameConflict, name)
			p.passes(t, 2)
			if !p.get(t, object.GetName(), object) || object.GetResourceVersion() != before {
				t.Errorf("%s was written", name)
			}
			p.delete(t, object)
			p.trigger(t)
			p.waitFor(t, "healed", func(c *v1alpha1.FediFlowCluster) bool {
				return condition(c, v1alpha1.ConditionStalled).Status == ""
			})
		})
	}
}

// One component's trouble is no other's.
func TestAConflictInOneComponentDoesNotStopTheOthers(t *testing.T) {
	t.Parallel()
	p := newNamespace(t)
	p.enrol(t)
	p.create(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: names.PostgresPatroni()}})
	p.declare(t)
	p.waitStalled(t, v1alpha1.ReasonNameConflict, names.PostgresPatroni())
	present := p.present(t)
	for _, name := range []string{"StatefulSet fediflow-redis-queue", "Deployment fediflow-pooler-rw", "StatefulSet fediflow-edge-default"} {
		if !present[name] {
			t.Errorf("%s is not there", name)
		}
	}
}
