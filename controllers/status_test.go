package controllers

import (
	"net/http"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// statusWrites are the bodies of the status writes since a mark.
func (p *platform) statusWrites(mark int) []string {
	var bodies []string
	for _, write := range current.wire.writesSince(mark, p.namespace) {
		if write.method == http.MethodPut && strings.HasSuffix(write.path, "/status") {
			bodies = append(bodies, write.body)
		}
	}
	return bodies
}

func TestStatusTellsWhatAnSREAsks(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, small)
	p.waitApplied(t)
	cluster := p.cluster(t)
	checkContract(t, cluster)
	ready := condition(cluster, v1alpha1.ConditionReady)
	says(t, ready.Message, "postgres 0/3")
	states := map[string]v1alpha1.ComponentState{}
	for _, component := range cluster.Status.Components {
		states[component.Name] = component.State
	}
	if states["postgres"] != v1alpha1.StateProgressing || states["migration"] != v1alpha1.StateWaiting || states["api"] != v1alpha1.StateWaiting {
		t.Errorf("components are %v", states)
	}

	status := p.waitReady(t).Status
	if status.API != "2/2" || status.Edge != "2/2" {
		t.Errorf("api %s, edge %s", status.API, status.Edge)
	}
	if status.Database.Primary != "fediflow-postgres-0" || len(status.Database.Members) != 3 ||
		status.Database.Members[0].Role != v1alpha1.RolePrimary || status.Database.Members[1].Role != v1alpha1.RoleSyncStandby {
		t.Errorf("database: %+v", status.Database)
	}
	if len(status.Redis) != 2 || status.Redis[0].Master != "fediflow-redis-queue-0" {
		t.Errorf("redis: %+v", status.Redis)
	}
	if status.Plan == nil || len(status.Plan.Components) < 8 || len(status.Plan.Overrides) != 1 {
		t.Errorf("plan: %+v", status.Plan)
	}
}

func TestAStatusIsWrittenOnceForEachTransition(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, twoRegions)
	p.waitReady(t)
	for _, test := range []struct {
		name string
		edit func(*v1alpha1.FediFlowClusterSpec)
	}{
		{"to stalled", func(s *v1alpha1.FediFlowClusterSpec) { s.Edge.Regions[1].Name = "nowhere" }},
		{"to another generation of the same stall", func(s *v1alpha1.FediFlowClusterSpec) { s.Edge.Regions[1].Replicas = new(int32(2)) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			mark := current.wire.mark()
			p.respec(t, test.edit)
			p.waitStalled(t, v1alpha1.ReasonRegionNotFound, "nowhere")
			p.passes(t, 3)
			if writes := p.statusWrites(mark); len(writes) != 1 {
				t.Errorf("%d status writes", len(writes))
			}
		})
	}
	t.Run("and tells an event once", func(t *testing.T) {
		told := func() map[string]int {
			var events eventsv1.EventList
			p.list(t, &events)
			count := map[string]int{}
			for _, event := range events.Items {
				if event.Regarding.Kind == "FediFlowCluster" {
					count[event.Reason]++
					if event.Series != nil {
						count[event.Reason] += int(event.Series.Count)
					}
				}
			}
			return count
		}
		eventually(t, "told", func() (bool, string) { return told()[v1alpha1.ReasonRegionNotFound] > 0, "no event" })
		p.passes(t, 3)
		if got := told(); got[v1alpha1.ReasonRegionNotFound] != 1 || got[v1alpha1.ReasonReady] != 1 {
			t.Errorf("events: %v", got)
		}
	})
}

// What was seen before a change was written says nothing about the change.
func TestAChangeIsNeverReadyBeforeItsPodsAre(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*v1alpha1.FediFlowClusterSpec){
		"of a Deployment": func(s *v1alpha1.FediFlowClusterSpec) {
			s.API = &v1alpha1.APISpec{Resources: &v1alpha1.ResourceOverride{Memory: new(resource.MustParse("400Mi"))}}
		},
		"of a StatefulSet": largerDatabase,
		"of the image":     func(s *v1alpha1.FediFlowClusterSpec) { s.Image = "fediflow/fediflow:next" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			p.waitReady(t)
			mark := current.wire.mark()
			p.respec(t, edit)
			// Nobody plays: the pods stay as they are.
			p.waitFor(t, "seen", func(*v1alpha1.FediFlowCluster) bool { return true })
			p.passes(t, 3)
			for _, body := range p.statusWrites(mark) {
				if strings.Contains(body, "every component is ready") {
					t.Errorf("ready while the pods are old: %s", body)
				}
			}
			p.waitReady(t)
		})
	}
}

func TestASpecThatTheKubernetesClusterCannotFulfilTouchesNothing(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, twoRegions)
	p.waitReady(t)
	good := p.cluster(t).Spec
	for name, test := range map[string]struct {
		edit   func(*v1alpha1.FediFlowClusterSpec)
		reason string
		says   []string
	}{
		"a region that no node has": {
			func(s *v1alpha1.FediFlowClusterSpec) { s.Edge.Regions[1].Name = "nowhere" },
			v1alpha1.ReasonRegionNotFound, []string{"nowhere", regionEast, regionWest}},
		"a storage class that does not exist": {
			func(s *v1alpha1.FediFlowClusterSpec) {
				s.Edge.Storage = &v1alpha1.StorageSpec{StorageClassName: new("gold")}
			}, v1alpha1.ReasonStorageClassNotFound, []string{"spec.edge.storage", "gold", storageClass}},
		"both": {
			func(s *v1alpha1.FediFlowClusterSpec) {
				s.Edge.Regions[1].Name = "nowhere"
				s.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{
					Storage: &v1alpha1.StorageSpec{StorageClassName: new("gold")}}}
			}, v1alpha1.ReasonStorageClassNotFound, []string{"nowhere", "spec.database.managed.storage", "gold"}},
		"memory with which a program does not start": {
			func(s *v1alpha1.FediFlowClusterSpec) {
				s.Edge.Resources = &v1alpha1.ResourceOverride{Memory: new(resource.MustParse("1Mi"))}
			}, v1alpha1.ReasonInvalidSpec, []string{"spec.edge.resources.memory", "64Mi"}},
		"a negative number of cores": {
			func(s *v1alpha1.FediFlowClusterSpec) {
				s.Edge.Resources = &v1alpha1.ResourceOverride{CPU: new(resource.MustParse("-1"))}
			}, v1alpha1.ReasonInvalidSpec, []string{"spec.edge.resources.cpu", "-1"}},
		"more pods than the profile's largest number": {
			func(s *v1alpha1.FediFlowClusterSpec) {
				s.API = &v1alpha1.APISpec{Autoscaling: &v1alpha1.AutoscalingSpec{MinReplicas: new(int32(500))}}
			}, v1alpha1.ReasonInvalidSpec, []string{"500", "maxReplicas"}},
	} {
		t.Run(name, func(t *testing.T) {
			before, components := p.versions(t), len(p.cluster(t).Status.Components)
			p.respec(t, test.edit)
			p.waitStalled(t, test.reason, test.says...)
			p.passes(t, 2)
			p.unchanged(t, before)
			if now := p.cluster(t).Status.Components; len(now) != components {
				t.Errorf("the status forgot what is running: %v", now)
			}
			p.respec(t, func(s *v1alpha1.FediFlowClusterSpec) { *s = *good.DeepCopy() })
			p.waitReady(t)
			p.unchanged(t, before)
		})
	}
}

func TestWhatIsMissingHealsWhenItAppears(t *testing.T) {
	const class, region = "late", "africa-south"
	t.Run("a StorageClass", func(t *testing.T) {
		p := newPlatform(t, func(s *v1alpha1.FediFlowClusterSpec) {
			s.Edge = &v1alpha1.EdgeSpec{Storage: &v1alpha1.StorageSpec{StorageClassName: new(class)}}
		})
		p.waitStalled(t, v1alpha1.ReasonStorageClassNotFound, class)
		p.create(t, &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: class}, Provisioner: "example.com/none"})
		p.waitReady(t)
	})
	t.Run("a region", func(t *testing.T) {
		p := newPlatform(t, func(s *v1alpha1.FediFlowClusterSpec) {
			s.Edge = &v1alpha1.EdgeSpec{Regions: []v1alpha1.EdgeRegionSpec{{Name: region}}}
		})
		p.waitStalled(t, v1alpha1.ReasonRegionNotFound, region)
		p.create(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: region}})
		change(t, p, region, &corev1.Node{}, func(n *corev1.Node) { metav1.SetMetaDataLabel(&n.ObjectMeta, plan.LabelRegion, region) })
		p.waitReady(t)
	})
}
