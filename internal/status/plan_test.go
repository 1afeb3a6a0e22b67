package status

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func resolved(t rapid.TB, fragment string) *plan.Plan {
	t.Helper()
	cluster := &v1alpha1.FediFlowCluster{ObjectMeta: metav1.ObjectMeta{Name: "fediflow"}}
	if err := yaml.UnmarshalStrict([]byte(fragment), &cluster.Spec); err != nil {
		t.Fatal(err)
	}
	p, problems := plan.Resolve(cluster, plan.Facts{})
	if len(problems) > 0 {
		t.Fatalf("%v", problems)
	}
	return &p
}

func TestSchedulableSaysWhetherThereIsRoom(t *testing.T) {
	fits := pass(ready("api"))
	fits.Plan = resolved(t, "profile: {size: Small}")
	tight := fits
	tight.Shortfalls = []string{"ResourceQuota team allows pods 1, and the plan needs 17", "no node has room"}
	status := New(fresh(), fits)
	condition := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSchedulable)
	if condition == nil || condition.Status != metav1.ConditionTrue || condition.Reason != v1alpha1.ReasonFits || condition.Message == "" {
		t.Errorf("%+v", condition)
	}
	status = New(status, tight)
	condition = meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSchedulable)
	if condition.Status != metav1.ConditionFalse || condition.Reason != v1alpha1.ReasonInsufficientCapacity ||
		condition.Message != "ResourceQuota team allows pods 1, and the plan needs 17; no node has room" || condition.ObservedGeneration != generation {
		t.Errorf("%+v", condition)
	}
	// Pods that run are not stopped by a node that is gone: only Ready says how they are.
	if got := compute(t, status, nil); got != kstatus.CurrentStatus {
		t.Errorf("GitOps tools read %s", got)
	}
	after := New(status, problems(plan.Problem{Reason: v1alpha1.ReasonInvalidSpec, Message: "m"}))
	if meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionSchedulable) == nil {
		t.Error("a pass without a plan forgot what was known")
	}
	if status = New(fresh(), pass(ready("api"))); meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSchedulable) != nil {
		t.Error("something is said of a plan that there is not")
	}
}

func TestThePlanIsPublishedWithItsBudgetAndTotals(t *testing.T) {
	p := resolved(t, "profile: {size: Small, ceiling: {cpu: 3100m}}")
	status := New(fresh(), Pass{Plan: p}).Plan
	if status.Profile != "size Small" || len(status.Overrides) != 0 {
		t.Errorf("%q, %v", status.Profile, status.Overrides)
	}
	if !slices.Equal(status.Clamped, p.Clamped) || !strings.HasPrefix(status.Clamped[0], "api.maxReplicas 10 → 7") {
		t.Errorf("%v", status.Clamped)
	}
	least := v1alpha1.ResourceTotals{CPU: "1760m", Memory: "3488Mi", Storage: "42368Mi"}
	most := v1alpha1.ResourceTotals{CPU: "3010m", Memory: "5408Mi", Storage: "42368Mi"}
	if *status.Minimum != least || *status.Maximum != most {
		t.Errorf("%+v to %+v", *status.Minimum, *status.Maximum)
	}
	var lines []string
	for i, line := range status.Budget {
		lines = append(lines, line.Name)
		if want := p.Budget[i]; line.Used != want.Used || line.Available != want.Available || line.Used > line.Available {
			t.Errorf("%+v, not %+v", line, want)
		}
	}
	if got := strings.Join(lines, " "); got != "pooler.clients pooler.memory_mib postgres.connections postgres.memory_mib "+
		"redis.queue.clients redis.cache.clients edge.open_files" {
		t.Error(got)
	}
}
