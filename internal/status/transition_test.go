package status

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

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
	at := func(second int, cause v1alpha1.FailoverCause, duration string) v1alpha1.FediFlowClusterStatus {
		return v1alpha1.FediFlowClusterStatus{Database: &v1alpha1.DatabaseStatus{LastFailover: &v1alpha1.FailoverStatus{
			From: "db-0", To: "db-1", Time: metav1.Unix(int64(second), 0), Cause: cause, Duration: duration}}}
	}
	none, empty := v1alpha1.FediFlowClusterStatus{}, v1alpha1.FediFlowClusterStatus{Database: &v1alpha1.DatabaseStatus{}}
	for name, c := range map[string]struct {
		old, current v1alpha1.FediFlowClusterStatus
		says         string
		warning      bool
	}{
		"no database":    {none, none, "", false},
		"no failover":    {empty, empty, "", false},
		"a failover":     {empty, at(1, v1alpha1.FailoverServerStopped, "1.2s"), "from db-0 to db-1: ServerStopped, 1.2s without a primary", true},
		"it is planned":  {empty, at(1, v1alpha1.FailoverPlanned, ""), "from db-0 to db-1: Planned", false},
		"the same":       {at(1, v1alpha1.FailoverPlanned, ""), at(1, v1alpha1.FailoverPodGone, ""), "", false},
		"the next":       {at(1, v1alpha1.FailoverPlanned, ""), at(2, v1alpha1.FailoverHeartbeatLost, "20s"), "HeartbeatLost, 20s", true},
		"the first ever": {none, at(1, v1alpha1.FailoverUnseen, ""), "Unseen", true},
	} {
		t.Run(name, func(t *testing.T) {
			event := PrimaryChange(c.old, c.current)
			if (event != nil) != (c.says != "") {
				t.Fatalf("%v", event)
			}
			if event != nil && (!strings.Contains(event.Message, c.says) || event.Warning != c.warning || event.Reason != "PrimaryChanged") {
				t.Errorf("%v", *event)
			}
		})
	}
}

func TestTheLastFailoverIsKeptAndOneThatNobodySawIsNoticed(t *testing.T) {
	noon := metav1.Unix(43200, 0)
	seen := func(to string, at metav1.Time) *v1alpha1.FailoverStatus {
		return &v1alpha1.FailoverStatus{From: "db-0", To: to, Time: at, Cause: v1alpha1.FailoverServerStopped}
	}
	later := metav1.Unix(43300, 0)
	for name, c := range map[string]struct {
		old, current *v1alpha1.DatabaseStatus
		cause        v1alpha1.FailoverCause
		to           string
	}{
		"never":                  {&v1alpha1.DatabaseStatus{Primary: "db-0"}, &v1alpha1.DatabaseStatus{Primary: "db-0"}, "", ""},
		"after a restart":        {&v1alpha1.DatabaseStatus{Primary: "db-1", LastFailover: seen("db-1", noon)}, &v1alpha1.DatabaseStatus{Primary: "db-1"}, v1alpha1.FailoverServerStopped, "db-1"},
		"a new one":              {&v1alpha1.DatabaseStatus{Primary: "db-1", LastFailover: seen("db-1", noon)}, &v1alpha1.DatabaseStatus{Primary: "db-2", LastFailover: seen("db-2", later)}, v1alpha1.FailoverServerStopped, "db-2"},
		"one that nobody saw":    {&v1alpha1.DatabaseStatus{Primary: "db-0"}, &v1alpha1.DatabaseStatus{Primary: "db-1", PrimarySince: noon}, v1alpha1.FailoverUnseen, "db-1"},
		"another, unseen":        {&v1alpha1.DatabaseStatus{Primary: "db-1", LastFailover: seen("db-1", noon)}, &v1alpha1.DatabaseStatus{Primary: "db-2", PrimarySince: later}, v1alpha1.FailoverUnseen, "db-2"},
		"no primary for a while": {&v1alpha1.DatabaseStatus{Primary: "db-1", LastFailover: seen("db-1", noon)}, &v1alpha1.DatabaseStatus{}, v1alpha1.FailoverServerStopped, "db-1"},
	} {
		t.Run(name, func(t *testing.T) {
			known := withHistory(c.old, c.current).LastFailover
			if (known != nil) != (c.to != "") || known != nil && (known.Cause != c.cause || known.To != c.to) {
				t.Errorf("%+v", known)
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
