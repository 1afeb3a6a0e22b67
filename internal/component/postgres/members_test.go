package postgres

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// shrinking is a plan of a number of members where there are others.
func shrinking(t *testing.T, instances, target int32, durability v1alpha1.Durability) plan.Plan {
	t.Helper()
	c := cluster(v1alpha1.SizeSmall)
	c.Spec.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{Instances: &target, Durability: &durability}}
	members := map[string]int32{"fediflow-postgres": instances}
	p, problems := plan.Resolve(c, plan.Facts{Images: plan.Images{Postgres: "postgres"}, Members: members})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return p
}

// inForce is a healthy world led by a member, in which Patroni's configuration is that of the plan.
func inForce(p plan.Plan, leader, standbys string, pods ...*corev1.Pod) component.World {
	w := running(standbys, pods...)
	w.Objects[component.Key{Kind: "Endpoints", Name: "fediflow-postgres"}].(*corev1.Endpoints). //nolint:staticcheck,forcetypeassert // Patroni's
													Annotations["leader"] = leader
	config := &corev1.Endpoints{} //nolint:staticcheck // where Patroni keeps its state
	config.Annotations = map[string]string{"config": string(DynamicConfiguration(p))}
	w.Objects[component.Key{Kind: "Endpoints", Name: "fediflow-postgres-config"}] = config
	set := w.StatefulSet("fediflow-postgres")
	set.Name, set.Spec.Replicas = "fediflow-postgres", &p.Database.Managed.Instances
	return w
}

// Safety rules 5, 7 and 11: what must be so before a member is removed.
func TestSafetyAMemberIsRemovedOnlyWhereNothingIsLostByIt(t *testing.T) {
	const none = ""
	type change func(w *component.World, pods []*corev1.Pod)
	set := func(edit func(*appsv1.StatefulSet)) change {
		return func(w *component.World, _ []*corev1.Pod) { edit(w.StatefulSet("fediflow-postgres")) }
	}
	for name, c := range map[string]struct {
		leader, standbys string
		change           change
		obstacle         string
		to               string
	}{
		"all is well": {"0", "1", nil, none, ""},
		"it is the synchronous standby, and not alone": {"0", "2", nil, none, ""},
		"it is not ready itself":                       {"0", "1", func(_ *component.World, pods []*corev1.Pod) { unready(pods[2]) }, none, ""},
		"it does not stream":                           {"0", "1", func(_ *component.World, pods []*corev1.Pod) { pods[2].Annotations["status"] = startingStatus }, none, ""},

		"it leads": {"2", "1", nil, none, "1"},
		"it leads, and the standby's node is cordoned": {"2", "1", func(w *component.World, pods []*corev1.Pod) {
			pods[1].Spec.NodeName, w.Cordoned = "node-1", []string{"node-1"}
		}, "no standby", ""},
		"it leads during a migration": {"2", "1", func(w *component.World, _ []*corev1.Pod) { *w = withMigration(*w) }, "migration", ""},

		"another is not ready":            {"0", "1", func(_ *component.World, pods []*corev1.Pod) { unready(pods[1]) }, "fediflow-postgres-1 is not ready", ""},
		"another does not stream":         {"0", "2", func(_ *component.World, pods []*corev1.Pod) { pods[1].Annotations["status"] = startingStatus }, "fediflow-postgres-1 is not streaming", ""},
		"the primary is not ready":        {"0", "1", func(_ *component.World, pods []*corev1.Pod) { unready(pods[0]) }, "no ready primary", ""},
		"nobody leads":                    {"", "1", nil, "no ready primary", ""},
		"there is no synchronous standby": {"0", "", nil, "no synchronous standby", ""},
		"a member is missing":             {"0", "1", func(w *component.World, pods []*corev1.Pod) { w.Pods = pods[1:] }, "not all members", ""},
		"the one before is going": {"0", "1", func(w *component.World, pods []*corev1.Pod) {
			w.Pods = append(w.Pods, memberPod("fediflow-postgres-3", streamingStatus))
		}, "fediflow-postgres-3 is still going away", ""},
		"the StatefulSet is missing": {"0", "1", func(w *component.World, _ []*corev1.Pod) {
			delete(w.Objects, component.Key{Kind: "StatefulSet", Name: "fediflow-postgres"})
		}, "StatefulSet", ""},
		"the StatefulSet is not looked at":   {"0", "1", set(func(s *appsv1.StatefulSet) { s.Generation = 7 }), "StatefulSet", ""},
		"the StatefulSet has another number": {"0", "1", set(func(s *appsv1.StatefulSet) { s.Spec.Replicas = new(int32(4)) }), "StatefulSet", ""},
		"a rolling change is under way": {"0", "1", set(func(s *appsv1.StatefulSet) {
			s.Spec.Template.Annotations[plan.AnnotationTemplateHash] = "next"
		}), "replaced or resized", ""},
		"Patroni's configuration is another": {"0", "1", func(w *component.World, _ []*corev1.Pod) {
			delete(w.Objects, component.Key{Kind: "Endpoints", Name: "fediflow-postgres-config"})
		}, "configuration", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := shrinking(t, 3, 2, v1alpha1.DurabilitySynchronous)
			full := func(ordinals string) string {
				if ordinals == "" {
					return ""
				}
				return "fediflow-postgres-" + ordinals
			}
			pods := healthy()
			if c.leader == "2" {
				pods[0].Annotations["status"], pods[2].Annotations["status"] = streamingStatus, primaryStatus
			}
			w := inForce(p, full(c.leader), full(c.standbys), pods...)
			if c.change != nil {
				c.change(&w, pods)
			}
			have := NextDeparture(p, w)
			if have.Member != "fediflow-postgres-2" {
				t.Errorf("%s goes", have.Member)
			}
			if (have.Obstacle == "") != (c.obstacle == "") || !strings.Contains(have.Obstacle, c.obstacle) {
				t.Errorf("the obstacle is %q", have.Obstacle)
			}
			if have.Handover.To != full(c.to) || (have.Handover.From == have.Member) != (c.to != "") {
				t.Errorf("%v", have.Handover)
			}
		})
	}
}

func TestSafetyTheLastStandbyStaysWhileDurabilityIsSynchronous(t *testing.T) {
	p := shrinking(t, 2, 1, v1alpha1.DurabilityAsynchronous)
	w := inForce(p, "fediflow-postgres-0", "", healthy()[:2]...)
	if d := NextDeparture(p, w); d.Member != "fediflow-postgres-1" || d.Obstacle != "" {
		t.Errorf("asynchronous: %v", d)
	}
	p.Database.Managed.Durability = v1alpha1.DurabilitySynchronous
	w = inForce(p, "fediflow-postgres-0", "fediflow-postgres-1", healthy()[:2]...)
	if d := NextDeparture(p, w); !strings.Contains(d.Obstacle, "last standby") {
		t.Errorf("synchronous: %v", d)
	}
}

func TestTheLastReplicaStaysWhileSomebodyReadsFromIt(t *testing.T) {
	p := shrinking(t, 2, 1, v1alpha1.DurabilityAsynchronous)
	reader := &corev1.Pod{}
	reader.Name, reader.Labels = "fediflow-api-x", plan.ClusterName("fediflow").Labels(plan.API)
	reader.Spec.Containers = []corev1.Container{{Env: []corev1.EnvVar{{Name: "DATABASE_REPLICA_URL", Value: "postgres://fediflow-pooler-ro:6432/x"}}}}
	w := inForce(p, "fediflow-postgres-0", "", append(healthy()[:2], reader)...)
	if d := NextDeparture(p, w); d.Obstacle != "fediflow-api-x still reads from it" {
		t.Errorf("%v", d)
	}
}

func TestNoMemberGoesUnlessFewerAreAskedFor(t *testing.T) {
	p := small(t)
	if d := NextDeparture(p, inForce(p, "fediflow-postgres-2", "fediflow-postgres-1", healthy()...)); d != (Departure{}) {
		t.Errorf("%v", d)
	}
}

// A volume that was left behind must not lead.
func TestSafetyRetiredMembersComeBackOnlyToAPrimary(t *testing.T) {
	c := cluster(v1alpha1.SizeSmall)
	p, problems := plan.Resolve(c, plan.Facts{Images: plan.Images{Postgres: "postgres"},
		Members: map[string]int32{"fediflow-postgres": 1}, Retired: map[string]int32{"fediflow-postgres": 4}})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	returning := func(leader string) string {
		w := inForce(p, leader, "", healthy()[0])
		for _, name := range []string{"1", "2", "3", "4"} {
			claim := &corev1.PersistentVolumeClaim{}
			claim.Name, claim.Labels = "data-fediflow-postgres-"+name, map[string]string{plan.LabelRetired: "true"}
			w.Objects[component.Key{Kind: "PersistentVolumeClaim", Name: claim.Name}] = claim
		}
		var names []string
		for _, volume := range Returning(p, w) {
			names = append(names, volume.Name)
		}
		return strings.Join(names, " ")
	}
	if have := returning("fediflow-postgres-0"); have != "data-fediflow-postgres-1 data-fediflow-postgres-2" {
		t.Errorf("with a primary: %q", have)
	}
	if have := returning(""); have != "" {
		t.Errorf("without a primary: %q", have)
	}
}

func TestHealthSaysWhichMemberGoesNextAndWhatItWaitsFor(t *testing.T) {
	p := shrinking(t, 3, 1, v1alpha1.DurabilityAsynchronous)
	for name, c := range map[string]struct {
		leader, says string
		state        v1alpha1.ComponentState
		pods         []*corev1.Pod
	}{
		"a replica": {"fediflow-postgres-0", "1 members are asked for and 3 run: fediflow-postgres-2 goes next", v1alpha1.StateProgressing, healthy()},
		"the primary": {"fediflow-postgres-2", "fediflow-postgres-2 goes next, after fediflow-postgres-0 took over", v1alpha1.StateProgressing, []*corev1.Pod{
			memberPod("fediflow-postgres-0", streamingStatus), memberPod("fediflow-postgres-1", streamingStatus), memberPod("fediflow-postgres-2", primaryStatus)}},
		"an obstacle": {"fediflow-postgres-0", "goes next and waits: fediflow-postgres-1 is not streaming", v1alpha1.StateDegraded, []*corev1.Pod{
			healthy()[0], memberPod("fediflow-postgres-1", startingStatus), healthy()[2]}},
	} {
		t.Run(name, func(t *testing.T) {
			h := assess(p, inForce(p, c.leader, "", c.pods...))[0]
			if h.State != c.state || !strings.Contains(h.Message, c.says) {
				t.Errorf("%s: %s", h.State, h.Message)
			}
		})
	}
}
