package catalog

import (
	"maps"
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func TestComponentsAreInTheOrderInWhichTheyNeedEachOther(t *testing.T) {
	var names []plan.ComponentName
	for _, c := range Components() {
		names = append(names, c.Name)
		if c.Render == nil || c.Assess == nil {
			t.Errorf("%s cannot be rendered or judged", c.Name)
		}
	}
	want := []plan.ComponentName{plan.Postgres, plan.Redis, plan.Pooler, plan.Edge, plan.Migration, plan.API}
	if !slices.Equal(names, want) {
		t.Errorf("components are %v", names)
	}
}

func TestOnlyTheMigrationAndTheAPIWait(t *testing.T) {
	for _, c := range Components() {
		if waits := c.Name == plan.Migration || c.Name == plan.API; waits != (c.Gate != nil) {
			t.Errorf("%s has a gate: %t", c.Name, c.Gate != nil)
		}
	}
}

const leader = "fediflow-postgres-0"

func TestTheMigrationWaitsForAReadyPrimary(t *testing.T) {
	managed := resolve(t, minimal(v1alpha1.SizeSmall))
	cases := map[string]struct {
		world component.World
		open  bool
	}{
		"nothing is there":                     {component.World{}, false},
		"pods are ready, nobody leads":         {world(pod(leader, corev1.ConditionTrue)), false},
		"the leader is not ready":              {led(pod(leader, corev1.ConditionFalse)), false},
		"the leader has no pod":                {led(pod("fediflow-postgres-1", corev1.ConditionTrue)), false},
		"another member is ready":              {led(pod(leader, corev1.ConditionFalse), pod("fediflow-postgres-1", corev1.ConditionTrue)), false},
		"the leader is ready":                  {led(pod(leader, corev1.ConditionTrue)), true},
		"the migration is done, no leader now": {withJob(component.World{}, job(t, managed, batchv1.JobComplete)), true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if g := gate(t, plan.Migration, managed, c.world); g.Open != c.open {
				t.Errorf("the gate is open: %t (%s)", g.Open, g.Message)
			}
		})
	}
}

func TestTheMigrationOfAnExternalDatabaseWaitsForNothing(t *testing.T) {
	for _, platform := range allPlatforms(t) {
		if platform.plan.Database.External != nil {
			if g := gate(t, plan.Migration, platform.plan, component.World{}); !g.Open {
				t.Error(g.Message)
			}
			return
		}
	}
	t.Fatal("no platform has an external database")
}

func TestTheAPIWaitsForTheMigrationOfItsImage(t *testing.T) {
	p := resolve(t, minimal(v1alpha1.SizeSmall))
	upgraded := minimal(v1alpha1.SizeSmall)
	upgraded.Spec.Image = "fediflow/fediflow:0.2.0"
	ready := func() component.World { return led(pod(leader, corev1.ConditionTrue)) }
	cases := map[string]struct {
		world component.World
		open  bool
	}{
		"nothing is there":                   {component.World{}, false},
		"there is no Job":                    {ready(), false},
		"the Job runs":                       {withJob(ready(), job(t, p, "")), false},
		"the Job failed":                     {withJob(ready(), job(t, p, batchv1.JobFailed)), false},
		"the Job will be counted complete":   {withJob(ready(), job(t, p, batchv1.JobSuccessCriteriaMet)), false},
		"the Job of another image is done":   {withJob(ready(), job(t, resolve(t, upgraded), batchv1.JobComplete)), false},
		"the Job is done":                    {withJob(ready(), job(t, p, batchv1.JobComplete)), true},
		"the Job is done, the leader is not": {withJob(component.World{}, job(t, p, batchv1.JobComplete)), true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if g := gate(t, plan.API, p, c.world); g.Open != c.open {
				t.Errorf("the gate is open: %t (%s)", g.Open, g.Message)
			}
		})
	}
}

// gate is a component's gate in a world; a closed one must say what it waits for.
func gate(t *testing.T, name plan.ComponentName, p plan.Plan, w component.World) component.Gate {
	t.Helper()
	g := find(t, name).Gate(p, w)
	if !g.Open && !strings.HasPrefix(g.Message, "waiting for ") {
		t.Errorf("a closed gate says %q", g.Message)
	}
	return g
}

func find(t *testing.T, name plan.ComponentName) component.Component {
	t.Helper()
	for _, c := range Components() {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("there is no component %s", name)
	return component.Component{}
}

func pod(name string, ready corev1.ConditionStatus) *corev1.Pod {
	p := &corev1.Pod{}
	p.Name = name
	p.Labels = plan.ClusterName("fediflow").Labels(plan.Postgres)
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	return p
}

func world(pods ...*corev1.Pod) component.World {
	return component.World{Pods: pods, Objects: map[component.Key]runtime.Object{}}
}

// led is a world in which the leader holds its lock.
func led(pods ...*corev1.Pod) component.World {
	w := world(pods...)
	lock := &corev1.Endpoints{} //nolint:staticcheck // where Patroni keeps the lock
	lock.Annotations = map[string]string{"leader": leader}
	w.Objects[component.Key{Kind: "Endpoints", Name: "fediflow-postgres"}] = lock
	return w
}

// job is the migration of a plan in a condition, or still running.
func job(t *testing.T, p plan.Plan, condition batchv1.JobConditionType) *batchv1.Job {
	t.Helper()
	jobs := only[*batchv1.Job](children(t, p))
	if len(jobs) != 1 {
		t.Fatalf("%d Jobs are rendered", len(jobs))
	}
	if condition != "" {
		jobs[0].Status.Conditions = []batchv1.JobCondition{{Type: condition, Status: corev1.ConditionTrue}}
	}
	return jobs[0]
}

func withJob(w component.World, job *batchv1.Job) component.World {
	objects := map[component.Key]runtime.Object{{Kind: "Job", Name: job.Name}: job}
	maps.Copy(objects, w.Objects)
	w.Objects = objects
	return w
}
