package controllers

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func newProfile(t *testing.T, name string) *v1alpha1.PerformanceProfile {
	t.Helper()
	figures, ok := plan.BuiltIn(v1alpha1.SizeDevelopment)
	if !ok {
		t.Fatal("no figures")
	}
	return &v1alpha1.PerformanceProfile{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: figures}
}

func refersTo(name string) func(*v1alpha1.FediFlowClusterSpec) {
	return func(s *v1alpha1.FediFlowClusterSpec) { s.Profile = v1alpha1.ProfileSpec{Ref: name} }
}

// Not parallel: counts passes.
func TestAPerformanceProfileIsFollowedByThoseWhoReferToItAndNobodyElse(t *testing.T) {
	const name, another = "followed", "not-followed"
	first := newNamespace(t)
	first.create(t, newProfile(t, name))
	first.create(t, newProfile(t, another))
	first.enrol(t)
	first.declare(t, refersTo(name))
	second := newPlatform(t, refersTo(name))
	others := []*platform{newPlatform(t), newPlatform(t, refersTo(another))}
	followers := []*platform{first, second}
	for _, p := range slices.Concat(followers, others) {
		if profile := p.waitReady(t).Status.Plan.Profile; profile == "" {
			t.Error("the plan does not say where it comes from")
		}
	}
	versions := func(platforms []*platform) []map[string]string {
		var all []map[string]string
		for _, p := range platforms {
			all = append(all, p.versions(t), p.pods(t))
		}
		return all
	}
	undisturbed := func(t *testing.T, platforms []*platform, before []map[string]string) {
		t.Helper()
		for i, now := range versions(platforms) {
			if changed := differing(before[i], now); len(changed) > 0 {
				t.Errorf("changed: %v", changed)
			}
		}
	}
	t.Run("when it changes", func(t *testing.T) {
		idle(t)
		before := versions(others)
		var passes []int
		for _, p := range others {
			passes = append(passes, current.passes.in(p.namespace))
		}
		changed := change(t, first, name, &v1alpha1.PerformanceProfile{}, func(profile *v1alpha1.PerformanceProfile) {
			profile.Spec.Edge.Memory = resource.MustParse("96Mi")
		})
		seen(t, changed)
		for _, p := range followers {
			eventually(t, "changed", func() (bool, string) {
				p.play(t)
				got := containerFigures(must(t, p, plan.Member(names.EdgeRegion(plan.DefaultRegion), 0), &corev1.Pod{}).Spec)
				return got == "25m 96Mi 96Mi", got
			})
			p.waitReady(t)
		}
		for i, p := range others {
			if now := current.passes.in(p.namespace); now != passes[i] {
				t.Errorf("%d passes of a cluster that does not refer to it", now-passes[i])
			}
		}
		undisturbed(t, others, before)
	})
	t.Run("but not into nothing when it is deleted", func(t *testing.T) {
		everybody := slices.Concat(followers, others)
		before := versions(everybody)
		first.delete(t, must(t, first, name, &v1alpha1.PerformanceProfile{}))
		for _, p := range followers {
			components := len(p.cluster(t).Status.Components)
			p.waitStalled(t, v1alpha1.ReasonProfileNotFound, "there is no PerformanceProfile "+name, "everything stays as it is")
			p.passes(t, 2)
			if now := p.cluster(t).Status; len(now.Components) != components || now.Plan == nil {
				t.Errorf("the status forgot what is running: %+v", now)
			}
		}
		undisturbed(t, everybody, before)
		for _, p := range others {
			if ready := condition(p.cluster(t), v1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue {
				t.Errorf("another cluster: %+v", ready)
			}
		}
	})
	t.Run("and again when it is back", func(t *testing.T) {
		before := versions(others)
		profile := newProfile(t, name)
		profile.Spec.Queue.Memory = resource.MustParse("96Mi")
		first.create(t, profile)
		for _, p := range followers {
			p.waitReady(t)
			for pod, figures := range map[string]string{
				plan.Member(names.EdgeRegion(plan.DefaultRegion), 0): "25m 64Mi 64Mi",
				plan.Member(names.RedisStore(plan.Queue), 0):         "25m 96Mi 96Mi",
			} {
				if got := containerFigures(must(t, p, pod, &corev1.Pod{}).Spec); got != figures {
					t.Errorf("%s has %s, want %s", pod, got, figures)
				}
			}
		}
		undisturbed(t, others, before)
	})
}

func TestAClusterMayComeBeforeItsPerformanceProfile(t *testing.T) {
	t.Parallel()
	const name = "late"
	p := newPlatform(t, refersTo(name))
	p.waitStalled(t, v1alpha1.ReasonProfileNotFound, name)
	if objects := p.objects(t); len(objects) > 0 {
		t.Errorf("there are already %v", objects)
	}
	p.create(t, newProfile(t, name))
	p.waitReady(t)
}

func TestAPerformanceProfileThatCannotWorkTouchesNothing(t *testing.T) {
	t.Parallel()
	const name = "spoilt"
	p := newNamespace(t)
	p.create(t, newProfile(t, name))
	p.enrol(t)
	p.declare(t, refersTo(name))
	p.waitReady(t)
	before := p.versions(t)
	change(t, p, name, &v1alpha1.PerformanceProfile{}, func(profile *v1alpha1.PerformanceProfile) {
		profile.Spec.Sentinel.Memory = resource.MustParse("1Mi")
	})
	p.waitStalled(t, v1alpha1.ReasonInvalidSpec, "PerformanceProfile "+name, "spec.sentinel.memory 1Mi is too small")
	p.passes(t, 2)
	p.unchanged(t, before)
}
