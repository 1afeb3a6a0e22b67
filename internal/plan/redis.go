package plan

import (
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// Ports of the Redis stores and their Sentinels.
const (
	RedisPort    int32 = 6379
	SentinelPort int32 = 26379
)

// clientsPerPod are the connections that one application pod holds to one store: commands, and one
// that waits for messages.
const clientsPerPod = 4

func resolveRedis(l *ledger, name ClusterName, spec *v1alpha1.FediFlowClusterSpec, profile v1alpha1.PerformanceProfileSpec, facts Facts) RedisPlan {
	managed := orEmpty(orEmpty(spec.Redis).Managed)
	queue := resolveQueue(l, name, orEmpty(managed.Queue), profile.Queue, facts)
	l.record("redis.sentinel.replicas", profile.Sentinel.Replicas, "%s", l.source)
	watchers, _ := l.keepMembers("redis.sentinel.replicas", profile.Sentinel.Replicas, facts.Members[name.RedisSentinel()])
	sentinels := SentinelPlan{
		Replicas:  watchers,
		Quorum:    watchers/2 + 1,
		Resources: l.resources("redis.sentinel", "", nil, profile.Sentinel.CPU, profile.Sentinel.Memory),
		Storage:   l.storage("redis.sentinel", "", nil, profile.Sentinel.Storage),
	}
	sentinels.Storage.ClassName = queue.Storage.ClassName
	l.record("redis.sentinel.quorum", sentinels.Quorum, "a majority of %d", watchers)
	return RedisPlan{
		Image:     facts.Images.Valkey,
		Stores:    []StorePlan{queue, resolveCache(l, orEmpty(managed.Cache), profile.Cache)},
		Sentinels: sentinels,
	}
}

func resolveQueue(l *ledger, name ClusterName, queue *v1alpha1.RedisQueueSpec, profile v1alpha1.StatefulProfile, facts Facts) StorePlan {
	const field = "spec.redis.managed.queue"
	storage := l.storage("redis.queue", field+".storage", queue.Storage, profile.Storage)
	store := StorePlan{
		Name:      Queue,
		Replicas:  pick(l, "redis.queue.replicas", field+".replicas", queue.Replicas, profile.Replicas),
		Resources: l.resources("redis.queue", field+".resources", queue.Resources, profile.CPU, profile.Memory),
		Storage:   &storage,
	}
	store.Replicas, store.Kept = l.keepMembers("redis.queue.replicas", store.Replicas, facts.Members[name.RedisStore(Queue)])
	store.MaxMemoryBytes = store.Resources.Memory.Value() / 2
	l.record("redis.queue.maxmemory", mib(store.MaxMemoryBytes),
		"half of the memory: rewriting the append-only file forks and copies pages")
	l.record("redis.queue.maxmemory_policy", "noeviction", "what is lost here is not delivered: a full queue refuses writes")
	return store
}

func resolveCache(l *ledger, cache *v1alpha1.RedisCacheSpec, profile v1alpha1.WorkloadProfile) StorePlan {
	const field = "spec.redis.managed.cache"
	store := StorePlan{
		Name:      Cache,
		Replicas:  pick(l, "redis.cache.replicas", field+".replicas", cache.Replicas, profile.Replicas),
		Resources: l.resources("redis.cache", field+".resources", cache.Resources, profile.CPU, profile.Memory),
	}
	store.MaxMemoryBytes = store.Resources.Memory.Value() * 3 / 4
	l.record("redis.cache.maxmemory", mib(store.MaxMemoryBytes),
		"three quarters of the memory: nothing is written to disk, so nothing forks")
	l.record("redis.cache.maxmemory_policy", "allkeys-lfu", "what is used least is dropped first")
	return store
}

func mib(bytes int64) resource.Quantity { return *resource.NewQuantity(bytes, resource.BinarySI) }
