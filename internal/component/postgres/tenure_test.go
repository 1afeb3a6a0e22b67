package postgres

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// held is the leader lock as Patroni writes it.
func held(leader string, acquired, renewed time.Time) map[string]string {
	return map[string]string{"leader": leader, "acquireTime": acquired.Format(time.RFC3339Nano), "renewTime": renewed.Format(time.RFC3339Nano)}
}

func TestAFailoverIsToldWithItsCauseAndHowLongThereWasNoPrimary(t *testing.T) {
	second := func(n float64) time.Time { return noon.Add(time.Duration(n * float64(time.Second))) }
	type sight struct {
		lock, request map[string]string
		at            time.Time
	}
	given := map[string]string{"optime": "50331648"} // the lock without its holder
	for name, c := range map[string]struct {
		sights   []sight
		cause    v1alpha1.FailoverCause
		duration string
	}{
		"the first sight":  {sights: []sight{{lock: held("db-0", second(0), second(8)), at: second(8)}}},
		"the same goes on": {sights: []sight{{lock: held("db-0", second(0), second(8)), at: second(8)}, {lock: held("db-0", second(0), second(10)), at: second(10)}}},
		"the same comes back": {sights: []sight{
			{lock: held("db-0", second(0), second(8)), at: second(8)}, {lock: given, at: second(9)}, {lock: held("db-0", second(10), second(10)), at: second(10)}}},
		"its server stopped": {sights: []sight{
			{lock: held("db-0", second(0), second(8)), at: second(8)}, {lock: given, at: second(9)}, {lock: given, at: second(9.5)},
			{lock: held("db-1", second(9.6), second(9.6)), at: second(11)}}, cause: v1alpha1.FailoverServerStopped, duration: "600ms"},
		"it was asked to": {sights: []sight{
			{lock: held("db-0", second(0), second(8)), at: second(8)}, {request: map[string]string{"leader": "db-0", "member": "db-1"}},
			{lock: held("db-0", second(0), second(8.5)), at: second(8.5)}, {request: map[string]string{}}, {lock: given, at: second(9)},
			{lock: held("db-1", second(9.4), second(9.4)), at: second(11)}}, cause: v1alpha1.FailoverPlanned, duration: "400ms"},
		"another was asked to, before": {sights: []sight{
			{lock: held("db-0", second(0), second(8)), at: second(8)}, {request: map[string]string{"leader": "db-2"}}, {lock: given, at: second(9)},
			{lock: held("db-1", second(9.4), second(9.4)), at: second(11)}}, cause: v1alpha1.FailoverServerStopped, duration: "400ms"},
		"its node is gone": {sights: []sight{
			{lock: held("db-0", second(0), second(8)), at: second(8)}, {lock: held("db-1", second(28.3), second(28.3)), at: second(29)}},
			cause: v1alpha1.FailoverHeartbeatLost, duration: "20.3s"},
		"clocks differ": {sights: []sight{
			{lock: held("db-0", second(0), second(8)), at: second(8)}, {lock: given, at: second(20)}, {lock: held("db-1", second(10), second(10)), at: second(21)}},
			cause: v1alpha1.FailoverServerStopped},
	} {
		t.Run(name, func(t *testing.T) {
			var tenure Tenure
			var failover *v1alpha1.FailoverStatus
			for _, sight := range c.sights {
				if sight.lock == nil {
					tenure = tenure.Ask(sight.request)
					continue
				}
				tenure, failover = tenure.See(sight.lock, sight.at)
			}
			if c.cause == "" {
				if failover != nil || tenure.Leader != "db-0" {
					t.Errorf("%v, %v", failover, tenure)
				}
				return
			}
			if failover == nil || failover.From != "db-0" || failover.To != "db-1" || failover.Cause != c.cause || failover.Duration != c.duration {
				t.Errorf("%+v", failover)
			}
		})
	}
}

func TestAPodThatWasDeletedIsToBlame(t *testing.T) {
	failover := &v1alpha1.FailoverStatus{From: "fediflow-postgres-0", To: "fediflow-postgres-1", Time: metav1.NewTime(noon), Cause: v1alpha1.FailoverPlanned}
	for name, c := range map[string]struct {
		created time.Time
		there   bool
		want    v1alpha1.FailoverCause
	}{
		"it is the same pod":   {noon.Add(-time.Hour), true, v1alpha1.FailoverPlanned},
		"it is gone":           {noon.Add(-time.Hour), false, v1alpha1.FailoverPodGone},
		"it is another by now": {noon.Add(time.Second), true, v1alpha1.FailoverPodGone},
		"it was another then":  {noon.Add(-2 * time.Second), true, v1alpha1.FailoverPodGone},
	} {
		t.Run(name, func(t *testing.T) {
			pods := healthy()
			pods[0].CreationTimestamp = metav1.NewTime(c.created)
			if !c.there {
				pods = pods[1:]
			}
			if have := WithPods(failover, small(t), running("", pods...)); have.Cause != c.want {
				t.Errorf("%s", have.Cause)
			}
		})
	}
	if failover.Cause != v1alpha1.FailoverPlanned || WithPods(nil, small(t), running("")) != nil {
		t.Error("what was given is changed")
	}
}
