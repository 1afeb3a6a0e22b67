package redis

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func cluster(size v1alpha1.ProfileSize) *v1alpha1.FediFlowCluster {
	c := &v1alpha1.FediFlowCluster{}
	c.Name, c.Namespace = "fediflow", "social"
	c.Spec.Domain, c.Spec.Image, c.Spec.Profile.Size = "social.example.edu", "fediflow:1", size
	return c
}

func resolved(t *testing.T, c *v1alpha1.FediFlowCluster, members map[string]int32) plan.Plan {
	t.Helper()
	p, problems := plan.Resolve(c, plan.Facts{Images: plan.Images{Valkey: "valkey"}, Members: members})
	if len(problems) > 0 {
		t.Fatalf("resolve: %v", problems)
	}
	return p
}

// forEachStore runs a test on the configuration of a store of every size, with 1 to 5 members.
func forEachStore(t *testing.T, name plan.StoreName, test func(t *testing.T, store plan.StorePlan, conf map[string]string)) {
	t.Helper()
	for _, size := range plan.Sizes() {
		for replicas := range int32(5) {
			c := cluster(size)
			count := replicas + 1
			c.Spec.Redis = &v1alpha1.RedisSpec{Managed: &v1alpha1.ManagedRedisSpec{
				Queue: &v1alpha1.RedisQueueSpec{Replicas: &count}, Cache: &v1alpha1.RedisCacheSpec{Replicas: &count},
			}}
			for _, store := range resolved(t, c, nil).Redis.Stores {
				if store.Name == name {
					t.Run(fmt.Sprintf("%s/%d", size, count), func(t *testing.T) { test(t, store, parse(t, configuration(store))) })
				}
			}
		}
	}
}

// parse reads lines of "name value".
func parse(t *testing.T, text string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), " ")
		if _, twice := all[name]; !ok || twice {
			t.Fatalf("what is %q", line)
		}
		all[name] = value
	}
	return all
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTheQueueNeverEvictsAndIsOnDisk(t *testing.T) {
	forEachStore(t, plan.Queue, func(t *testing.T, store plan.StorePlan, conf map[string]string) {
		t.Helper()
		if conf["maxmemory-policy"] != "noeviction" || conf["appendonly"] != "yes" || conf["appendfsync"] != "everysec" {
			t.Errorf("%v", conf)
		}
		if store.Storage == nil {
			t.Error("it has no disk")
		}
	})
}

func TestTheCacheEvictsAndHasNoDisk(t *testing.T) {
	forEachStore(t, plan.Cache, func(t *testing.T, store plan.StorePlan, conf map[string]string) {
		t.Helper()
		if !strings.HasPrefix(conf["maxmemory-policy"], "allkeys-") || conf["appendonly"] != "no" || conf["save"] != `""` {
			t.Errorf("%v", conf)
		}
		if store.Storage != nil {
			t.Error("it has a disk")
		}
		for name := range conf {
			if strings.HasPrefix(name, "min-replicas") {
				t.Errorf("%s makes a cache refuse writes", name)
			}
		}
	})
}

// Safety rule 4: silence of min-replicas-max-lag stops the old master, down-after later another starts.
func TestAnIsolatedQueueMasterStopsTakingWritesBeforeAnotherStarts(t *testing.T) {
	down := number(t, env(t, small(t), "sentinel", "DOWN_AFTER_MS"))
	forEachStore(t, plan.Queue, func(t *testing.T, store plan.StorePlan, conf map[string]string) {
		t.Helper()
		_, guarded := conf["min-replicas-to-write"]
		if guarded != (store.Replicas > 1) {
			t.Fatalf("%d members, min-replicas-to-write is %q", store.Replicas, conf["min-replicas-to-write"])
		}
		if !guarded {
			return
		}
		if number(t, conf["min-replicas-to-write"]) != 1 {
			t.Errorf("min-replicas-to-write is %s", conf["min-replicas-to-write"])
		}
		lag := number(t, conf["min-replicas-max-lag"])
		if lag < 1 || lag*1000 >= down {
			t.Errorf("the master stops after %d s, Sentinel acts after %d ms", lag, down)
		}
	})
}

func TestStoresLeaveMemoryForTheirBuffers(t *testing.T) {
	for _, name := range []plan.StoreName{plan.Queue, plan.Cache} {
		forEachStore(t, name, func(t *testing.T, store plan.StorePlan, conf map[string]string) {
			t.Helper()
			limit, data := store.Resources.Memory.Value(), number(t, conf["maxmemory"])
			if data <= 0 || data != store.MaxMemoryBytes || data >= limit {
				t.Errorf("maxmemory is %d of %d", data, limit)
			}
			// Rewriting the append-only file copies pages.
			if conf["appendonly"] == "yes" && data > limit/2 {
				t.Errorf("maxmemory %d leaves no room for a fork in %d", data, limit)
			}
		})
	}
}

func small(t *testing.T) plan.Plan {
	t.Helper()
	return resolved(t, cluster(v1alpha1.SizeSmall), nil)
}

func set(t *testing.T, p plan.Plan, part string) *acapps.StatefulSetApplyConfiguration {
	t.Helper()
	for _, object := range render(p).Objects {
		if s, ok := object.Configuration.(*acapps.StatefulSetApplyConfiguration); ok && *s.Name == "fediflow-redis-"+part {
			return s
		}
	}
	t.Fatalf("there is no StatefulSet of %s", part)
	return nil
}

func firstContainer(t *testing.T, p plan.Plan, part string) accore.ContainerApplyConfiguration {
	t.Helper()
	return set(t, p, part).Spec.Template.Spec.Containers[0]
}

func env(t *testing.T, p plan.Plan, part, name string) string {
	t.Helper()
	for _, variable := range firstContainer(t, p, part).Env {
		if *variable.Name == name && variable.Value != nil {
			return *variable.Value
		}
	}
	t.Fatalf("%s has no %s", part, name)
	return ""
}

func TestAMasterHandsOverBeforeItStops(t *testing.T) {
	for _, store := range []string{"queue", "cache"} {
		hook := firstContainer(t, small(t), store).Lifecycle
		if hook == nil || hook.PreStop == nil || hook.PreStop.Exec == nil || !slices.Equal(hook.PreStop.Exec.Command, []string{"/usr/local/bin/valkey-handover"}) {
			t.Errorf("%s: before the stop: %v", store, hook)
		}
		if grace := *set(t, small(t), store).Spec.Template.Spec.TerminationGracePeriodSeconds; grace < 30 {
			t.Errorf("%s has %d s for it", store, grace)
		}
	}
}

// Safety rule 1, also where members are kept that nobody asks for.
func TestSentinelQuorumIsAMajority(t *testing.T) {
	for _, size := range plan.Sizes() {
		for kept := range int32(6) {
			p := resolved(t, cluster(size), map[string]int32{"fediflow-redis-sentinel": kept})
			replicas := int64(*set(t, p, "sentinel").Spec.Replicas)
			quorum := number(t, env(t, p, "sentinel", "QUORUM"))
			if quorum*2 <= replicas || quorum > replicas {
				t.Errorf("%s: %d of %d Sentinels decide", size, quorum, replicas)
			}
			if peers := strings.Split(env(t, p, "sentinel", "PEERS"), ","); int64(len(peers)) != replicas {
				t.Errorf("%s: %d Sentinels know %v", size, replicas, peers)
			}
		}
	}
}

// Safety rule 15: who starts asks the Sentinels first, and members are known by name.
func TestEveryMemberKnowsItsPeersAndTheSentinels(t *testing.T) {
	p := small(t)
	sentinels := "fediflow-redis-sentinel-0.fediflow-redis-sentinel.social.svc:26379," +
		"fediflow-redis-sentinel-1.fediflow-redis-sentinel.social.svc:26379," +
		"fediflow-redis-sentinel-2.fediflow-redis-sentinel.social.svc:26379"
	peers := "fediflow-redis-queue-0.fediflow-redis-queue.social.svc," +
		"fediflow-redis-queue-1.fediflow-redis-queue.social.svc," +
		"fediflow-redis-queue-2.fediflow-redis-queue.social.svc"
	for name, want := range map[string]string{"STORE": "queue", "PEERS": peers, "SENTINELS": sentinels} {
		if have := env(t, p, "queue", name); have != want {
			t.Errorf("%s is %s", name, have)
		}
	}
	want := "queue=fediflow-redis-queue-0.fediflow-redis-queue.social.svc:6379 cache=fediflow-redis-cache-0.fediflow-redis-cache.social.svc:6379"
	if have := env(t, p, "sentinel", "STORES"); have != want {
		t.Errorf("STORES is %s", have)
	}
}

func TestDataIsOnAVolumeWhereItMustSurvive(t *testing.T) {
	p := small(t)
	for part, want := range map[string]int{"queue": 1, "sentinel": 1, "cache": 0} {
		if claims := set(t, p, part).Spec.VolumeClaimTemplates; len(claims) != want || want == 1 && *claims[0].Name != component.DataVolume {
			t.Errorf("%s has volumes %v", part, claims)
		}
	}
}

// digests are what a member's restart and replacement depend on.
func digests(t *testing.T, p plan.Plan, part string) [2]string {
	t.Helper()
	annotations := set(t, p, part).Spec.Template.Annotations
	return [2]string{annotations[plan.AnnotationConfigHash], annotations[plan.AnnotationTemplateHash]}
}

func TestAStoreIsTunedWhileItRuns(t *testing.T) {
	for i, part := range []string{"queue", "cache"} {
		p := small(t)
		before, file := digests(t, p, part), configuration(p.Redis.Stores[i])
		for _, change := range []func(*plan.StorePlan){
			func(s *plan.StorePlan) { s.MaxMemoryBytes *= 2 },
			func(s *plan.StorePlan) { s.MaxClients *= 2 },
			func(s *plan.StorePlan) { s.Resources = plan.Resources{} },
		} {
			change(&p.Redis.Stores[i])
			if digests(t, p, part) != before {
				t.Errorf("%s restarts for %s", part, Tuning(p.Redis.Stores[i]))
			}
		}
		if configuration(p.Redis.Stores[i]) == file {
			t.Errorf("%s starts with the settings of before", part)
		}
		want := Tuning(p.Redis.Stores[i]).String()
		if have := set(t, p, part).Spec.Template.Annotations[plan.AnnotationTuning]; have != want {
			t.Errorf("%s starts with %q and says %q", part, want, have)
		}
	}
}

func TestTuningIsTheEndOfTheFile(t *testing.T) {
	store := small(t).Redis.Stores[0]
	if have := Tuning(store).String(); have != fmt.Sprintf("maxmemory=%d maxclients=%d", store.MaxMemoryBytes, store.MaxClients) {
		t.Error(have)
	}
	tuned := fmt.Sprintf("maxmemory %d\nmaxclients %d\n", store.MaxMemoryBytes, store.MaxClients)
	if fixed := strings.Join(fixedConfiguration(store), "\n") + "\n"; configuration(store) != fixed+tuned {
		t.Error(configuration(store))
	}
}

func TestMembersRestartWhenAnythingElseOfTheirFileChanges(t *testing.T) {
	p := small(t)
	seen := map[string]string{}
	for name, change := range map[string]func(*plan.StorePlan){
		"as it is":  func(*plan.StorePlan) {},
		"no disk":   func(s *plan.StorePlan) { s.Storage = nil },
		"no others": func(s *plan.StorePlan) { s.Replicas = 1 },
	} {
		store := p.Redis.Stores[0]
		change(&store)
		hash := *storeSet(p, store).Spec.Template
		if other, ok := seen[hash.Annotations[plan.AnnotationConfigHash]]; ok {
			t.Errorf("%q and %q have the same file", name, other)
		}
		seen[hash.Annotations[plan.AnnotationConfigHash]] = name
	}
}

func TestAStoreWithoutAMasterIsNotReady(t *testing.T) {
	p := small(t)
	for _, health := range assess(p, component.World{}) {
		if health.State == v1alpha1.StateReady || health.Message == "" {
			t.Errorf("%s is %s: %q", health.Name, health.State, health.Message)
		}
	}
	ready := component.NewHealth("redis-queue", v1alpha1.StateReady, v1alpha1.ReasonReady, "")
	if have := unled(ready, plan.Queue); have.State != v1alpha1.StateProgressing || have.Reason != v1alpha1.ReasonNoMaster {
		t.Errorf("%v", have)
	}
	failed := component.NewHealth("redis-queue", v1alpha1.StateFailed, v1alpha1.ReasonImagePullFailed, "why")
	if have := unled(failed, plan.Queue); have.Reason != failed.Reason || have.Message != "why" {
		t.Errorf("a better reason is hidden by %v", have)
	}
}

func TestStatusNamesTheMasterOfEveryStore(t *testing.T) {
	p := small(t)
	status := Status(p, component.World{Masters: map[plan.StoreName]string{plan.Queue: "fediflow-redis-queue-1"}})
	want := []v1alpha1.RedisStoreStatus{{Name: "queue", Master: "fediflow-redis-queue-1"}, {Name: "cache"}}
	if !slices.Equal(status, want) {
		t.Errorf("%v", status)
	}
}
