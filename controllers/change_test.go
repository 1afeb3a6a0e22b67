package controllers

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
)

func twoRegions(spec *v1alpha1.FediFlowClusterSpec) {
	spec.Edge = &v1alpha1.EdgeSpec{Regions: []v1alpha1.EdgeRegionSpec{{Name: regionEast}, {Name: regionWest}}}
}

var jobDigest = regexp.MustCompile(`^(Job .*-).*`)

func TestAChangeOfOneFieldChangesWhatItShouldAndNothingElse(t *testing.T) {
	t.Parallel()
	memory := func(text string) *v1alpha1.ResourceOverride {
		return &v1alpha1.ResourceOverride{Memory: new(resource.MustParse(text))}
	}
	p := newPlatform(t, twoRegions)
	p.waitReady(t)
	for _, test := range []struct {
		field   string
		edit    func(*v1alpha1.FediFlowClusterSpec)
		changes []string
	}{
		{"api.autoscaling.cpuUtilization", func(s *v1alpha1.FediFlowClusterSpec) {
			s.API = &v1alpha1.APISpec{Autoscaling: &v1alpha1.AutoscalingSpec{CPUUtilization: new(int32(50))}}
		}, []string{"HorizontalPodAutoscaler fediflow-api"}},
		{"api.resources.memory", func(s *v1alpha1.FediFlowClusterSpec) { s.API.Resources = memory("400Mi") },
			[]string{"Deployment fediflow-api"}},
		{"image", func(s *v1alpha1.FediFlowClusterSpec) { s.Image = "fediflow/fediflow:next" },
			// The old Job goes, the new one comes.
			[]string{"Deployment fediflow-api", "Job fediflow-migration-", "Job fediflow-migration-"}},
		{"pooler.replicas", func(s *v1alpha1.FediFlowClusterSpec) { s.Pooler = &v1alpha1.PoolerSpec{Replicas: new(int32(2))} },
			// They share the connections for which the database has memory.
			[]string{"ConfigMap fediflow-pooler-rw", "Deployment fediflow-pooler-rw"}},
		{"database.managed.resources.memory", func(s *v1alpha1.FediFlowClusterSpec) {
			s.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{Resources: memory("300Mi")}}
		}, []string{"ConfigMap fediflow-pooler-rw", "ConfigMap fediflow-postgres-patroni", "Deployment fediflow-pooler-rw", "StatefulSet fediflow-postgres"}},
		{"redis.managed.cache.resources.memory", func(s *v1alpha1.FediFlowClusterSpec) {
			s.Redis = &v1alpha1.RedisSpec{Managed: &v1alpha1.ManagedRedisSpec{Cache: &v1alpha1.RedisCacheSpec{Resources: memory("96Mi")}}}
		}, []string{"ConfigMap fediflow-redis-cache", "StatefulSet fediflow-redis-cache"}},
		{"edge.regions[us-east].replicas", func(s *v1alpha1.FediFlowClusterSpec) { s.Edge.Regions[0].Replicas = new(int32(2)) },
			[]string{"StatefulSet fediflow-edge-us-east"}},
		{"edge.serviceType", func(s *v1alpha1.FediFlowClusterSpec) { s.Edge.ServiceType = new(v1alpha1.EdgeServiceType("NodePort")) },
			[]string{"Service fediflow-edge", "Service fediflow-edge-eu-west", "Service fediflow-edge-us-east"}},
		{"edge.regions, another order", func(s *v1alpha1.FediFlowClusterSpec) { slices.Reverse(s.Edge.Regions) }, nil},
	} {
		t.Run(test.field, func(t *testing.T) {
			before := p.versions(t)
			p.respec(t, test.edit)
			p.waitReady(t)
			var changes []string
			for _, name := range differing(before, p.versions(t)) {
				changes = append(changes, jobDigest.ReplaceAllString(name, "$1"))
			}
			if diff := cmp.Diff(test.changes, changes); diff != "" {
				t.Error("want -, have +:\n" + diff)
			}
		})
	}
	t.Run("the shared configuration of the database followed", func(t *testing.T) {
		config := must(t, p, names.PostgresConfig(), &corev1.Endpoints{}).Annotations["config"] //nolint:staticcheck // Patroni's state is in Endpoints
		if !postgres.SameConfiguration(config, []byte(bootstrapConfiguration(t, p))) {
			t.Errorf("Patroni was asked for %v and has %s", p.patroni.requests(), config)
		}
	})
}

// podDeletions are the pods of a component that the operator deleted, in order.
func (p *platform) podDeletions(mark int) []string {
	var deleted []string
	for _, write := range current.wire.writesSince(mark, p.namespace) {
		if write.method == http.MethodDelete && strings.Contains(write.path, "/pods/") {
			deleted = append(deleted, write.path[strings.LastIndex(write.path, "/")+1:])
		}
	}
	return deleted
}

func largerDatabase(s *v1alpha1.FediFlowClusterSpec) {
	s.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{
		Resources: &v1alpha1.ResourceOverride{Memory: new(resource.MustParse("1Gi"))}}}
}

func TestReplicasAreReplacedOneByOneAndThePrimaryLastAfterASwitchover(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, small)
	p.waitReady(t)
	mark := current.wire.mark()
	p.respec(t, largerDatabase)
	p.waitReady(t)
	want := []string{"fediflow-postgres-2", "fediflow-postgres-1", "fediflow-postgres-0"}
	if deleted := p.podDeletions(mark); !slices.Equal(deleted, want) {
		t.Errorf("deleted %v, want %v", deleted, want)
	}
	// Which of the two replicas takes over depends on which streams again first.
	asked := slices.Compact(p.patroni.requests())
	if len(asked) != 2 || asked[0] != "PUT /config" || !strings.HasPrefix(asked[1], "POST /switchover fediflow-postgres-0 ") {
		t.Errorf("asked Patroni for %v", asked)
	}
	if primary := p.cluster(t).Status.Database.Primary; !strings.HasSuffix(asked[len(asked)-1], " "+primary) {
		t.Errorf("the primary is %s", primary)
	}
	p.checkDeletions(t, mark)
}

// checkDeletions: what is deleted is exactly what was seen, and a pod is read live before.
func (p *platform) checkDeletions(t *testing.T, mark int) {
	t.Helper()
	read := map[string]bool{}
	deletions := 0
	for _, r := range current.wire.since(mark, p.namespace) {
		if !r.writes() {
			read[r.path] = true
		}
		if r.method != http.MethodDelete {
			continue
		}
		deletions++
		if !strings.Contains(r.body, "preconditions") && !preconditions.MatchString(r.body) {
			t.Errorf("%s has no preconditions: %q", r, r.body)
		}
		if strings.Contains(r.path, "/pods/") && !read[r.path] {
			t.Errorf("%s without a live read", r)
		}
	}
	if deletions == 0 {
		t.Error("nothing was deleted")
	}
}

// preconditions of a deletion in protobuf: a UID, and a resourceVersion after it.
var preconditions = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}[^0-9a-zA-Z-]+[0-9]+`)

func TestABadChangeStopsAtTheFirstPodAndRevertingHealsIt(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, small)
	p.waitReady(t)
	p.sick = func(pod *corev1.Pod) bool { return pod.Spec.Containers[0].Resources.Limits.Memory().String() == "1Gi" }
	mark := current.wire.mark()
	p.respec(t, largerDatabase)
	p.waitFor(t, "stopped", func(c *v1alpha1.FediFlowCluster) bool {
		p.play(t)
		return strings.Contains(condition(c, v1alpha1.ConditionReady).Message, "postgres 2/3: 2 of 3 pods are ready, waiting for fediflow-postgres-2")
	})
	p.passes(t, 3)
	p.play(t)
	p.passes(t, 3)
	if deleted := p.podDeletions(mark); !slices.Equal(deleted, []string{"fediflow-postgres-2"}) {
		t.Errorf("deleted %v although the first did not come back", deleted)
	}
	p.respec(t, func(s *v1alpha1.FediFlowClusterSpec) { s.Database = nil })
	p.waitReady(t)
	if deleted := p.podDeletions(mark); !slices.Equal(deleted, []string{"fediflow-postgres-2", "fediflow-postgres-2"}) {
		t.Errorf("deleted %v", deleted)
	}
}

func TestAFailedMigrationLeavesTheOldPodsServing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.waitReady(t)
	var old batchv1.JobList
	p.list(t, &old)
	before := p.versions(t)
	p.respec(t, func(s *v1alpha1.FediFlowClusterSpec) { s.Image = "fediflow/fediflow:broken" })
	fail := func() *batchv1.Job {
		var failed *batchv1.Job
		eventually(t, "migrating", func() (bool, string) {
			var jobs batchv1.JobList
			p.list(t, &jobs)
			for i := range jobs.Items {
				if job := &jobs.Items[i]; job.Spec.Template.Spec.Containers[0].Image == "fediflow/fediflow:broken" && len(job.Status.Conditions) == 0 {
					failed = job
				}
			}
			return failed != nil, "no new Job"
		})
		p.finishJob(t, failed, batchv1.JobFailureTarget, batchv1.JobFailed)
		return failed
	}
	failed := fail()
	p.waitStalled(t, v1alpha1.ReasonMigrationFailed, failed.Name, "delete the Job to try again")
	p.passes(t, 2)
	// The Job of the image that serves is done with.
	for _, name := range differing(before, p.versions(t)) {
		if !strings.HasPrefix(name, "Job ") {
			t.Errorf("%s changed", name)
		}
	}
	if err := admin.Delete(t.Context(), failed, background); err != nil {
		t.Fatal(err)
	}
	again := fail()
	if again.UID == failed.UID {
		t.Error("the Job was not made again")
	}
	p.respec(t, func(s *v1alpha1.FediFlowClusterSpec) { s.Image = applicationImage })
	p.waitReady(t)
}
