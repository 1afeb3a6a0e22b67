package migration

import (
	"slices"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	acbatch "k8s.io/client-go/applyconfigurations/batch/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// resolved is a small cluster with a change.
func resolved(t *testing.T, change func(spec *v1alpha1.FediFlowClusterSpec)) plan.Plan {
	t.Helper()
	c := &v1alpha1.FediFlowCluster{}
	c.Name, c.Namespace = "fediflow", "social"
	c.Spec.Domain, c.Spec.Image, c.Spec.Profile.Size = "social.example.edu", "fediflow:1", v1alpha1.SizeSmall
	change(&c.Spec)
	p, problems := plan.Resolve(c, plan.Facts{})
	if len(problems) > 0 {
		t.Fatalf("resolve: %v", problems)
	}
	return p
}

func small(t *testing.T) plan.Plan {
	t.Helper()
	return resolved(t, func(*v1alpha1.FediFlowClusterSpec) {})
}

func jobOf(t *testing.T, p plan.Plan) *acbatch.JobApplyConfiguration {
	t.Helper()
	objects := render(p).Objects
	if len(objects) != 1 {
		t.Fatalf("%d objects", len(objects))
	}
	job, ok := objects[0].Configuration.(*acbatch.JobApplyConfiguration)
	if !ok {
		t.Fatalf("%T is rendered", objects[0].Configuration)
	}
	return job
}

func command(words ...string) func(*v1alpha1.FediFlowClusterSpec) {
	return func(spec *v1alpha1.FediFlowClusterSpec) {
		spec.Migrations = &v1alpha1.MigrationsSpec{PreDeploy: &v1alpha1.MigrationSpec{Command: words}}
	}
}

func TestTheJobIsNamedByWhatTheMigrationDoes(t *testing.T) {
	external := func(host string) func(*v1alpha1.FediFlowClusterSpec) {
		return func(spec *v1alpha1.FediFlowClusterSpec) {
			spec.Database = &v1alpha1.DatabaseSpec{External: &v1alpha1.ExternalDatabaseSpec{
				Host: host, CredentialsSecret: v1alpha1.SecretName{Name: "external"},
			}}
		}
	}
	memory := resource.MustParse("2Gi")
	replicas := int32(3)
	for name, c := range map[string]struct {
		change func(*v1alpha1.FediFlowClusterSpec)
		again  bool
	}{
		"nothing":          {func(*v1alpha1.FediFlowClusterSpec) {}, false},
		"the same command": {command("node", "migrate.js", "up"), false},
		"resources": {func(spec *v1alpha1.FediFlowClusterSpec) {
			spec.API = &v1alpha1.APISpec{Resources: &v1alpha1.ResourceOverride{Memory: &memory, CPU: &memory}}
		}, false},
		"the size": {func(spec *v1alpha1.FediFlowClusterSpec) { spec.Profile.Size = v1alpha1.SizeXLarge }, false},
		"replicas": {func(spec *v1alpha1.FediFlowClusterSpec) {
			spec.API = &v1alpha1.APISpec{Autoscaling: &v1alpha1.AutoscalingSpec{MinReplicas: &replicas}}
		}, false},
		"the pooler": {func(spec *v1alpha1.FediFlowClusterSpec) { spec.Pooler = &v1alpha1.PoolerSpec{Replicas: &replicas} }, false},
		"credentials of the registry": {func(spec *v1alpha1.FediFlowClusterSpec) {
			spec.ImagePullSecrets = []v1alpha1.SecretName{{Name: "registry"}}
		}, false},
		"the image":       {func(spec *v1alpha1.FediFlowClusterSpec) { spec.Image = "fediflow:2" }, true},
		"the command":     {command("node", "migrate.js", "latest"), true},
		"the words of it": {command("node", "migrate.js up"), true},
		"the database":    {external("db.example.edu"), true},
		"the domain":      {func(spec *v1alpha1.FediFlowClusterSpec) { spec.Domain = "other.example.edu" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			again := *jobOf(t, resolved(t, c.change)).Name != *jobOf(t, small(t)).Name
			if again != c.again {
				t.Errorf("it migrates again: %t", again)
			}
		})
	}
	if *jobOf(t, resolved(t, external("a.example.edu"))).Name == *jobOf(t, resolved(t, external("b.example.edu"))).Name {
		t.Error("another external database is not migrated")
	}
}

// A Job's pods get its name as a label: 63 characters at most.
func TestTheJobsNameIsALegalLabel(t *testing.T) {
	p := small(t)
	p.Name = plan.ClusterName(strings.Repeat("a", 40))
	if name := *jobOf(t, p).Name; len(name) > 63 || !strings.HasPrefix(name, string(p.Name)+"-migration-") {
		t.Errorf("it is called %s", name)
	}
}

// Safety rule 17.
func TestMigrationsNeverGoThroughThePooler(t *testing.T) {
	external := resolved(t, func(spec *v1alpha1.FediFlowClusterSpec) {
		spec.Database = &v1alpha1.DatabaseSpec{External: &v1alpha1.ExternalDatabaseSpec{
			Host: "db.example.edu", CredentialsSecret: v1alpha1.SecretName{Name: "external"},
		}}
	})
	for want, p := range map[string]plan.Plan{"@fediflow-postgres:5432/fediflow?sslmode=verify-full&sslrootcert=/etc/fediflow/tls/ca.crt": small(t), "@db.example.edu:5432/fediflow": external} {
		url := ""
		for _, variable := range jobOf(t, p).Spec.Template.Spec.Containers[0].Env {
			if variable.Value != nil && strings.Contains(*variable.Value, "pooler") {
				t.Errorf("%s is %s", *variable.Name, *variable.Value)
			}
			if *variable.Name == "DATABASE_URL" {
				url = *variable.Value
			}
		}
		if !strings.HasSuffix(url, want) {
			t.Errorf("it connects to %s", url)
		}
	}
}

func TestTheJobRunsTheCommandWithTheNewImageAndGivesUp(t *testing.T) {
	job := jobOf(t, resolved(t, command("bin/migrate", "--all")))
	pod := job.Spec.Template.Spec
	if *pod.RestartPolicy != corev1.RestartPolicyNever || *job.Spec.BackoffLimit != 3 {
		t.Errorf("restart %s, backoff %d", *pod.RestartPolicy, *job.Spec.BackoffLimit)
	}
	container := pod.Containers[0]
	if *container.Image != "fediflow:1" || !slices.Equal(container.Command, []string{"bin/migrate", "--all"}) {
		t.Errorf("%s runs %v", *container.Image, container.Command)
	}
	// A Job that is removed after its end would run again.
	if job.Spec.TTLSecondsAfterFinished != nil {
		t.Error("it is removed after its end")
	}
}

func in(t *testing.T, p plan.Plan, condition batchv1.JobConditionType, status corev1.ConditionStatus) component.World {
	t.Helper()
	job := &batchv1.Job{}
	job.Name = *jobOf(t, p).Name
	job.Status.Conditions = []batchv1.JobCondition{{Type: condition, Status: status}}
	return component.World{Objects: map[component.Key]runtime.Object{{Kind: "Job", Name: job.Name}: job}}
}

func TestHealthOfTheMigration(t *testing.T) {
	p := small(t)
	for name, c := range map[string]struct {
		world component.World
		state v1alpha1.ComponentState
		ready int32
		human bool
	}{
		"there is no Job": {component.World{}, v1alpha1.StateProgressing, 0, false},
		"it is done":      {in(t, p, batchv1.JobComplete, corev1.ConditionTrue), v1alpha1.StateReady, 1, false},
		"it failed":       {in(t, p, batchv1.JobFailed, corev1.ConditionTrue), v1alpha1.StateFailed, 0, true},
		"it did not fail": {in(t, p, batchv1.JobFailed, corev1.ConditionFalse), v1alpha1.StateProgressing, 0, false},
		"it will fail":    {in(t, p, batchv1.JobFailureTarget, corev1.ConditionTrue), v1alpha1.StateProgressing, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			healths := assess(p, c.world)
			if len(healths) != 1 {
				t.Fatalf("%d entries", len(healths))
			}
			health := healths[0]
			if health.State != c.state || health.Ready != c.ready || health.Desired != 1 || health.NeedsHuman != c.human {
				t.Errorf("%+v", health)
			}
			if c.human && !strings.Contains(health.Message, "delete the Job to try again") {
				t.Errorf("it says %q", health.Message)
			}
		})
	}
}

// Nobody waits for a Job whose image does not exist.
func TestAMigrationWhoseImageCannotBePulledNeedsAHuman(t *testing.T) {
	p := small(t)
	pod := &corev1.Pod{}
	pod.Name = "migrating"
	pod.Labels = map[string]string{batchv1.JobNameLabel: *jobOf(t, p).Name}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Image: p.Image, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}},
	}}
	health := assess(p, component.World{Pods: []*corev1.Pod{pod}})[0]
	if health.State != v1alpha1.StateFailed || health.Reason != v1alpha1.ReasonImagePullFailed || !health.NeedsHuman {
		t.Errorf("%+v", health)
	}
}
