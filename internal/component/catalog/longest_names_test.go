package catalog

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// roomForRevision is what a StatefulSet's controller adds to its name in a label of its pods.
const roomForRevision = len("-0123456789")

func TestNamesAreLegalForTheLongestClusterAndRegion(t *testing.T) {
	cluster := minimal(v1alpha1.SizeXLarge)
	cluster.Name = strings.Repeat("c", 26)
	checkNames(t, cluster, strings.Repeat("r", 20))
}

func TestNamesAreLegalForEveryNameThatTheCRDAdmits(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		cluster := minimal(v1alpha1.SizeSmall)
		cluster.Name = rapid.StringMatching(`[a-z]([a-z0-9-]{0,24}[a-z0-9])?`).Draw(r, "name")
		checkNames(t, cluster, rapid.StringMatching(`[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?`).Draw(r, "region"))
	})
}

func checkNames(t *testing.T, cluster *v1alpha1.FediFlowCluster, region string) {
	t.Helper()
	cluster.Spec.Edge = &v1alpha1.EdgeSpec{Regions: []v1alpha1.EdgeRegionSpec{{Name: region}}}
	p, problems := plan.Resolve(cluster, plan.Facts{Images: facts.Images, Regions: []string{region}})
	if len(problems) > 0 {
		t.Fatalf("resolve: %v", problems)
	}
	for _, c := range children(t, p) {
		legal := validation.IsDNS1123Label
		if c.kind == "Service" {
			legal = validation.IsDNS1035Label
		}
		for _, complaint := range legal(c.GetName()) {
			t.Errorf("%s: %s", c, complaint)
		}
	}
	for _, w := range workloads(t, p) {
		if w.kind == "StatefulSet" && len(w.GetName())+roomForRevision > validation.LabelValueMaxLength {
			t.Errorf("%s: no room for the revision in a label", w)
		}
		for key, value := range w.template.Labels {
			for _, complaint := range validation.IsValidLabelValue(value) {
				t.Errorf("pods of %s: %s=%s: %s", w, key, value, complaint)
			}
		}
	}
}
