package edge

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func TestEveryRegionHasItsOwnPodsAndAllAreBehindOneService(t *testing.T) {
	p := plans(t)["regions"]
	sets, services := map[string]map[string]string{}, map[string]map[string]string{}
	for _, object := range render(p).Objects {
		switch o := object.Configuration.(type) {
		case *acapps.StatefulSetApplyConfiguration:
			sets[*o.Name] = o.Spec.Template.Labels
			if *o.Spec.Replicas != p.Edge.Regions[0].Replicas {
				t.Errorf("%s has %d members", *o.Name, *o.Spec.Replicas)
			}
		case *accore.ServiceApplyConfiguration:
			services[*o.Name] = o.Spec.Selector
		}
	}
	for _, region := range []string{"us-east", "eu-west"} {
		name := "campus-edge-" + region
		if sets[name][plan.LabelEdgeRegion] != region || services[name][plan.LabelEdgeRegion] != region {
			t.Errorf("%s: pods %v, Service %v", name, sets[name], services[name])
		}
	}
	if all := services["campus-edge"]; all == nil || all[plan.LabelEdgeRegion] != "" || len(sets) != 2 {
		t.Errorf("the Service of all regions selects %v of %d", all, len(sets))
	}
}

func TestPodsRollWhenTheirConfigurationChangesAndNotWithAnotherRegion(t *testing.T) {
	hash := func(p plan.Plan, region plan.EdgeRegionPlan) string {
		files := map[string]string{"nginx.conf": configuration(p, region)}
		return statefulSet(p, region, files).Spec.Template.Annotations[plan.AnnotationConfigHash]
	}
	p := plans(t)["regions"]
	region := p.Edge.Regions[0]
	before := hash(p, region)
	more := p
	more.Edge.Regions = append([]plan.EdgeRegionPlan{{Name: "asia-pacific", Replicas: 1}}, p.Edge.Regions...)
	if before == "" || hash(more, region) != before {
		t.Error("another region rolls the pods of this one")
	}
	more.Edge.CacheBytes *= 2
	if hash(more, region) == before {
		t.Error("a larger cache rolls nothing")
	}
}

func TestEachRegionIsJudgedByItsOwnPods(t *testing.T) {
	p := plans(t)["regions"]
	pod := &corev1.Pod{}
	pod.Labels = p.Name.Labels(plan.Edge)
	pod.Labels[plan.LabelEdgeRegion] = "eu-west"
	w := component.World{Pods: []*corev1.Pod{pod}}
	sets := Sets(p, w)
	if len(sets["campus-edge-eu-west"]) != 1 || len(sets["campus-edge-us-east"]) != 0 || len(sets) != 2 {
		t.Errorf("%v", sets)
	}
	healths := assess(p, w)
	if len(healths) != 2 || healths[0].Name != "edge-us-east" || healths[1].Name != "edge-eu-west" {
		t.Fatalf("%v", healths)
	}
	for _, health := range healths {
		if health.State != v1alpha1.StateProgressing || health.Ready != 0 {
			t.Errorf("a region that is not there is %v", health)
		}
	}
}
