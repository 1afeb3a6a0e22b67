package component

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

func TestAnObjectIsFoundByKindAndName(t *testing.T) {
	w := World{Objects: map[Key]runtime.Object{
		{"Deployment", "api"}:              &appsv1.Deployment{},
		{"StatefulSet", "db"}:              &appsv1.StatefulSet{},
		{"Job", "migrate"}:                 &batchv1.Job{},
		{"HorizontalPodAutoscaler", "api"}: &autoscalingv2.HorizontalPodAutoscaler{},
		{"Endpoints", "db"}:                &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"leader": "db-0"}}},
	}}
	if w.Deployment("api") == nil || w.StatefulSet("db") == nil || w.Job("migrate") == nil || w.Autoscaler("api") == nil {
		t.Error("what is there is not found")
	}
	if w.Deployment("db") != nil || w.StatefulSet("api") != nil || w.Job("api") != nil || w.Autoscaler("db") != nil {
		t.Error("something of another kind is found")
	}
	if w.Annotations("Endpoints", "db")["leader"] != "db-0" || w.Annotations("Endpoints", "api") != nil {
		t.Error("annotations are not those of the object")
	}
	if got := fmt.Sprint(w.Kinds()); got != "[Deployment Endpoints HorizontalPodAutoscaler Job StatefulSet]" {
		t.Errorf("kinds: %s", got)
	}
}

func TestMembersAreCountedByTheirDataVolumes(t *testing.T) {
	w := World{Objects: map[Key]runtime.Object{}}
	for _, claim := range []string{
		"data-social-postgres-0", "data-social-postgres-2", "data-social-redis-queue-10",
		"cache-social-edge-default-4", "data-odd", "data-social-postgres-x", "other",
	} {
		w.Objects[Key{"PersistentVolumeClaim", claim}] = &corev1.PersistentVolumeClaim{}
	}
	w.Objects[Key{"ConfigMap", "data-social-edge-7"}] = &corev1.ConfigMap{}
	if got := fmt.Sprint(w.Members()); got != "map[social-postgres:3 social-redis-queue:11]" {
		t.Error(got)
	}
}

func TestRetiredVolumesAreThoseBeyondTheMembersInUse(t *testing.T) {
	for name, test := range map[string]struct {
		retired, leader  string
		members, waiting int32
	}{
		"none":                          {"", "db-0", 4, 0},
		"the last":                      {"3", "db-0", 3, 1},
		"the last two":                  {"23", "db-0", 2, 2},
		"all but the first":             {"0123", "db-0", 1, 3},
		"one below a member in use":     {"1", "db-0", 4, 0},
		"the leader":                    {"23", "db-3", 4, 0},
		"beyond a leader":               {"23", "db-2", 3, 1},
		"there is no leader, and a few": {"23", "", 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			leader := &corev1.Endpoints{} //nolint:staticcheck // where Patroni keeps its state
			leader.Annotations = map[string]string{"leader": test.leader}
			w := World{Objects: map[Key]runtime.Object{{"Endpoints", "db"}: leader}}
			for ordinal := range 4 {
				claim := &corev1.PersistentVolumeClaim{}
				if strings.Contains(test.retired, strconv.Itoa(ordinal)) {
					claim.Labels = map[string]string{plan.LabelRetired: "true"}
				}
				w.Objects[Key{"PersistentVolumeClaim", "data-db-" + strconv.Itoa(ordinal)}] = claim
			}
			if m, r := w.Members()["db"], w.Retired()["db"]; m != test.members || r != test.waiting {
				t.Errorf("%d members and %d retired", m, r)
			}
		})
	}
}

func TestPodsAreThoseWithAllLabelsSortedByName(t *testing.T) {
	labelled := func(ordinal int, labels map[string]string) *corev1.Pod {
		pod := member(ordinal)
		pod.Labels = labels
		return pod
	}
	db := map[string]string{"app": "db", "tier": "1"}
	w := World{Pods: []*corev1.Pod{labelled(2, db), labelled(0, db), labelled(1, map[string]string{"app": "db"}), labelled(3, nil)}}
	pods := w.PodsWith(db)
	if len(pods) != 2 || pods[0].Name != "db-0" || pods[1].Name != "db-2" || Count(pods) != 2 || CountReady(pods) != 2 {
		t.Errorf("%v", pods)
	}
}

func TestAReadyPodSaysSoItself(t *testing.T) {
	bare := member(0)
	bare.Status.Conditions = nil
	// The kubelet of a dead node says nothing any more; only the node controller changes Ready.
	dead := member(0, broken)
	dead.Status.Conditions = append(dead.Status.Conditions, corev1.PodCondition{Type: corev1.ContainersReady, Status: corev1.ConditionTrue})
	tests := map[string]struct {
		pod  *corev1.Pod
		want bool
	}{
		"ready":            {member(0), true},
		"not ready":        {member(0, broken), false},
		"on its way out":   {member(0, terminating), false},
		"without a status": {bare, false},
		"SafetyContainersReadyOfADeadNodeIsNotReady": {dead, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if IsReady(test.pod) != test.want {
				t.Errorf("ready: %v", !test.want)
			}
		})
	}
}

func TestServicesAreToldFromOtherObjects(t *testing.T) {
	objects := append(Owned(accore.Service("a", "n"), acapps.StatefulSet("b", "n")), Retained(accore.Service("c", "n"))...)
	services, others := Services(objects), WithoutServices(objects)
	if len(services) != 2 || len(others) != 1 || len(objects) != 3 || objects[1].Configuration == nil {
		t.Fatalf("%d Services, %d others of %d", len(services), len(others), len(objects))
	}
	if services[0].Lifetime != WithCluster || services[1].Lifetime != WithData {
		t.Error("lifetimes are mixed up")
	}
}
