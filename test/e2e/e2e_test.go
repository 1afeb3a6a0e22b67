//go:build e2e

// Package e2e proves on a real Kubernetes what users count on. It needs the operator, as `make demo`
// installs it, and works in a namespace of its own.
package e2e

import (
	"context"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// TestPlatform is the life of one platform: its steps build on each other.
func TestPlatform(t *testing.T) {
	env, err := newEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		name string
		run  func(*testing.T, *environment)
	}{
		{"refused by the API server", testRefused},
		{"a namespace that is not enrolled says how to enrol it", testEnrolment},
		{"a small manifest becomes ready", testReady},
		{"a larger size reaches every pod", testLargerSize},
		{"what is declared inside the database comes to be there", testDatabase},
		{"edge", testEdge},
		{"bad input stalls and heals, and the platform keeps running", testBadInput},
		{"a plan that a quota has no room for is told", testCapacity},
		{"CPU and memory change without a restart and without a failed request", testResize},
		{"load makes the autoscaler scale up", testAutoscaling},
		{"a requested switchover fails no statement", testSwitchover},
		{"a primary leaves its cordoned node before it may be evicted, and fails no statement", testCordon},
		{"a rolling restart of the database fails no statement", testRollingRestart},
		{"SIGKILL of the primary's postmaster loses no acknowledged write", testPostmasterKilled},
		{"deletion of the primary's pod loses no acknowledged write", testPrimaryDeleted},
		{"the database fails over while the operator is down", testOperatorDown},
		{"partition of the primary's node loses no acknowledged write", testPartition},
		{"a random walk of profiles ends where a fresh start begins", testProfileWalk},
		{"deletion keeps the data, and a new cluster of the same name adopts it", testAdoption},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) { step.run(t, env) }) {
			t.Log(env.tryKubectl(context.Background(), "get", "ffc,pods", "-o", "wide"))
			t.Fatal("later steps need this one")
		}
	}
}

func testRefused(t *testing.T, env *environment) {
	namespaceObject := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	if err := env.client.Create(t.Context(), namespaceObject); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		edit func(*v1alpha1.FediFlowCluster)
		says string
	}{
		"unknown size": {
			func(c *v1alpha1.FediFlowCluster) { c.Spec.Profile.Size = "Smal" },
			`supported values: "Development", "Small", "Medium", "Large", "XLarge"`},
		"malformed domain": {
			func(c *v1alpha1.FediFlowCluster) { c.Spec.Domain = "https://Social.example" }, "domain"},
		"impossible combination": {
			func(c *v1alpha1.FediFlowCluster) {
				c.Spec.API = &v1alpha1.APISpec{Autoscaling: &v1alpha1.AutoscalingSpec{MinReplicas: new(int32(5)), MaxReplicas: new(int32(2))}}
			}, "minReplicas"},
		"name of 63 characters": {
			func(c *v1alpha1.FediFlowCluster) { c.Name = strings.Repeat("n", 63) }, "26"},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := newCluster(v1alpha1.SizeDevelopment)
			test.edit(cluster)
			err := env.client.Create(t.Context(), cluster)
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("want an answer that says %q, got %v", test.says, err)
			}
		})
	}
}

func testEnrolment(t *testing.T, env *environment) {
	if err := env.client.Create(t.Context(), newCluster(v1alpha1.SizeDevelopment)); err != nil {
		t.Fatal(err)
	}
	env.waitStalled(t, clusterName, v1alpha1.ReasonSecretForbidden, "config/namespace")
	env.kubectl(t, "apply", "--server-side", "-k", "config/namespace")
}

func testReady(t *testing.T, env *environment) { env.waitReady(t) }

func testLargerSize(t *testing.T, env *environment) {
	env.change(t, func(spec *v1alpha1.FediFlowClusterSpec) { spec.Profile.Size = v1alpha1.SizeSmall })
	env.waitReady(t)
	members := env.cluster(t).Status.Database.Members
	if len(members) != 3 {
		t.Errorf("the database has %d members, want 3", len(members))
	}
	resolved, problems := plan.Resolve(env.cluster(t), plan.Facts{Regions: []string{"eu-west", "us-east"}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for component, want := range map[plan.ComponentName]plan.Resources{
		plan.Postgres: resolved.Database.Managed.Resources,
		plan.API:      resolved.API.Resources,
		plan.Edge:     resolved.Edge.Resources,
		plan.Pooler:   resolved.Pooler.Resources,
	} {
		for _, pod := range env.pods(t, component) {
			got := pod.Spec.Containers[0].Resources
			if !got.Requests.Cpu().Equal(want.CPU) || !got.Limits.Memory().Equal(want.Memory) {
				t.Errorf("%s has %v, want %v", pod.Name, got, want)
			}
		}
	}
	sync := &corev1.Endpoints{} //nolint:staticcheck // Patroni's state is in Endpoints
	eventually(t, "replicating synchronously", func() (bool, string) {
		env.get(t, names.PostgresSync(), sync)
		return sync.Annotations["sync_standby"] != "", "no synchronous standby"
	})
}

// testBadInput: while the spec is wrong, nothing that runs is touched.
func testBadInput(t *testing.T, env *environment) {
	good := env.cluster(t).Spec
	for name, test := range map[string]struct {
		edit   func(*v1alpha1.FediFlowClusterSpec)
		reason string
		says   []string
	}{
		"an image that does not exist": {
			func(s *v1alpha1.FediFlowClusterSpec) { s.Image = "fediflow/no-such-image:0.1.0" },
			v1alpha1.ReasonImagePullFailed, []string{"fediflow/no-such-image:0.1.0", "imagePullSecrets"}},
		"a region that no node has": {
			func(s *v1alpha1.FediFlowClusterSpec) {
				s.Edge.Regions = append(s.Edge.Regions, v1alpha1.EdgeRegionSpec{Name: "antarctica"})
			}, v1alpha1.ReasonRegionNotFound, []string{"antarctica", "us-east"}},
		"a storage class that does not exist": {
			func(s *v1alpha1.FediFlowClusterSpec) {
				s.Edge.Storage = &v1alpha1.StorageSpec{StorageClassName: new("no-such-class")}
			}, v1alpha1.ReasonStorageClassNotFound, []string{"no-such-class"}},
	} {
		t.Run(name, func(t *testing.T) {
			before := env.serving(t)
			env.change(t, test.edit)
			env.waitStalled(t, clusterName, test.reason, test.says...)
			if after := env.serving(t); after != before {
				t.Errorf("what was serving changed:\n%s\n%s", before, after)
			}
			env.tunnel(t, "us-east").get(t, "/users/admin", map[string]string{"Accept": activityJSON, "Cookie": "no=cache"})
			env.change(t, func(spec *v1alpha1.FediFlowClusterSpec) { *spec = good })
			env.waitReady(t)
		})
	}
	t.Run("an external database's Secret that is missing", func(t *testing.T) {
		other := newCluster(v1alpha1.SizeDevelopment)
		other.Name = "external"
		other.Spec.Database = &v1alpha1.DatabaseSpec{External: &v1alpha1.ExternalDatabaseSpec{
			Host: "db.example.edu", CredentialsSecret: v1alpha1.SecretName{Name: "no-such-secret"}}}
		if err := env.client.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		env.waitStalled(t, other.Name, v1alpha1.ReasonSecretNotFound, "no-such-secret")
		if err := env.client.Delete(t.Context(), other); err != nil {
			t.Fatal(err)
		}
	})
}

// serving lists the ready pods that the platform had from the start of a step.
func (e *environment) serving(t *testing.T) string {
	t.Helper()
	var lines []string
	for _, component := range []plan.ComponentName{plan.Postgres, plan.Pooler, plan.Redis, plan.Edge, plan.API} {
		for _, pod := range e.pods(t, component) {
			for _, condition := range pod.Status.Conditions {
				if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
					lines = append(lines, pod.Name+" "+string(pod.UID))
				}
			}
		}
	}
	return strings.Join(lines, "\n")
}

func testAutoscaling(t *testing.T, env *environment) {
	var autoscaler autoscalingv2.HorizontalPodAutoscaler
	env.get(t, names.Component(plan.API), &autoscaler)
	before := *autoscaler.Spec.MinReplicas
	api := env.pods(t, plan.API)[0]
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "load"},
		Spec: batchv1.JobSpec{BackoffLimit: new(int32(0)), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy:   corev1.RestartPolicyNever,
			SecurityContext: api.Spec.SecurityContext,
			Containers: []corev1.Container{{
				Name: "load", Image: image, SecurityContext: api.Spec.Containers[0].SecurityContext,
				// The actor is asked for at the API itself: an edge would answer from its cache.
				Command: []string{"node", "load.js", "--url", "http://" + names.Component(plan.API) + "/users/admin",
					"--seconds", "300", "--concurrency", "16"},
			}},
		}}},
	}
	if err := env.client.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	eventually(t, "scaled up", func() (bool, string) {
		env.get(t, names.Component(plan.API), &autoscaler)
		return autoscaler.Status.DesiredReplicas > before, "the autoscaler wants " + itoa(autoscaler.Status.DesiredReplicas)
	})
	eventually(t, "more pods ready", func() (bool, string) {
		var deployment appsv1.Deployment
		env.get(t, names.Component(plan.API), &deployment)
		return deployment.Status.ReadyReplicas > before, "ready: " + itoa(deployment.Status.ReadyReplicas)
	})
	if err := env.client.Delete(t.Context(), job, client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
		t.Fatal(err)
	}
	env.waitReady(t)
}

func testAdoption(t *testing.T, env *environment) {
	path := env.post(t, env.tunnel(t, "us-east"), "This outlives its cluster")
	before := env.kubectl(t, "get", "pvc", "-l", plan.LabelComponent+"=postgres", "-o", "jsonpath={.items[*].metadata.uid}")
	env.deleteCluster(t)
	after := env.kubectl(t, "get", "pvc", "-l", plan.LabelComponent+"=postgres", "-o", "jsonpath={.items[*].metadata.uid}")
	if before == "" || after != before {
		t.Fatalf("volumes were %q and are %q", before, after)
	}
	if err := env.client.Create(t.Context(), newCluster(v1alpha1.SizeSmall)); err != nil {
		t.Fatal(err)
	}
	env.waitReady(t)
	note := env.tunnel(t, "eu-west").get(t, path, map[string]string{"Accept": activityJSON})
	if !strings.Contains(note.body, "This outlives its cluster") {
		t.Errorf("the note is %s", note.body)
	}
}

// deleteCluster deletes the platform and waits until everything but its data is gone.
func (e *environment) deleteCluster(t *testing.T) {
	t.Helper()
	cluster := e.cluster(t)
	if err := e.client.Delete(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	eventually(t, "gone", func() (bool, string) {
		left := e.kubectl(t, "get", "deploy,sts,svc,cm,hpa,pdb,job,netpol,role,rolebinding,sa,pod",
			"-l", plan.LabelCluster+"="+clusterName+",app!="+writersName, "-o", "name")
		// Patroni's state stays with the volumes.
		for _, kept := range []string{names.PostgresConfig(), names.PostgresSync(), names.PostgresFailover()} {
			left = strings.ReplaceAll(left, "service/"+kept+"\n", "")
		}
		return strings.TrimSpace(left) == "", "still there: " + strings.Join(strings.Fields(left), " ")
	})
}
