package controllers

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func override(cpu, memory string) *v1alpha1.ResourceOverride {
	return &v1alpha1.ResourceOverride{CPU: new(resource.MustParse(cpu)), Memory: new(resource.MustParse(memory))}
}

// roomier asks for more of everything that follows without a restart: the database's memory stays below
// the next megabyte of shared buffers.
func roomier(s *v1alpha1.FediFlowClusterSpec) {
	s.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{Resources: override("300m", "514Mi")}}
	s.Redis = &v1alpha1.RedisSpec{Managed: &v1alpha1.ManagedRedisSpec{
		Queue: &v1alpha1.RedisQueueSpec{Resources: override("60m", "200Mi")},
		Cache: &v1alpha1.RedisCacheSpec{Resources: override("60m", "160Mi")},
	}}
	s.Edge.Resources = override("60m", "160Mi")
}

func largerQueue(s *v1alpha1.FediFlowClusterSpec) {
	s.Redis = &v1alpha1.RedisSpec{Managed: &v1alpha1.ManagedRedisSpec{Queue: &v1alpha1.RedisQueueSpec{Resources: override("60m", "200Mi")}}}
}

// containerFigures are CPU and memory of the first container.
func containerFigures(spec corev1.PodSpec) string {
	r := spec.Containers[0].Resources
	return fmt.Sprintf("%s %s %s", r.Requests.Cpu(), r.Requests.Memory(), r.Limits.Memory())
}

// resized are the pods whose resize the operator asked for, sorted. It may ask twice before its cache
// has seen the first answer.
func (p *platform) resized(mark int) []string {
	var pods []string
	for _, write := range current.wire.writesSince(mark, p.namespace) {
		if name, found := strings.CutSuffix(write.path, "/resize"); found && write.method == http.MethodPatch {
			pods = append(pods, name[strings.LastIndex(name, "/")+1:])
		}
	}
	slices.Sort(pods)
	return slices.Compact(pods)
}

// waitResized waits until the operator has asked for the resize of n pods. No kubelet does anything.
func (p *platform) waitResized(t *testing.T, mark, n int) {
	t.Helper()
	p.waitFor(t, "resizing", func(*v1alpha1.FediFlowCluster) bool {
		p.playStatefulSets(t)
		return len(p.resized(mark)) == n
	})
	p.quiet(t)
}

// podWrites are the writes to pods themselves, such as of annotations.
func (p *platform) podWrites(mark int) []string {
	var writes []string
	for _, write := range current.wire.writesSince(mark, p.namespace) {
		if strings.Contains(write.path, "/pods/") && !strings.HasSuffix(write.path, "/resize") {
			writes = append(writes, write.String())
		}
	}
	return writes
}

func TestAChangeOfCPUAndMemoryAloneResizesAllPodsAndReplacesNone(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, small)
	p.waitReady(t)
	before, mark := p.pods(t), current.wire.mark()
	p.respec(t, roomier)
	p.waitReady(t)
	if changed := differing(before, p.pods(t)); len(changed) > 0 {
		t.Errorf("other pods: %v", changed)
	}
	if deleted := p.podDeletions(mark); len(deleted) > 0 {
		t.Errorf("deleted %v", deleted)
	}
	if asked := p.patroni.requests(); slices.ContainsFunc(asked, func(r string) bool { return strings.HasPrefix(r, "POST") }) {
		t.Errorf("asked Patroni for %v", asked)
	}
	if stores := p.sentinel.failedOver(); len(stores) > 0 {
		t.Errorf("failed over %v", stores)
	}
	want := slices.DeleteFunc(slices.Sorted(maps.Keys(before)), func(name string) bool { return strings.Contains(name, "sentinel") })
	if resized := p.resized(mark); !slices.Equal(resized, want) {
		t.Errorf("resized %v, want %v", resized, want)
	}
	for name, figures := range map[string]string{
		names.Component(plan.Postgres): "300m 514Mi 514Mi", names.RedisStore(plan.Queue): "60m 200Mi 200Mi",
		names.RedisStore(plan.Cache): "60m 160Mi 160Mi", names.EdgeRegion(regionEast): "60m 160Mi 160Mi", names.EdgeRegion(regionWest): "60m 160Mi 160Mi",
	} {
		set := must(t, p, name, &appsv1.StatefulSet{})
		if got := containerFigures(set.Spec.Template.Spec); got != figures {
			t.Errorf("the template of %s has %s, want %s", name, got, figures)
		}
		for _, member := range memberNames(set) {
			if got := containerFigures(must(t, p, member, &corev1.Pod{}).Spec); got != figures {
				t.Errorf("%s has %s, want %s", member, got, figures)
			}
		}
	}

	t.Run("and none twice", func(t *testing.T) {
		mark := current.wire.mark()
		p.passes(t, 2)
		if writes := current.wire.writesSince(mark, p.namespace); len(writes) > 0 {
			t.Errorf("further passes made the writes %v", writes)
		}
	})
	t.Run("and a replaced pod is resized no more", func(t *testing.T) {
		mark := current.wire.mark()
		p.delete(t, must(t, p, plan.Member(names.RedisStore(plan.Queue), 2), &corev1.Pod{}))
		p.waitReady(t)
		if resized, told := p.resized(mark), p.podWrites(mark); len(resized)+len(told) > 0 {
			t.Errorf("resized %v, told %v", resized, told)
		}
	})
}

func TestAPlatformIsNotReadyBeforeItsPodsAreResized(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, small)
	p.waitReady(t)
	mark := current.wire.mark()
	p.respec(t, roomier)
	p.waitResized(t, mark, 9)
	p.waitFor(t, "waiting", func(c *v1alpha1.FediFlowCluster) bool {
		return strings.Contains(condition(c, v1alpha1.ConditionReady).Message, "postgres 3/3: pods are being replaced or resized")
	})
	p.waitReady(t)
}

func TestPodsWhoseNodesHaveNoRoomAreReplacedOneByOne(t *testing.T) {
	t.Parallel()
	three := func(component string) []string {
		return []string{component + "-2", component + "-1", component + "-0"}
	}
	for name, test := range map[string]struct {
		edit     func(*v1alpha1.FediFlowClusterSpec)
		crowded  func(*corev1.Pod) bool
		resized  int
		replaced []string
	}{
		"of the database": {
			func(s *v1alpha1.FediFlowClusterSpec) {
				s.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{Resources: override("300m", "514Mi")}}
			},
			func(pod *corev1.Pod) bool { return pod.Labels[plan.LabelComponent] == string(plan.Postgres) },
			3, three(names.Component(plan.Postgres)),
		},
		"of a store": {
			largerQueue,
			func(pod *corev1.Pod) bool { return pod.Labels[plan.LabelStore] == string(plan.Queue) },
			3, three(names.RedisStore(plan.Queue)),
		},
		"but no others": {
			roomier,
			func(pod *corev1.Pod) bool { return pod.Name == names.RedisStore(plan.Queue)+"-1" },
			9, []string{names.RedisStore(plan.Queue) + "-1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, small)
			p.waitReady(t)
			p.crowded = test.crowded
			mark := current.wire.mark()
			p.respec(t, test.edit)
			p.waitResized(t, mark, test.resized)
			p.waitReady(t)
			if deleted := p.podDeletions(mark); !slices.Equal(deleted, test.replaced) {
				t.Errorf("deleted %v, want %v", deleted, test.replaced)
			}
			p.checkDeletions(t, mark)
			switch name {
			case "of the database":
				asked := slices.DeleteFunc(p.patroni.requests(), func(r string) bool { return r == "PUT /config" })
				if len(asked) != 1 || !strings.HasPrefix(asked[0], "POST /switchover fediflow-postgres-0 ") {
					t.Errorf("asked Patroni for %v", asked)
				}
			case "of a store":
				if stores := p.sentinel.failedOver(); !slices.Equal(stores, []plan.StoreName{plan.Queue}) {
					t.Errorf("asked Sentinel to fail over %v", stores)
				}
				if told := p.sentinel.tunings(); len(told) > 0 {
					t.Errorf("stores that start with their settings were told %v", told)
				}
			}
		})
	}
}

// What the API server refuses, such as more than a LimitRange allows, stops nothing and is told.
func TestARefusedResizeIsTold(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, small)
	p.waitReady(t)
	before := p.pods(t)
	limit := &corev1.LimitRange{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "narrow"},
		Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{
			Type: corev1.LimitTypeContainer, Max: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")}}}},
	}
	p.create(t, limit)
	seen(t, limit)
	p.respec(t, roomier)
	p.waitFor(t, "stalled", func(c *v1alpha1.FediFlowCluster) bool {
		p.play(t)
		return condition(c, v1alpha1.ConditionStalled).Reason == v1alpha1.ReasonApplyRejected
	})
	says(t, condition(p.cluster(t), v1alpha1.ConditionStalled).Message, "the resize of Pod fediflow-postgres-0 was refused", "512Mi")
	says(t, condition(p.cluster(t), v1alpha1.ConditionSchedulable).Message, "LimitRange narrow allows memory up to 512Mi, and postgres needs 514Mi")
	eventually(t, "resized", func() (bool, string) {
		got := containerFigures(must(t, p, plan.Member(names.RedisStore(plan.Queue), 0), &corev1.Pod{}).Spec)
		return got == "60m 200Mi 200Mi", "the queue has " + got
	})
	p.delete(t, limit)
	p.waitReady(t)
	if changed := differing(before, p.pods(t)); len(changed) > 0 {
		t.Errorf("other pods: %v", changed)
	}
}

func TestAStoreIsToldItsSettingsOnceAndTheAnnotationFollows(t *testing.T) {
	t.Parallel()
	const larger, smaller = "maxmemory=104857600 maxclients=1000", "maxmemory=50331648 maxclients=1000"
	p := newPlatform(t, small)
	p.waitReady(t)
	if told := p.sentinel.tunings(); len(told) > 0 {
		t.Errorf("stores that start with their settings were told %v", told)
	}
	annotations := func() []string {
		var pods corev1.PodList
		p.list(t, &pods, client.MatchingLabels{plan.LabelStore: string(plan.Queue)})
		var found []string
		for _, pod := range pods.Items {
			found = append(found, pod.Annotations[plan.AnnotationTuning])
		}
		return slices.Compact(found)
	}
	// A store may be told twice before the operator's cache has seen its annotation.
	check := func(t *testing.T, settings ...string) {
		t.Helper()
		told := p.sentinel.tunings()
		if len(told) < 3*len(settings) {
			t.Errorf("told only %v", told)
		}
		p.passes(t, 2)
		if later := p.sentinel.tunings()[len(told):]; len(later) > 0 {
			t.Errorf("told %v although the annotation was there", later)
		}
		for i := range settings {
			settings[i] = strings.ReplaceAll(settings[i], "=", " ")
		}
		if told = slices.Compact(told); !slices.Equal(told, settings) {
			t.Errorf("told %v, want %v", told, settings)
		}
	}
	t.Run("more memory, when it is there", func(t *testing.T) {
		mark := current.wire.mark()
		p.respec(t, largerQueue)
		p.waitResized(t, mark, 3)
		p.passes(t, 2)
		if told := p.sentinel.tunings(); len(told) > 0 {
			t.Errorf("told %v before the memory was there", told)
		}
		p.waitReady(t)
		check(t, larger)
		if found := annotations(); !slices.Equal(found, []string{larger}) {
			t.Errorf("annotations: %v", found)
		}
		says(t, must(t, p, names.RedisStore(plan.Queue), &corev1.ConfigMap{}).Data["valkey.conf"], "maxmemory 104857600")
	})
	t.Run("less memory, before it is gone", func(t *testing.T) {
		p.sentinel.refuseTuning(true)
		mark := current.wire.mark()
		p.respec(t, func(s *v1alpha1.FediFlowClusterSpec) { s.Redis.Managed.Queue.Resources = override("60m", "96Mi") })
		p.waitFor(t, "failing", func(c *v1alpha1.FediFlowCluster) bool {
			p.play(t)
			return strings.Contains(condition(c, v1alpha1.ConditionReady).Message, "trying again: tune fediflow-redis-queue-0")
		})
		if found := annotations(); !slices.Equal(found, []string{larger}) {
			t.Errorf("annotations: %v", found)
		}
		p.sentinel.refuseTuning(false)
		p.waitReady(t)
		check(t, larger, smaller)
		if found := annotations(); !slices.Equal(found, []string{smaller}) {
			t.Errorf("annotations: %v", found)
		}
		if deleted := p.podDeletions(mark); len(deleted) > 0 {
			t.Errorf("deleted %v", deleted)
		}
	})
}
