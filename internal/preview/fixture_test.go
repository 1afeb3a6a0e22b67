package preview

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

var testFacts = plan.Facts{
	Images:  plan.Images{Postgres: "postgres:1", PgBouncer: "pgbouncer:1", Valkey: "valkey:1", Edge: "edge:1"},
	Regions: []string{"eu-west", "us-east"},
	Zones:   []string{"a", "b", "c"},
}

// planned is the plan of a spec, with the members that a world has.
func planned(t *testing.T, spec string, w component.World) plan.Plan {
	t.Helper()
	manifests, err := Read([]byte(minimal + spec))
	if err != nil {
		t.Fatal(err)
	}
	facts := w.Complete(testFacts)
	p, problems := plan.Resolve(manifests.Cluster, facts)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return p
}

// runningOwner is a cluster that exists.
func runningOwner() *v1alpha1.FediFlowCluster {
	return &v1alpha1.FediFlowCluster{ObjectMeta: metav1.ObjectMeta{Name: "social", Namespace: "social", UID: "u-1"}}
}

// settled is a platform of a spec that has come to rest.
func settled(t *testing.T, spec string) Change {
	t.Helper()
	c := Change{Owner: runningOwner(), World: component.World{
		Objects: map[component.Key]runtime.Object{},
		Masters: map[plan.StoreName]string{plan.Queue: "social-redis-queue-1", plan.Cache: "social-redis-cache-0"},
	}}
	p := planned(t, spec, c.World)
	c.Before = &p
	rendered, err := prepare(c.Owner, p)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range rendered.objects {
		live, err := scheme.Scheme.New(object.GroupVersionKind())
		if err != nil {
			t.Fatal(err)
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, live); err != nil {
			t.Fatal(err)
		}
		c.World.Objects[keyOf(object)] = live
		lives(&c.World, p, live)
	}
	lead(&c.World, p)
	return c
}

// lives plays the controllers of a workload.
func lives(w *component.World, p plan.Plan, object runtime.Object) {
	switch live := object.(type) {
	case *batchv1.Job:
		live.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
	case *appsv1.Deployment:
		if live.Spec.Replicas == nil {
			live.Spec.Replicas = new(p.API.Autoscaling.MinReplicas)
		}
	case *appsv1.StatefulSet:
		for ordinal := range *live.Spec.Replicas {
			pod := &corev1.Pod{ObjectMeta: *live.Spec.Template.ObjectMeta.DeepCopy(), Spec: *live.Spec.Template.Spec.DeepCopy()}
			pod.Name = plan.Member(live.Name, ordinal)
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
			w.Pods = append(w.Pods, pod)
			for _, claim := range live.Spec.VolumeClaimTemplates {
				name := claim.Name + "-" + pod.Name
				w.Objects[component.Key{Kind: "PersistentVolumeClaim", Name: name}] = &corev1.PersistentVolumeClaim{
					ObjectMeta: metav1.ObjectMeta{Name: name}}
			}
		}
	}
}

// lead plays Patroni: member 1 leads, the others stream, and they share their configuration.
func lead(w *component.World, p plan.Plan) {
	if p.Database.Managed == nil {
		return
	}
	standbys := ""
	for _, pod := range postgres.Pods(p, *w) {
		pod.Annotations["status"] = `{"state":"running"}`
		if pod.Name != "social-postgres-1" {
			pod.Annotations["status"] = `{"state":"running","replication_state":"streaming"}`
			standbys += "," + pod.Name
		}
	}
	endpoints := func(name string, annotations map[string]string) {
		w.Objects[component.Key{Kind: "Endpoints", Name: name}] = &metav1.PartialObjectMetadata{
			ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: annotations}}
	}
	endpoints("social-postgres", map[string]string{"leader": "social-postgres-1"})
	endpoints("social-postgres-sync", map[string]string{"sync_standby": standbys[min(1, len(standbys)):]})
	endpoints("social-postgres-config", map[string]string{"config": string(postgres.DynamicConfiguration(p))})
}

// changed is the difference between two specs.
func changed(t *testing.T, before, after string, tampers ...func(*Change)) Difference {
	t.Helper()
	c := settled(t, before)
	c.After = planned(t, after, c.World)
	for _, tamper := range tampers {
		tamper(&c)
	}
	difference, err := Diff(c)
	if err != nil {
		t.Fatal(err)
	}
	return difference
}

// steps are what happens to the pods of a group, in words.
func steps(d Difference, group string) []string {
	var words []string
	for _, g := range d.Pods {
		if g.Name == group {
			for _, step := range g.Steps {
				words = append(words, fmt.Sprint(step.Action, " ", step.Pod))
			}
		}
	}
	return words
}
