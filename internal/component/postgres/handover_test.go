package postgres

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// led is a healthy cluster whose primary, member 0, took the lock at some time.
func led(since time.Time, standbys string, pods ...*corev1.Pod) component.World {
	w := running(standbys, pods...)
	w.Objects[component.Key{Kind: "Endpoints", Name: "fediflow-postgres"}].(*corev1.Endpoints). //nolint:staticcheck,forcetypeassert // Patroni's
													Annotations["acquireTime"] = since.Format(time.RFC3339Nano)
	return w
}

func TestARequestedSwitchoverIsDoneOnceAndInTime(t *testing.T) {
	before, after := noon.Add(-time.Hour), noon.Add(time.Second)
	request := noon.Format(time.RFC3339)
	for name, c := range map[string]struct {
		request string
		now     time.Time
		world   component.World
		state   v1alpha1.SwitchoverState
		to      string
		says    string
	}{
		"nobody asks":              {"", noon, led(before, "fediflow-postgres-1", healthy()...), "", "", ""},
		"it is time":               {request, after, led(before, "fediflow-postgres-1", healthy()...), "Pending", "fediflow-postgres-1", "to fediflow-postgres-1"},
		"it is not yet time":       {request, before, led(before, "fediflow-postgres-1", healthy()...), "Pending", "", "not yet"},
		"a primary came after it":  {request, after, led(after, "fediflow-postgres-1", healthy()...), "Done", "", "fediflow-postgres-0 is primary since"},
		"the synchronous standby":  {request + "/fediflow-postgres-1", after, led(before, "fediflow-postgres-1", healthy()...), "Pending", "fediflow-postgres-1", ""},
		"who is primary already":   {request + "/fediflow-postgres-0", after, led(before, "fediflow-postgres-1", healthy()...), "Done", "", "already"},
		"who might lose a write":   {request + "/fediflow-postgres-2", after, led(before, "fediflow-postgres-1", healthy()...), "Pending", "", "fediflow-postgres-1 is"},
		"nobody can take over":     {request, after, led(before, "", healthy()...), "Pending", "", "no standby"},
		"too late":                 {request, noon.Add(time.Hour), led(before, "", healthy()...), "Expired", "", "no standby"},
		"too late, though it may":  {request, noon.Add(time.Hour), led(before, "fediflow-postgres-1", healthy()...), "Expired", "", "refused"},
		"what is no time":          {"now", after, led(before, "fediflow-postgres-1", healthy()...), "Refused", "", plan.AnnotationSwitchover + "="},
		"a time and then nothing":  {request + "/", after, led(before, "fediflow-postgres-1", healthy()...), "Refused", "", ""},
		"there is no primary":      {request, after, component.World{}, "Pending", "", "no ready primary"},
		"a migration is under way": {request, after, withMigration(led(before, "fediflow-postgres-1", healthy()...)), "Pending", "", "migration"},
	} {
		t.Run(name, func(t *testing.T) {
			judged, handover := Requested(c.request, c.now, small(t), c.world)
			if c.state == "" {
				if judged != nil || handover.From != "" {
					t.Errorf("%v, %v", judged, handover)
				}
				return
			}
			if judged.State != c.state || !strings.Contains(judged.Message, c.says) || judged.Request != c.request {
				t.Errorf("%v", *judged)
			}
			if early := c.says == "not yet"; early != handover.Due.Equal(noon) || !early && !handover.Due.IsZero() {
				t.Errorf("it is due at %s", handover.Due)
			}
			if handover.To != c.to || (handover.From == "fediflow-postgres-0") != (c.to != "") {
				t.Errorf("%v", handover)
			}
		})
	}
}

func withMigration(w component.World) component.World {
	job := &batchv1.Job{}
	job.Labels = plan.ClusterName("fediflow").Labels(plan.Migration)
	job.Status.Active = 1
	w.Objects[component.Key{Kind: "Job", Name: "fediflow-migration"}] = job
	return w
}

// Safety rule 7: the primary goes last, and before its pod does.
func TestThePrimaryLeavesACordonedNodeForOneThatIsNot(t *testing.T) {
	for name, c := range map[string]struct {
		cordoned []string
		standbys string
		to       string
	}{
		"no node is cordoned":           {nil, "fediflow-postgres-1", ""},
		"a standby's is":                {[]string{"node-1"}, "fediflow-postgres-1", ""},
		"the primary's is":              {[]string{"node-0"}, "fediflow-postgres-1", "fediflow-postgres-1"},
		"the successor's is, too":       {[]string{"node-0", "node-1"}, "fediflow-postgres-1", ""},
		"one of two successors' is":     {[]string{"node-0", "node-1"}, "fediflow-postgres-1,fediflow-postgres-2", "fediflow-postgres-2"},
		"nobody has every write":        {[]string{"node-0"}, "", ""},
		"another cluster's node is one": {[]string{"elsewhere"}, "fediflow-postgres-1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			pods := healthy()
			for i, pod := range pods {
				pod.Spec.NodeName = "node-" + string(rune('0'+i))
			}
			w := led(noon, c.standbys, pods...)
			w.Cordoned = c.cordoned
			if handover := Drained(small(t), w); handover.To != c.to || (handover.From == "fediflow-postgres-0") != (c.to != "") {
				t.Errorf("%v", handover)
			}
			if handover := Drained(small(t), withMigration(w)); handover.From != "" {
				t.Errorf("a migration is interrupted: %v", handover)
			}
		})
	}
}
