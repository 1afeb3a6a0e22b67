package catalog

import (
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

func TestMembersOfStatefulSetsMustBeOnDifferentNodes(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		all := workloads(t, p)
		for _, w := range all {
			spread := slices.Clone(w.template.Spec.TopologySpreadConstraints)
			spread = slices.DeleteFunc(spread, func(c corev1.TopologySpreadConstraint) bool {
				return c.TopologyKey != corev1.LabelHostname || c.MaxSkew != 1
			})
			if !w.replicated() {
				continue
			}
			if len(spread) != 1 {
				t.Errorf("%s has %d constraints by node", w, len(spread))
				continue
			}
			want := corev1.ScheduleAnyway
			if w.kind == "StatefulSet" {
				want = corev1.DoNotSchedule
			}
			if spread[0].WhenUnsatisfiable != want {
				t.Errorf("%s: when nodes are too few: %s", w, spread[0].WhenUnsatisfiable)
			}
			if selector := spread[0].LabelSelector.MatchLabels; !w.selectedBy(selector) || selected(all, selector) != 1 {
				t.Errorf("%s spreads the pods with %v", w, selector)
			}
		}
	})
}

// A drained node takes no pods: counting it would leave a member pending.
func TestNodesThatTakeNoPodsDoNotCountForSpreading(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, w := range workloads(t, p) {
			for _, c := range w.template.Spec.TopologySpreadConstraints {
				if c.WhenUnsatisfiable == corev1.DoNotSchedule &&
					(c.NodeTaintsPolicy == nil || *c.NodeTaintsPolicy != corev1.NodeInclusionPolicyHonor) {
					t.Errorf("%s counts tainted nodes", w)
				}
			}
		}
	})
}

// A rolling Deployment that counts the old pods puts the new ones wherever these are not.
func TestADeploymentSpreadsThePodsOfOneTemplate(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, w := range workloads(t, p) {
			for _, c := range w.template.Spec.TopologySpreadConstraints {
				if ofTemplate := slices.Equal(c.MatchLabelKeys, []string{"pod-template-hash"}); ofTemplate != (w.kind == "Deployment") {
					t.Errorf("%s is spread by %v", w, c.MatchLabelKeys)
				}
			}
		}
	})
}

func TestDeclaredEdgeRegionsArePinnedToTheirNodesAndTheDefaultOneIsNot(t *testing.T) {
	pins := func(p plan.Plan) map[string]string {
		regions := map[string]string{}
		for _, w := range workloads(t, p) {
			if w.component != plan.Edge {
				continue
			}
			regions[w.GetName()] = ""
			if affinity := w.template.Spec.Affinity; affinity != nil {
				term := affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0].MatchExpressions[0]
				if term.Key != corev1.LabelTopologyRegion || term.Operator != corev1.NodeSelectorOpIn {
					t.Errorf("%s is pinned by %v", w, term)
				}
				regions[w.GetName()] = term.Values[0]
			}
		}
		return regions
	}
	want := map[string]string{"fediflow-edge-us-east": "us-east", "fediflow-edge-eu-west": "eu-west", "fediflow-edge-asia-pacific": "asia-pacific"}
	if have := pins(resolve(t, sample(t))); !maps.Equal(have, want) {
		t.Errorf("the sample pins %v", have)
	}
	if have := pins(resolve(t, minimal("Small"))); !maps.Equal(have, map[string]string{"fediflow-edge-default": ""}) {
		t.Errorf("a cluster without regions pins %v", have)
	}
}
