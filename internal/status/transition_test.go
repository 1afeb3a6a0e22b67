package status

import (
	"strings"
	"testing"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func TestAnEventTellsOfATransitionOnly(t *testing.T) {
	rolling := New(fresh(), pass(progressing("api")))
	serving := New(fresh(), pass(ready("api")))
	stalled := New(fresh(), problems(plan.Problem{Reason: v1alpha1.ReasonInvalidSpec, Message: "set both"}))
	other := pass(progressing("edge-us"))
	tests := map[string]struct {
		old, current v1alpha1.FediFlowClusterStatus
		want         *Event
	}{
		"the first look":           {fresh(), rolling, &Event{Reason: v1alpha1.ReasonRollingOut, Message: "api 2/3: api says RollingOut"}},
		"it gets ready":            {rolling, serving, &Event{Reason: v1alpha1.ReasonReady, Message: "every component is ready"}},
		"it needs a human":         {serving, stalled, &Event{Reason: v1alpha1.ReasonInvalidSpec, Message: "set both", Warning: true}},
		"nothing changes":          {serving, New(serving, pass(ready("api"))), nil},
		"another part rolls":       {rolling, New(rolling, other), nil},
		"a status without a Ready": {serving, fresh(), nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { check(t, Transition(test.old, test.current), test.want) })
	}
}

func TestAnEventTellsOfAnotherPrimary(t *testing.T) {
	led := func(primary string) v1alpha1.FediFlowClusterStatus {
		return v1alpha1.FediFlowClusterStatus{Database: &v1alpha1.DatabaseStatus{Primary: primary}}
	}
	tests := map[string]struct {
		old, current v1alpha1.FediFlowClusterStatus
		told         bool
	}{
		"a failover":                    {led("db-0"), led("db-1"), true},
		"the same":                      {led("db-0"), led("db-0"), false},
		"the first":                     {led(""), led("db-0"), false},
		"none at the moment":            {led("db-0"), led(""), false},
		"the first look":                {fresh(), led("db-0"), false},
		"no database of the operator's": {led("db-0"), fresh(), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			event := PrimaryChange(test.old, test.current)
			if (event != nil) != test.told {
				t.Fatalf("%+v", event)
			}
			if event != nil && (!event.Warning || event.Reason != "PrimaryChanged" || !strings.Contains(event.Message, "from db-0 to db-1")) {
				t.Errorf("%+v", event)
			}
		})
	}
}

func check(t *testing.T, got, want *Event) {
	t.Helper()
	switch {
	case got == nil && want == nil:
	case got == nil || want == nil:
		t.Errorf("%+v, not %+v", got, want)
	case *got != *want:
		t.Errorf("%+v, not %+v", *got, *want)
	}
}
