package status

import (
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

const generation = 7

func health(name string, state v1alpha1.ComponentState, reason string) component.Health {
	h := component.NewHealth(name, state, reason, name+" says "+reason)
	h.Ready, h.Desired = 2, 3
	h.NeedsHuman = state == v1alpha1.StateFailed
	return h
}

func ready(name string) component.Health {
	return health(name, v1alpha1.StateReady, v1alpha1.ReasonReady)
}

func progressing(name string) component.Health {
	return health(name, v1alpha1.StateProgressing, v1alpha1.ReasonRollingOut)
}

func failed(name string) component.Health {
	return health(name, v1alpha1.StateFailed, v1alpha1.ReasonImagePullFailed)
}

func pass(healths ...component.Health) Pass { return Pass{Generation: generation, Healths: healths} }

func problems(list ...plan.Problem) Pass { return Pass{Generation: generation, Problems: list} }

// fresh is the status that the CRD gives to a cluster that nobody has looked at.
func fresh() v1alpha1.FediFlowClusterStatus {
	return v1alpha1.FediFlowClusterStatus{ObservedGeneration: -1}
}

// compute asks the library that GitOps tools ask.
func compute(t rapid.TB, status v1alpha1.FediFlowClusterStatus, deleted *metav1.Time) kstatus.Status {
	t.Helper()
	cluster := &v1alpha1.FediFlowCluster{
		ObjectMeta: metav1.ObjectMeta{Name: "fediflow", Generation: generation, DeletionTimestamp: deleted},
		Status:     status,
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(cluster)
	if err != nil {
		t.Fatal(err)
	}
	result, err := kstatus.Compute(&unstructured.Unstructured{Object: content})
	if err != nil {
		t.Fatal(err)
	}
	return result.Status
}

func TestGitOpsToolsReadTheStatusAsItIsMeant(t *testing.T) {
	outdated := pass(ready("api"))
	outdated.Generation = generation - 1
	unsettled := pass(ready("api"))
	unsettled.Unsettled = "3 objects were just changed"
	tests := map[string]struct {
		status v1alpha1.FediFlowClusterStatus
		want   kstatus.Status
	}{
		"nobody has looked at it":     {fresh(), kstatus.InProgressStatus},
		"everything is ready":         {New(fresh(), pass(ready("postgres"), ready("api"))), kstatus.CurrentStatus},
		"something rolls":             {New(fresh(), pass(ready("postgres"), progressing("api"))), kstatus.InProgressStatus},
		"something waits":             {New(fresh(), pass(health("api", v1alpha1.StateWaiting, v1alpha1.ReasonWaiting))), kstatus.InProgressStatus},
		"something serves with less":  {New(fresh(), pass(health("api", v1alpha1.StateDegraded, v1alpha1.ReasonNotReplicating))), kstatus.InProgressStatus},
		"a human must act":            {New(fresh(), pass(progressing("postgres"), failed("api"))), kstatus.FailedStatus},
		"the spec contradicts itself": {New(fresh(), problems(plan.Problem{Reason: "InvalidSpec", Message: "m"})), kstatus.FailedStatus},
		"it was just written to":      {New(fresh(), unsettled), kstatus.InProgressStatus},
		"the spec has changed since":  {New(fresh(), outdated), kstatus.InProgressStatus},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := compute(t, test.status, nil); got != test.want {
				t.Errorf("%s, not %s: %+v", got, test.want, test.status.Conditions)
			}
			deleted := &metav1.Time{Time: time.Unix(1, 0)}
			if got := compute(t, test.status, deleted); got != kstatus.TerminatingStatus {
				t.Errorf("while it is deleted: %s", got)
			}
		})
	}
}

// contractBreaches are what every status must hold, whatever led to it.
func contractBreaches(status v1alpha1.FediFlowClusterStatus) []string {
	var breaches []string
	check := func(holds bool, breach string) {
		if !holds {
			breaches = append(breaches, breach)
		}
	}
	is := func(kind string) bool { return meta.IsStatusConditionTrue(status.Conditions, kind) }
	current := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
	check(current != nil, "Ready is missing")
	check(!is(v1alpha1.ConditionReady) || !is(v1alpha1.ConditionStalled), "Ready although Stalled")
	check(!is(v1alpha1.ConditionReady) || !is(v1alpha1.ConditionReconciling), "Ready although Reconciling")
	check(!is(v1alpha1.ConditionStalled) || !is(v1alpha1.ConditionReconciling), "Stalled and Reconciling")
	check(is(v1alpha1.ConditionReady) || is(v1alpha1.ConditionStalled) || is(v1alpha1.ConditionReconciling), "none of the three is true")
	for _, c := range status.Conditions {
		check(c.Reason != "" && !strings.Contains(c.Reason, " ") && c.Message != "", c.Type+" says nothing")
		if c.Type == v1alpha1.ConditionSchedulable {
			// It speaks of the last plan, which may be that of an older spec.
			continue
		}
		check(c.Type == v1alpha1.ConditionReady || c.Status == metav1.ConditionTrue, c.Type+" is present but not True")
		check(c.ObservedGeneration == status.ObservedGeneration, c.Type+" speaks of another generation")
		check(current == nil || c.Reason == current.Reason, c.Type+" and Ready disagree")
	}
	check(status.ObservedGeneration <= generation, "the status is ahead of the spec")
	return breaches
}

func anyPass(t *rapid.T) Pass {
	p := Pass{Generation: generation - rapid.Int64Range(0, 1).Draw(t, "behind")}
	for range rapid.IntRange(0, 2).Draw(t, "problems") {
		p.Problems = append(p.Problems, plan.Problem{
			Reason:  rapid.SampledFrom([]string{v1alpha1.ReasonInvalidSpec, v1alpha1.ReasonRegionNotFound}).Draw(t, "problem"),
			Message: rapid.SampledFrom([]string{"first", "second"}).Draw(t, "message"),
		})
	}
	for range rapid.IntRange(0, 4).Draw(t, "healths") {
		kind := rapid.SampledFrom([]func(string) component.Health{ready, progressing, failed}).Draw(t, "health")
		p.Healths = append(p.Healths, kind(rapid.SampledFrom([]string{"api", "edge-us", "postgres"}).Draw(t, "name")))
	}
	p.Unsettled = rapid.SampledFrom([]string{"", "2 objects were just changed"}).Draw(t, "unsettled")
	p.Failure = rapid.SampledFrom([]string{"", "trying again: no route"}).Draw(t, "failure")
	if rapid.Bool().Draw(t, "resolved") {
		p.Plan = &plan.Plan{}
		p.Shortfalls = rapid.SampledFrom([][]string{nil, {"no node has room"}}).Draw(t, "shortfalls")
	}
	return p
}

func TestEveryStatusKeepsTheContract(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		status := fresh()
		for range rapid.IntRange(1, 5).Draw(t, "passes") {
			old := *status.DeepCopy()
			found := anyPass(t)
			next := New(status, found)
			for _, breach := range contractBreaches(next) {
				t.Errorf("%s after %+v", breach, found)
			}
			if !equality.Semantic.DeepEqual(status, old) {
				t.Error("the old status was changed")
			}
			if again := New(next, found); !equality.Semantic.DeepEqual(again, next) {
				t.Errorf("the same pass again gives\n%+v\nnot\n%+v", again, next)
			}
			status = next
		}
	})
}

func TestTransitionTimesMoveOnlyWithTheStatusOfACondition(t *testing.T) {
	long := metav1.NewTime(time.Unix(1_000_000, 0))
	status := New(fresh(), pass(progressing("api")))
	for i := range status.Conditions {
		status.Conditions[i].LastTransitionTime = long
	}
	moved := func(status v1alpha1.FediFlowClusterStatus, kind string) bool {
		return !meta.FindStatusCondition(status.Conditions, kind).LastTransitionTime.Equal(&long)
	}
	other := New(status, pass(health("api", v1alpha1.StateProgressing, v1alpha1.ReasonUnschedulable)))
	if moved(other, v1alpha1.ConditionReady) || moved(other, v1alpha1.ConditionReconciling) {
		t.Errorf("another reason moved the time: %+v", other.Conditions)
	}
	if now := New(status, pass(ready("api"))); !moved(now, v1alpha1.ConditionReady) {
		t.Errorf("Ready has the time of before: %+v", now.Conditions)
	}
}

func TestReadyNamesWhatComesFirstAndAHumanBeforeAll(t *testing.T) {
	unsettled := pass(ready("api"))
	unsettled.Unsettled = "3 objects were just changed"
	rolling := pass(progressing("api"))
	rolling.Unsettled = unsettled.Unsettled
	failing := func(p Pass) Pass {
		p.Failure = "trying again: no route"
		return p
	}
	tests := map[string]struct {
		pass            Pass
		reason, message string
	}{
		"the first that is not ready":     {pass(ready("postgres"), progressing("edge-us"), progressing("api")), v1alpha1.ReasonRollingOut, "edge-us 2/3: edge-us says RollingOut"},
		"a failure after what rolls":      {pass(progressing("edge-us"), failed("api"), failed("worker")), v1alpha1.ReasonImagePullFailed, "api 2/3: api says ImagePullFailed"},
		"nothing":                         {pass(ready("api")), v1alpha1.ReasonReady, "every component is ready"},
		"what was seen is out of date":    {unsettled, v1alpha1.ReasonProgressing, "3 objects were just changed"},
		"a part says more than the write": {rolling, v1alpha1.ReasonRollingOut, "api 2/3: api says RollingOut"},
		"an error although all is ready":  {failing(pass(ready("api"))), v1alpha1.ReasonProgressing, "trying again: no route"},
		"an error says more than a write": {failing(unsettled), v1alpha1.ReasonProgressing, "trying again: no route"},
		"an error while a part rolls":     {failing(rolling), v1alpha1.ReasonRollingOut, "api 2/3: api says RollingOut; trying again: no route"},
		"an error beside a failed part":   {failing(pass(failed("api"))), v1alpha1.ReasonImagePullFailed, "api 2/3: api says ImagePullFailed; trying again: no route"},
		"an error beside a problem":       {failing(problems(plan.Problem{Reason: "InvalidSpec", Message: "a"})), "InvalidSpec", "a; trying again: no route"},
		"a problem before any component": {
			Pass{Problems: []plan.Problem{{Reason: "InvalidSpec", Message: "a"}, {Reason: "RegionNotFound", Message: "b"}, {Reason: "RegionNotFound", Message: "b"}}, Healths: []component.Health{failed("api")}},
			"InvalidSpec", "a; b",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			status := New(fresh(), test.pass)
			current := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
			if current.Reason != test.reason || current.Message != test.message {
				t.Errorf("%s: %s", current.Reason, current.Message)
			}
		})
	}
}

func TestSchedulableSaysWhatIsMissingAndDecidesNothingElse(t *testing.T) {
	small := pass(ready("api"))
	small.Plan, small.Shortfalls = &plan.Plan{}, []string{"no node has room", "ResourceQuota small allows less"}
	status := New(fresh(), small)
	current := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSchedulable)
	if current == nil || current.Status != metav1.ConditionFalse || current.Reason != v1alpha1.ReasonInsufficientCapacity ||
		current.Message != "no node has room; ResourceQuota small allows less" {
		t.Errorf("%+v", current)
	}
	if !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady) {
		t.Errorf("what runs is not ready: %+v", status.Conditions)
	}
	status = New(status, problems(plan.Problem{Reason: "InvalidSpec", Message: "m"}))
	if meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionSchedulable) == nil {
		t.Error("a pass without a plan forgot what was missing")
	}
	large := pass(ready("api"))
	large.Plan = small.Plan
	if status = New(status, large); !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionSchedulable) {
		t.Errorf("%+v", status.Conditions)
	}
}

func TestSafetyMissingIsNotEmpty(t *testing.T) {
	p, _ := plan.Resolve(&v1alpha1.FediFlowCluster{Spec: v1alpha1.FediFlowClusterSpec{
		Profile: v1alpha1.ProfileSpec{Size: v1alpha1.SizeSmall},
	}}, plan.Facts{})
	full := pass(ready("postgres"), ready("edge-us"), ready("edge-eu"), ready("api"))
	full.Plan = &p
	full.Database = &v1alpha1.DatabaseStatus{Primary: "fediflow-postgres-0"}
	full.Redis = []v1alpha1.RedisStoreStatus{{Name: "queue", Master: "fediflow-redis-queue-0"}}
	before := New(fresh(), full)
	if before.API != "2/3" || before.Edge != "4/6" || before.Database.Primary == "" || len(before.Redis) != 1 || len(before.Plan.Components) == 0 {
		t.Fatalf("%+v", before)
	}
	after := New(before, problems(plan.Problem{Reason: "InvalidSpec", Message: "m"}))
	before.Conditions, after.Conditions = nil, nil
	if !equality.Semantic.DeepEqual(before, after) {
		t.Errorf("a pass that saw nothing changed what was known:\n%+v\n%+v", before, after)
	}
}

func TestComponentsKeepTheOrderInWhichTheyAreApplied(t *testing.T) {
	status := New(fresh(), pass(ready("postgres"), progressing("edge-us"), failed("api")))
	var names []string
	for _, c := range status.Components {
		names = append(names, c.Name)
	}
	if !slices.Equal(names, []string{"postgres", "edge-us", "api"}) {
		t.Errorf("%v", names)
	}
	if status = New(status, pass(ready("api"))); len(status.Components) != 1 {
		t.Errorf("a part that is gone is still told of: %+v", status.Components)
	}
}

func TestThePlanIsPublishedWithItsOverrides(t *testing.T) {
	replicas := int32(4)
	p, _ := plan.Resolve(&v1alpha1.FediFlowCluster{
		ObjectMeta: metav1.ObjectMeta{Name: "fediflow"},
		Spec: v1alpha1.FediFlowClusterSpec{
			Profile: v1alpha1.ProfileSpec{Size: v1alpha1.SizeSmall},
			Pooler:  &v1alpha1.PoolerSpec{Replicas: &replicas},
		},
	}, plan.Facts{})
	status := New(fresh(), Pass{Plan: &p}).Plan
	if !slices.Equal(status.Overrides, []string{"spec.pooler.replicas"}) {
		t.Errorf("overrides: %v", status.Overrides)
	}
	want := []v1alpha1.PlanComponent{
		{Name: "postgres", Replicas: 3, CPU: "260m", Memory: "576Mi", Storage: "10Gi"},
		{Name: "redis-queue", Replicas: 3, CPU: "50m", Memory: "128Mi", Storage: "2Gi"},
		{Name: "redis-cache", Replicas: 1, CPU: "50m", Memory: "128Mi"},
		{Name: "redis-sentinel", Replicas: 3, CPU: "10m", Memory: "32Mi", Storage: "128Mi"},
		{Name: "pooler-rw", Replicas: 4, CPU: "50m", Memory: "64Mi"},
		{Name: "pooler-ro", Replicas: 4, CPU: "50m", Memory: "64Mi"},
		{Name: "edge-default", Replicas: 1, CPU: "50m", Memory: "128Mi", Storage: "5Gi"},
		{Name: "api", Replicas: 2, MaxReplicas: 10, CPU: "250m", Memory: "384Mi"},
	}
	if !slices.Equal(status.Components, want) {
		t.Errorf("%+v", status.Components)
	}
}
