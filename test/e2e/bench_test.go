//go:build e2e && bench

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

const benchRounds = 20

// TestBenchResize measures how long a change of the profile takes to reach the containers of a
// StatefulSet, in place and by a rolling restart of the same StatefulSet, side by side.
func TestBenchResize(t *testing.T) {
	env, err := newEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := env.client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	env.kubectl(t, "apply", "--server-side", "-k", "config/namespace")
	if err := env.client.Create(t.Context(), newCluster(v1alpha1.SizeSmall)); err != nil {
		t.Fatal(err)
	}
	env.waitReady(t)

	before := env.statefulPods(t)
	var inPlace []time.Duration
	for round := range benchRounds {
		cpu := resource.MustParse(fmt.Sprintf("%dm", 251+round))
		start := time.Now()
		env.change(t, func(spec *v1alpha1.FediFlowClusterSpec) {
			spec.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{
				Resources: &v1alpha1.ResourceOverride{CPU: &cpu}}}
		})
		for !env.allHave(t, cpu) {
			time.Sleep(20 * time.Millisecond)
		}
		inPlace = append(inPlace, time.Since(start))
		env.waitReady(t)
	}
	if after := env.statefulPods(t); after != before {
		t.Errorf("pods were restarted:\n%s\n\n%s", before, after)
	}
	logTimes(t, "in place, 3 database members, 0 restarts", inPlace)

	var rolling []time.Duration
	for range 3 {
		start := time.Now()
		// Pods without the digest of a template are made anew by the disruption rules.
		for _, pod := range env.pods(t, plan.Postgres) {
			changed := pod.DeepCopy()
			delete(changed.Annotations, plan.AnnotationTemplateHash)
			changed.Labels["bench"] = "rolled" // the operator hears of labels, and of no annotation but Patroni's
			if err := env.client.Patch(t.Context(), changed, client.MergeFrom(&pod)); err != nil {
				t.Fatal(err)
			}
		}
		for !env.allNewerThan(t, start) {
			time.Sleep(200 * time.Millisecond)
		}
		env.waitReady(t)
		rolling = append(rolling, time.Since(start))
	}
	logTimes(t, "rolling restart, 3 database members", rolling)
}

// allHave says whether the containers of all members really have this CPU, as their kubelets read it back.
func (e *environment) allHave(t *testing.T, cpu resource.Quantity) bool {
	t.Helper()
	return !slices.ContainsFunc(e.pods(t, plan.Postgres), func(pod corev1.Pod) bool {
		status := containerStatus(&pod, "postgres")
		return status.Resources == nil || !status.Resources.Requests.Cpu().Equal(cpu)
	})
}

func (e *environment) allNewerThan(t *testing.T, start time.Time) bool {
	t.Helper()
	pods := e.pods(t, plan.Postgres)
	return len(pods) == 3 && !slices.ContainsFunc(pods, func(pod corev1.Pod) bool {
		return pod.CreationTimestamp.Time.Before(start.Truncate(time.Second))
	})
}

// containerStatus is that of a container by its name, the order of which is alphabetical.
func containerStatus(pod *corev1.Pod, name string) corev1.ContainerStatus {
	for _, status := range pod.Status.ContainerStatuses {
		if status.Name == name {
			return status
		}
	}
	return corev1.ContainerStatus{}
}

func logTimes(t *testing.T, what string, times []time.Duration) {
	t.Helper()
	slices.Sort(times)
	at := func(percent int) time.Duration {
		return times[min(len(times)-1, len(times)*percent/100)].Round(time.Millisecond)
	}
	t.Logf("%s, %d rounds: p50 %s, p99 %s, max %s", what, len(times), at(50), at(99), at(100))
}
