package controllers

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func instances(number int32) func(*v1alpha1.FediFlowClusterSpec) {
	return func(s *v1alpha1.FediFlowClusterSpec) {
		s.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{Instances: &number}}
	}
}

// members are the ordinals of the database's pods, sorted.
func (p *platform) members(t *testing.T) []string {
	t.Helper()
	var pods corev1.PodList
	p.list(t, &pods)
	var members []string
	for _, pod := range pods.Items {
		if pod.Labels[plan.LabelComponent] == string(plan.Postgres) {
			members = append(members, strings.TrimPrefix(pod.Name, "fediflow-postgres-"))
		}
	}
	slices.Sort(members)
	return members
}

// retired are the volume claims of retired members.
func (p *platform) retired(t *testing.T) []string {
	t.Helper()
	var claims corev1.PersistentVolumeClaimList
	p.list(t, &claims)
	var retired []string
	for _, claim := range claims.Items {
		if claim.Labels[plan.LabelRetired] != "" {
			retired = append(retired, claim.Name)
		}
	}
	return retired
}

func TestMembersLeaveOneByOneAfterTheyHandedOverAndComeBackWithTheirVolumes(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, small)
	p.waitReady(t)
	p.patroni.lead("fediflow-postgres-2")
	p.waitReady(t)
	volumes := p.claims(t)
	mark := current.wire.mark()
	t.Run("down to one", func(t *testing.T) {
		p.respec(t, instances(1))
		p.waitReady(t)
		if members := p.members(t); !slices.Equal(members, []string{"0"}) {
			t.Errorf("members %v", members)
		}
		if asked := p.patroni.requests(); !slices.ContainsFunc(asked, func(s string) bool {
			return strings.HasPrefix(s, "POST /switchover fediflow-postgres-2 ")
		}) {
			t.Errorf("asked Patroni for %v", asked)
		}
		var numbers []string
		for _, write := range current.wire.writesSince(mark, p.namespace) {
			if strings.HasSuffix(write.path, "/statefulsets/fediflow-postgres") && write.method == http.MethodPatch {
				_, after, _ := strings.Cut(write.body, `"replicas":`)
				numbers = append(numbers, after[:1])
			}
		}
		if numbers = slices.Compact(numbers); !slices.Equal(numbers, []string{"2", "1"}) && !slices.Equal(numbers, []string{"3", "2", "1"}) {
			t.Errorf("the StatefulSet was given %v replicas", numbers)
		}
		// Restarts for a smaller budget come while there are others to take over.
		if deleted := p.podDeletions(mark); len(slices.Compact(slices.Sorted(slices.Values(deleted)))) != len(deleted) {
			t.Errorf("deleted %v", deleted)
		}
		if retired := p.retired(t); !slices.Equal(retired, []string{"data-fediflow-postgres-1", "data-fediflow-postgres-2"}) {
			t.Errorf("retired are %v", retired)
		}
	})
	t.Run("a StatefulSet that is missing brings no retired member back", func(t *testing.T) {
		if err := admin.Delete(t.Context(), must(t, p, names.Component(plan.Postgres), &appsv1.StatefulSet{}), background); err != nil {
			t.Fatal(err)
		}
		p.waitFor(t, "made anew", func(*v1alpha1.FediFlowCluster) bool {
			return p.get(t, names.Component(plan.Postgres), &appsv1.StatefulSet{})
		})
		if n := *must(t, p, names.Component(plan.Postgres), &appsv1.StatefulSet{}).Spec.Replicas; n != 1 {
			t.Errorf("%d replicas", n)
		}
	})
	t.Run("back to three", func(t *testing.T) {
		p.respec(t, func(s *v1alpha1.FediFlowClusterSpec) { s.Database = nil })
		p.waitReady(t)
		if members := p.members(t); !slices.Equal(members, []string{"0", "1", "2"}) {
			t.Errorf("members %v", members)
		}
		if retired := p.retired(t); len(retired) > 0 {
			t.Errorf("retired are %v", retired)
		}
	})
	if changed := differing(volumes, p.claims(t)); len(changed) > 0 {
		t.Errorf("other volumes than before: %v", changed)
	}
}

func TestAMemberStaysWhileAnotherOneIsNotWell(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, small)
	p.waitReady(t)
	var first corev1.Pod
	p.get(t, "fediflow-postgres-1", &first)
	p.setReady(t, &first, corev1.ConditionFalse)
	p.levelled(t)
	p.respec(t, instances(2))
	p.waitFor(t, "waiting", func(c *v1alpha1.FediFlowCluster) bool {
		return strings.Contains(condition(c, v1alpha1.ConditionReady).Message, "fediflow-postgres-2 goes next and waits: fediflow-postgres-1 is not ready")
	})
	p.passes(t, 3)
	if members, retired := p.members(t), p.retired(t); len(members) != 3 || len(retired) > 0 {
		t.Errorf("members %v, retired %v", members, retired)
	}
	must(t, p, first.Name, &first)
	p.setReady(t, &first, corev1.ConditionTrue)
	p.waitReady(t)
	if members := p.members(t); !slices.Equal(members, []string{"0", "1"}) {
		t.Errorf("members %v", members)
	}
}

// claims are the UIDs of all volume claims, by name.
func (p *platform) claims(t *testing.T) map[string]string {
	t.Helper()
	var claims corev1.PersistentVolumeClaimList
	p.list(t, &claims)
	found := map[string]string{}
	for _, claim := range claims.Items {
		found[claim.Name] = string(claim.UID)
	}
	return found
}
