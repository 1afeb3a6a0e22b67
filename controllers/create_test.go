package controllers

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// small is the spec of the documentation's example.
func small(spec *v1alpha1.FediFlowClusterSpec) {
	spec.Profile.Size = v1alpha1.SizeSmall
	spec.Edge = &v1alpha1.EdgeSpec{Regions: []v1alpha1.EdgeRegionSpec{{Name: regionEast}, {Name: regionWest}}}
}

// withoutGates are the objects that wait for nothing.
const withoutGates = `
ConfigMap fediflow-edge-eu-west
ConfigMap fediflow-edge-us-east
ConfigMap fediflow-pooler-ro
ConfigMap fediflow-pooler-rw
ConfigMap fediflow-postgres-patroni
ConfigMap fediflow-redis-cache
ConfigMap fediflow-redis-queue
Deployment fediflow-pooler-ro
Deployment fediflow-pooler-rw
NetworkPolicy fediflow-edge
NetworkPolicy fediflow-pooler
NetworkPolicy fediflow-postgres
NetworkPolicy fediflow-redis
PodDisruptionBudget fediflow-edge-eu-west
PodDisruptionBudget fediflow-edge-us-east
PodDisruptionBudget fediflow-pooler-ro
PodDisruptionBudget fediflow-pooler-rw
PodDisruptionBudget fediflow-postgres
PodDisruptionBudget fediflow-postgres-primary
PodDisruptionBudget fediflow-redis-cache
PodDisruptionBudget fediflow-redis-queue
PodDisruptionBudget fediflow-redis-sentinel
Role fediflow-postgres
RoleBinding fediflow-postgres
Secret fediflow-ca
Secret fediflow-pooler-admin
Secret fediflow-pooler-tls
Secret fediflow-postgres-credentials
Secret fediflow-postgres-operator
Secret fediflow-postgres-tls
Secret fediflow-redis-credentials
Service fediflow-api
Service fediflow-edge
Service fediflow-edge-eu-west
Service fediflow-edge-us-east
Service fediflow-edges-eu-west
Service fediflow-edges-us-east
Service fediflow-pooler-ro
Service fediflow-pooler-ro-members
Service fediflow-pooler-rw
Service fediflow-pooler-rw-members
Service fediflow-postgres
Service fediflow-postgres-config
Service fediflow-postgres-failover
Service fediflow-postgres-members
Service fediflow-postgres-ro
Service fediflow-postgres-sync
Service fediflow-redis-cache
Service fediflow-redis-queue
Service fediflow-redis-sentinel
ServiceAccount fediflow-postgres
StatefulSet fediflow-edge-eu-west
StatefulSet fediflow-edge-us-east
StatefulSet fediflow-postgres
StatefulSet fediflow-redis-cache
StatefulSet fediflow-redis-queue
StatefulSet fediflow-redis-sentinel
`

// afterMigration are the objects that wait for the migration.
const afterMigration = `
Deployment fediflow-api
HorizontalPodAutoscaler fediflow-api
NetworkPolicy fediflow-api
PodDisruptionBudget fediflow-api
Secret fediflow-app-secrets
`

func set(text ...string) map[string]bool {
	lines := map[string]bool{}
	for line := range strings.SplitSeq(strings.Join(text, ""), "\n") {
		if line != "" {
			lines[line] = true
		}
	}
	return lines
}

// present are the operator's objects, the migration Job without the digest in its name.
func (p *platform) present(t *testing.T) map[string]bool {
	t.Helper()
	present := map[string]bool{}
	for name := range p.objects(t) {
		if strings.HasPrefix(name, "Job ") {
			name = name[:strings.LastIndex(name, "-")]
		}
		present[name] = true
	}
	return present
}

func TestAFewLinesGiveACompletePlatform(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, small)
	start := current.wire.mark()
	p.waitApplied(t)

	t.Run("Services are there before anything waits, and nothing that must wait is", func(t *testing.T) {
		if diff := cmp.Diff(set(withoutGates), p.present(t)); diff != "" {
			t.Error("want -, have +:\n" + diff)
		}
	})
	t.Run("every Service is written before any workload", func(t *testing.T) {
		workload := ""
		for _, write := range current.wire.writesSince(start, p.namespace) {
			switch {
			case strings.Contains(write.path, "/statefulsets/") || strings.Contains(write.path, "/deployments/"):
				workload = write.path
			case strings.Contains(write.path, "/services/") && workload != "":
				t.Errorf("%s was written after %s", write.path, workload)
			}
		}
		if workload == "" {
			t.Error("saw no workload")
		}
	})
	t.Run("the migration starts when the database has a primary, and the API waits for it", func(t *testing.T) {
		p.playStatefulSets(t)
		p.patroni.play(t, p)
		var jobs batchv1.JobList
		eventually(t, "migrating", func() (bool, string) {
			p.list(t, &jobs)
			return len(jobs.Items) == 1, "no Job"
		})
		p.quiet(t)
		if diff := cmp.Diff(set(withoutGates, "Job fediflow-migration\n"), p.present(t)); diff != "" {
			t.Error("want -, have +:\n" + diff)
		}
		p.finishJob(t, &jobs.Items[0], batchv1.JobSuccessCriteriaMet, batchv1.JobComplete)
		p.waitReady(t)
		if diff := cmp.Diff(set(withoutGates, "Job fediflow-migration\n", afterMigration), p.present(t)); diff != "" {
			t.Error("want -, have +:\n" + diff)
		}
	})
	t.Run("every object has our labels, and its owner unless it is kept with the data", func(t *testing.T) { testMetadata(t, p) })
	t.Run("every pod is admitted under Pod Security restricted", func(t *testing.T) { testRestricted(t, p) })
	t.Run("every budget lets one pod go at a time, and no primary", func(t *testing.T) {
		var budgets policyv1.PodDisruptionBudgetList
		p.list(t, &budgets)
		for _, budget := range budgets.Items {
			standbys, primary := budget.Name == names.Component(plan.Postgres), budget.Name == names.PostgresPrimary()
			if least := budget.Spec.MinAvailable; standbys || primary {
				if least == nil || least.IntVal != 1 {
					t.Errorf("%s keeps %v", budget.Name, least)
				}
				continue
			}
			if got := maxUnavailable(budget.Spec.MaxUnavailable); got != 1 {
				t.Errorf("%s lets %d pods go", budget.Name, got)
			}
		}
	})
	t.Run("the operator wrote nothing of the FediFlowCluster but its status", func(t *testing.T) {
		cluster := p.cluster(t)
		for _, entry := range cluster.ManagedFields {
			if strings.Contains(entry.FieldsV1.GetRawString(), "f:status") && entry.Subresource != "status" {
				t.Errorf("%s wrote the status without the subresource", entry.Manager)
			}
			if entry.Subresource == "status" && strings.Contains(entry.FieldsV1.GetRawString(), "f:spec") {
				t.Errorf("%s wrote the spec", entry.Manager)
			}
		}
		if cluster.Generation != 1 || len(cluster.Finalizers) > 0 || len(cluster.Annotations) > 0 || len(cluster.Labels) > 0 {
			t.Errorf("generation %d, %v", cluster.Generation, cluster.ObjectMeta)
		}
	})
}

// kept are the objects that outlive the FediFlowCluster.
func kept(name string) bool {
	return strings.HasPrefix(name, "Secret ") ||
		name == "Service "+names.PostgresConfig() || name == "Service "+names.PostgresFailover() || name == "Service "+names.PostgresSync()
}

func testMetadata(t *testing.T, p *platform) {
	t.Helper()
	cluster := p.cluster(t)
	for name, object := range p.objects(t) {
		owner := metav1.GetControllerOf(&object)
		switch {
		case kept(name) && len(object.OwnerReferences) > 0:
			t.Errorf("%s would be deleted with %v", name, object.OwnerReferences)
		case !kept(name) && (owner == nil || owner.UID != cluster.UID || owner.Kind != "FediFlowCluster"):
			t.Errorf("%s is not controlled by the FediFlowCluster: %v", name, object.OwnerReferences)
		}
		labels := object.Labels
		if labels[plan.LabelCluster] != string(names) || labels[plan.LabelManagedBy] != plan.ManagedBy || labels[plan.LabelPartOf] != plan.PartOf ||
			labels[plan.LabelName] == "" || labels[plan.LabelComponent] == "" {
			t.Errorf("%s has the labels %v", name, labels)
		}
	}
}

// testRestricted: the namespace enforces the level, so the API server is the judge. The members of
// StatefulSets were admitted when they were started.
func testRestricted(t *testing.T, p *platform) {
	t.Helper()
	templates := map[string]corev1.PodTemplateSpec{}
	var deployments appsv1.DeploymentList
	p.list(t, &deployments)
	for _, deployment := range deployments.Items {
		templates[deployment.Name] = deployment.Spec.Template
	}
	var jobs batchv1.JobList
	p.list(t, &jobs)
	for _, job := range jobs.Items {
		templates[job.Name] = job.Spec.Template
	}
	for name, template := range templates {
		if err := admin.Create(t.Context(), p.pod(name, template), client.DryRunAll); err != nil {
			t.Error(err)
		}
	}
	privileged := p.pod("privileged", templates[names.Component(plan.API)])
	privileged.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = new(true)
	if err := admin.Create(t.Context(), privileged, client.DryRunAll); err == nil {
		t.Error("the namespace does not enforce Pod Security")
	}
}

func TestLabelsOfTheFediFlowClusterAreNotCopied(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.waitApplied(t)
	change(t, p, string(names), &v1alpha1.FediFlowCluster{}, func(c *v1alpha1.FediFlowCluster) {
		c.Labels = map[string]string{"argocd.argoproj.io/instance": "social"}
		c.Annotations = map[string]string{"kustomize.toolkit.fluxcd.io/prune": "enabled"}
		c.Spec.Pooler = &v1alpha1.PoolerSpec{Replicas: new(int32(2))}
	})
	p.quiet(t)
	objects := p.objects(t)
	if len(objects) < 30 {
		t.Errorf("only %d objects carry the labels of their component", len(objects))
	}
	for name, object := range objects {
		if object.Labels["argocd.argoproj.io/instance"] != "" || object.Annotations["kustomize.toolkit.fluxcd.io/prune"] != "" {
			t.Errorf("%s has %v and %v", name, object.Labels, object.Annotations)
		}
	}
}
