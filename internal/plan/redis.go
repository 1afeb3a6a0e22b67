package plan

import "github.com/fediflow/fediflow-operator/api/v1alpha1"

// Ports of the Redis stores and their Sentinels.
const (
	RedisPort    int32 = 6379
	SentinelPort int32 = 26379
)

func resolveRedis(o *overrides, name ClusterName, spec *v1alpha1.FediFlowClusterSpec, size profile, facts Facts) RedisPlan {
	managed := orEmpty(orEmpty(spec.Redis).Managed)
	watchers, _ := keepMembers(size.sentinel.replicas, facts.Members[name.RedisSentinel()])
	sentinels := SentinelPlan{
		Replicas:  watchers,
		Quorum:    watchers/2 + 1,
		Resources: o.resources("", nil, size.sentinel.workload),
		Storage:   o.storage("", nil, size.sentinel.storage),
	}
	queue := resolveQueue(o, orEmpty(managed.Queue), size)
	queue.Replicas, queue.Kept = keepMembers(queue.Replicas, facts.Members[name.RedisStore(Queue)])
	sentinels.Storage.ClassName = queue.Storage.ClassName
	return RedisPlan{
		Image:     facts.Images.Valkey,
		Stores:    []StorePlan{queue, resolveCache(o, orEmpty(managed.Cache), size)},
		Sentinels: sentinels,
	}
}

func resolveQueue(o *overrides, queue *v1alpha1.RedisQueueSpec, size profile) StorePlan {
	const field = "spec.redis.managed.queue"
	storage := o.storage(field+".storage", queue.Storage, size.queue.storage)
	store := StorePlan{
		Name:      Queue,
		Replicas:  pick(o, field+".replicas", queue.Replicas, size.queue.replicas),
		Resources: o.resources(field+".resources", queue.Resources, size.queue.workload),
		Storage:   &storage,
	}
	// Rewriting the append-only file forks: half of the memory is for copied pages.
	store.MaxMemoryBytes = store.Resources.Memory.Value() / 2
	return store
}

func resolveCache(o *overrides, cache *v1alpha1.RedisCacheSpec, size profile) StorePlan {
	const field = "spec.redis.managed.cache"
	store := StorePlan{
		Name:      Cache,
		Replicas:  pick(o, field+".replicas", cache.Replicas, size.cache.replicas),
		Resources: o.resources(field+".resources", cache.Resources, size.cache),
	}
	store.MaxMemoryBytes = store.Resources.Memory.Value() * 3 / 4
	return store
}
