package status

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	kstatus "sigs.k8s.io/cli-utils/pkg/kstatus/status"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// TestSafetyUnsettledIsNeverReady: what was seen before a write, or in a pass that failed, says
// nothing about what the spec asks for.
func TestSafetyUnsettledIsNeverReady(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		found := anyPass(t)
		if rapid.Bool().Draw(t, "failed") {
			found.Failure = "trying again: the API server timed out"
		} else {
			found.Unsettled = "2 objects were just changed"
		}
		status := New(fresh(), found)
		if meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady) {
			t.Errorf("Ready after %+v", found)
		}
		if got := compute(t, status, nil); got == kstatus.CurrentStatus {
			t.Errorf("%s after %+v", got, found)
		}
	})
}

func TestReadyIsClaimedExactlyWhenEveryPartIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		found := anyPass(t)
		if len(found.Healths) == 0 {
			t.Skip("no part was looked at")
		}
		want := len(found.Problems) == 0 && found.Unsettled == "" && found.Failure == ""
		for _, h := range found.Healths {
			want = want && h.State == v1alpha1.StateReady
		}
		if got := meta.IsStatusConditionTrue(New(fresh(), found).Conditions, v1alpha1.ConditionReady); got != want {
			t.Errorf("Ready %v after %+v", got, found)
		}
	})
}

func TestAPassLikeTheOneBeforeTellsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		status := fresh()
		for range rapid.IntRange(1, 5).Draw(t, "passes") {
			found := anyPass(t)
			next := New(status, found)
			again := New(next, found)
			if event := Transition(next, again); event != nil {
				t.Errorf("%+v is repeated", *event)
			}
			if event := Transition(status, next); event != nil {
				ready := meta.FindStatusCondition(next.Conditions, v1alpha1.ConditionReady)
				if event.Reason != ready.Reason || event.Message != ready.Message ||
					event.Warning != meta.IsStatusConditionTrue(next.Conditions, v1alpha1.ConditionStalled) {
					t.Errorf("%+v tells of another condition than %+v", *event, *ready)
				}
			}
			status = next
		}
	})
}

func TestTransitionTimesStayThroughAnyNumberOfLikePasses(t *testing.T) {
	long := metav1.Unix(1_000_000, 0)
	for name, found := range map[string]Pass{
		"ready": pass(ready("api")), "progressing": pass(progressing("api")), "stalled": pass(failed("api")),
	} {
		t.Run(name, func(t *testing.T) {
			status := New(fresh(), found)
			for i := range status.Conditions {
				status.Conditions[i].LastTransitionTime = long
			}
			before := *status.DeepCopy()
			for range 3 {
				status = New(status, found)
			}
			if !equality.Semantic.DeepEqual(before, status) {
				t.Errorf("%+v, not %+v", status, before)
			}
		})
	}
}

func TestADuplicateProblemIsToldOnceWhereverItStands(t *testing.T) {
	one, two := plan.Problem{Reason: "InvalidSpec", Message: "a"}, plan.Problem{Reason: "RegionNotFound", Message: "b"}
	tests := map[string]struct {
		problems []plan.Problem
		want     string
	}{
		"one":                   {[]plan.Problem{one}, "a"},
		"twice in a row":        {[]plan.Problem{one, one}, "a"},
		"with another between":  {[]plan.Problem{one, two, one}, "a; b"},
		"in the order of finds": {[]plan.Problem{two, one, two}, "b; a"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionStalled} {
				condition := meta.FindStatusCondition(New(fresh(), problems(test.problems...)).Conditions, kind)
				if condition.Message != test.want || condition.Reason != test.problems[0].Reason {
					t.Errorf("%s: %s: %q", kind, condition.Reason, condition.Message)
				}
			}
		})
	}
}
