package controllers

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// collect does what the garbage collector does: it deletes what belongs to a cluster that is gone.
func (p *platform) collect(t *testing.T) {
	t.Helper()
	living := p.cluster(t).UID
	for _, object := range p.objects(t) {
		if owner := metav1.GetControllerOf(&object); owner == nil || owner.UID == living {
			continue
		}
		if err := client.IgnoreNotFound(admin.Delete(t.Context(), &object, background)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDeletionKeepsTheDataAndPatronisStateAndNothingElse(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	cluster := p.waitReady(t)
	var claims corev1.PersistentVolumeClaimList
	p.list(t, &claims)
	if len(claims.Items) < 4 {
		t.Fatalf("%d volume claims", len(claims.Items))
	}
	for _, claim := range claims.Items {
		if len(claim.OwnerReferences) > 0 {
			t.Errorf("volume claim %s would be deleted with %v", claim.Name, claim.OwnerReferences)
		}
	}
	var sets appsv1.StatefulSetList
	p.list(t, &sets)
	for _, set := range sets.Items {
		policy := set.Spec.PersistentVolumeClaimRetentionPolicy
		cache := strings.HasPrefix(set.Name, names.Component(plan.Edge))
		if !cache && policy != nil && (policy.WhenDeleted != appsv1.RetainPersistentVolumeClaimRetentionPolicyType ||
			policy.WhenScaled != appsv1.RetainPersistentVolumeClaimRetentionPolicyType) {
			t.Errorf("StatefulSet %s deletes its volumes: %v", set.Name, policy)
		}
	}
	outlives := map[string]bool{}
	for name, object := range p.objects(t) {
		// The garbage collector takes what has owners, all of whom are gone.
		collected := len(object.OwnerReferences) > 0
		for _, owner := range object.OwnerReferences {
			collected = collected && owner.UID == cluster.UID
			if owner.BlockOwnerDeletion == nil || !*owner.BlockOwnerDeletion {
				t.Errorf("foreground deletion does not wait for %s", name)
			}
		}
		if !collected {
			outlives[name] = true
		}
	}
	want := set("Secret fediflow-app-secrets\nSecret fediflow-ca\nSecret fediflow-pooler-admin\nSecret fediflow-pooler-tls\nSecret fediflow-postgres-credentials\n" +
		"Secret fediflow-postgres-operator\nSecret fediflow-postgres-tls\nSecret fediflow-redis-credentials\n" +
		"Service fediflow-postgres-config\nService fediflow-postgres-failover\nService fediflow-postgres-sync\n")
	if len(outlives) != len(want) {
		t.Errorf("what stays is %v", outlives)
	}
	for name := range want {
		if !outlives[name] {
			t.Errorf("%s does not stay", name)
		}
	}
}

func TestAClusterThatIsBeingDeletedIsLeftAlone(t *testing.T) {
	p := newPlatform(t)
	p.waitApplied(t)
	hold := func(finalizers ...string) {
		change(t, p, string(names), &v1alpha1.FediFlowCluster{}, func(c *v1alpha1.FediFlowCluster) { c.Finalizers = finalizers })
	}
	hold("example.com/hold")
	p.delete(t, p.cluster(t))
	p.levelled(t)
	idle(t)
	mark := current.wire.mark()
	// What a living cluster would mend.
	p.delete(t, must(t, p, names.Component(plan.API), &corev1.Service{}))
	change(t, p, names.Component(plan.Postgres), &appsv1.StatefulSet{}, func(s *appsv1.StatefulSet) { s.Spec.Replicas = new(int32(0)) })
	p.trigger(t)
	other := newPlatform(t)
	other.waitApplied(t)
	idle(t)
	if requests := current.wire.since(mark, p.namespace); len(requests) > 0 {
		t.Errorf("the operator made the requests %v", requests)
	}
	hold()
}

// A cluster of the same name finds the data of its predecessor, and takes nothing that is still going away.
func TestANewClusterOfTheSameNameAdoptsWhatWasKept(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.waitReady(t)
	before := p.objects(t)
	if err := admin.Delete(t.Context(), p.cluster(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "deleted", func() (bool, string) {
		return !p.get(t, string(names), &v1alpha1.FediFlowCluster{}), "still there"
	})
	p.declare(t)
	p.passes(t, 2)
	for name, object := range p.objects(t) {
		if before[name].UID == object.UID && before[name].ResourceVersion != object.ResourceVersion {
			t.Errorf("%s of the predecessor was written", name)
		}
	}
	p.collect(t)
	p.waitReady(t)
	after := p.objects(t)
	for name, object := range before {
		if kept(name) != (after[name].UID == object.UID) {
			t.Errorf("%s: was it kept? %t", name, after[name].UID == object.UID)
		}
	}
	testMetadata(t, p)
}
