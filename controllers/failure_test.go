package controllers

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// loseWrites loses every write to a path of the platform.
func (p *platform) loseWrites(t *testing.T, path string) {
	t.Helper()
	t.Cleanup(func() { current.wire.breakWith(nil) })
	current.wire.breakWith(func(r request) fate {
		if r.writes() && strings.HasSuffix(r.path, "/namespaces/"+p.namespace+"/"+path) {
			return lostBefore
		}
		return arrives
	})
}

// Not parallel: cuts the connection.
func TestAnErrorThatIsRetriedIsToldAlsoWhileAComponentIsNotReady(t *testing.T) {
	p := newNamespace(t)
	p.enrol(t)
	config := names.RedisStore(plan.Cache)
	p.loseWrites(t, "configmaps/"+config)
	p.declare(t)
	cluster := p.waitFor(t, "failing", func(c *v1alpha1.FediFlowCluster) bool {
		return strings.Contains(condition(c, v1alpha1.ConditionReady).Message, errLost.Error())
	})
	ready := condition(cluster, v1alpha1.ConditionReady)
	says(t, ready.Message, "postgres 0/1: ", "; trying again: ", config)
	if ready.Reason == v1alpha1.ReasonProgressing || strings.Contains(ready.Message, "just changed") || strings.Contains(ready.Message, "\n") {
		t.Errorf("%+v", ready)
	}
	current.wire.breakWith(nil)
	if message := condition(p.waitReady(t), v1alpha1.ConditionReady).Message; message != "every component is ready" {
		t.Errorf("ready, but %s", message)
	}

	t.Run("and while all are", func(t *testing.T) {
		p.loseWrites(t, "configmaps/"+config)
		change(t, p, config, &corev1.ConfigMap{}, func(c *corev1.ConfigMap) { c.Data["valkey.conf"] = "save 1 1" })
		p.waitFor(t, "failing", func(c *v1alpha1.FediFlowCluster) bool {
			ready := condition(c, v1alpha1.ConditionReady)
			return ready.Status == metav1.ConditionFalse && strings.HasPrefix(ready.Message, "trying again: ")
		})
		current.wire.breakWith(nil)
		p.waitReady(t)
	})
}

// Not parallel: cuts the connection.
func TestAServiceThatCannotBeWrittenStopsNothingElse(t *testing.T) {
	for name, service := range map[string]string{
		"the first of all": names.Component(plan.Postgres), "of a store": names.RedisStore(plan.Queue), "of the edge": names.Component(plan.Edge),
	} {
		t.Run(name, func(t *testing.T) {
			p := newNamespace(t)
			p.enrol(t)
			p.loseWrites(t, "services/"+service)
			p.declare(t)
			want := []string{
				names.EdgeRegion(plan.DefaultRegion), names.Component(plan.Postgres), names.RedisStore(plan.Cache),
				names.RedisStore(plan.Queue), names.RedisSentinel(),
			}
			eventually(t, "applied", func() (bool, string) {
				var sets appsv1.StatefulSetList
				p.list(t, &sets)
				var have []string
				for _, set := range sets.Items {
					have = append(have, set.Name)
				}
				slices.Sort(have)
				slices.Sort(want)
				return slices.Equal(have, want), strings.Join(have, " ")
			})
			p.waitFor(t, "failing", func(c *v1alpha1.FediFlowCluster) bool {
				return strings.Contains(condition(c, v1alpha1.ConditionReady).Message, errLost.Error())
			})
			current.wire.breakWith(nil)
			p.waitReady(t)
		})
	}
}

// What is not the operator's is not a reason to leave the rest undone.
func TestAForeignServiceStopsNothingElse(t *testing.T) {
	t.Parallel()
	p := newNamespace(t)
	p.enrol(t)
	foreign := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: names.Component(plan.Postgres)},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 5432}}},
	}
	p.create(t, foreign)
	p.declare(t)
	p.waitStalled(t, v1alpha1.ReasonNameConflict, foreign.Name)
	for _, name := range []string{names.RedisStore(plan.Queue), names.EdgeRegion(plan.DefaultRegion)} {
		must(t, p, name, &appsv1.StatefulSet{})
	}
	for _, name := range []string{names.Component(plan.API), names.RedisStore(plan.Queue), names.Component(plan.Edge)} {
		must(t, p, name, &corev1.Service{})
	}
	for _, write := range current.wire.writesSince(0, p.namespace) {
		if write.method == http.MethodDelete {
			t.Errorf("the operator made the write %s", write)
		}
	}
	p.delete(t, foreign)
	p.waitReady(t)
}
