package preview

import (
	"bytes"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) metav1.Time { return metav1.NewTime(now.Add(-d)) }

func printed(t *testing.T, cluster *v1alpha1.FediFlowCluster, events ...corev1.Event) string {
	t.Helper()
	var out bytes.Buffer
	if err := PrintStatus(&out, cluster, events, now); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(out.String()) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func degraded() *v1alpha1.FediFlowCluster {
	cluster := &v1alpha1.FediFlowCluster{ObjectMeta: metav1.ObjectMeta{Name: "social", Namespace: "fedi", Generation: 2}}
	cluster.Status = v1alpha1.FediFlowClusterStatus{
		ObservedGeneration: 2,
		Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "NotReplicating", Message: "postgres 2/3", LastTransitionTime: ago(5 * time.Minute)},
			{Type: v1alpha1.ConditionSchedulable, Status: metav1.ConditionFalse, Reason: "InsufficientCapacity", Message: "quota", LastTransitionTime: ago(time.Hour)},
			{Type: "Other", Status: metav1.ConditionUnknown, Reason: "R", LastTransitionTime: ago(time.Hour)},
		},
		Components: []v1alpha1.ComponentStatus{
			{Name: "postgres", State: v1alpha1.StateDegraded, Message: "social-postgres-2 is not streaming", Ready: 2, Desired: 3},
			{Name: "api", State: v1alpha1.StateReady, Ready: 2, Desired: 2},
		},
		Edge: "1/1",
		Database: &v1alpha1.DatabaseStatus{Primary: "social-postgres-1", Members: []v1alpha1.DatabaseMemberStatus{
			{Name: "social-postgres-0", Role: v1alpha1.RoleSyncStandby, State: "streaming", Timeline: 3, LagBytes: new(int64(2 << 20))},
			{Name: "social-postgres-1", Role: v1alpha1.RolePrimary, State: "running", Timeline: 3},
			{Name: "social-postgres-2", Role: v1alpha1.RoleUnknown},
		}},
		Redis: []v1alpha1.RedisStoreStatus{{Name: "queue", Master: "social-redis-queue-0"}, {Name: "cache"}},
		Plan: &v1alpha1.PlanStatus{
			Profile: "size Small", Minimum: &v1alpha1.ResourceTotals{CPU: "2", Memory: "4Gi", Storage: "40Gi"},
			Maximum:   &v1alpha1.ResourceTotals{CPU: "4", Memory: "8Gi", Storage: "40Gi"},
			Overrides: []string{"spec.pooler.replicas"}, Clamped: []string{"pooler.default_pool_size 20 → 13"},
		},
	}
	return cluster
}

func TestAStatusSaysInWordsWhatIsGoingOn(t *testing.T) {
	text := printed(t, degraded())
	for _, want := range []string{
		"fedi/social\n", "not ready for 5m NotReplicating: postgres 2/3", "there is no room for 60m InsufficientCapacity: quota", "Other is Unknown",
		"postgres 2/3 Degraded social-postgres-2 is not streaming", "api 2/2 Ready -", "edge, all regions 1/1",
		"social-postgres-0 SyncStandby streaming 3 2Mi", "social-postgres-1 Primary running 3 -", "social-postgres-2 Unknown - - -",
		"queue social-redis-queue-0", "cache -", "PLAN: size Small CPU MEMORY STORAGE", "scaled down 2 4Gi 40Gi", "scaled up 4 8Gi 40Gi",
		"spec.pooler.replicas", "pooler.default_pool_size 20 → 13",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "no primary") || strings.Contains(text, "not looked at") {
		t.Error(text)
	}
}

func TestAStatusThatIsNotUpToDateSaysSo(t *testing.T) {
	newer, fresh, leaving, headless := degraded(), degraded(), degraded(), degraded()
	newer.Generation = 3
	fresh.Status = v1alpha1.FediFlowClusterStatus{ObservedGeneration: -1}
	leaving.DeletionTimestamp = new(ago(time.Minute))
	headless.Status.Database.Primary = ""
	for want, cluster := range map[string]*v1alpha1.FediFlowCluster{
		"the operator has not looked at the latest change of the spec yet": newer,
		"no operator has looked at it yet":                                 fresh,
		"is being deleted":                                                 leaving,
		"there is no primary at the moment":                                headless,
	} {
		if text := printed(t, cluster); !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestTheLatestEventsComeFirstWhicheverWayTheyWereWritten(t *testing.T) {
	text := printed(t, degraded(),
		corev1.Event{Reason: "Oldest", LastTimestamp: ago(time.Hour)},
		corev1.Event{Reason: "Third", EventTime: metav1.NewMicroTime(now.Add(-3 * time.Minute))},
		corev1.Event{Reason: "First", Message: "two\nlines", Type: "Warning", EventTime: metav1.NewMicroTime(now.Add(-time.Hour)),
			Series: &corev1.EventSeries{LastObservedTime: metav1.NewMicroTime(now.Add(-time.Minute))}},
		corev1.Event{Reason: "Second", LastTimestamp: ago(2 * time.Minute)},
		corev1.Event{Reason: "Fourth", LastTimestamp: ago(4 * time.Minute)},
		corev1.Event{Reason: "Fifth", LastTimestamp: ago(5 * time.Minute)},
	)
	_, text, _ = strings.Cut(text, "LATEST EVENTS\n")
	want := "60s ago Warning First two lines\n2m ago Second\n3m ago Third\n4m ago Fourth\n5m ago Fifth"
	if text != want {
		t.Errorf("%s", text)
	}
}
