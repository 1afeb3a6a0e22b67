package redis

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/kube"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Pods are the members of a store.
func Pods(p plan.Plan, w component.World, store plan.StoreName) []*corev1.Pod {
	return w.PodsWith(kube.SelectorLabels(p, plan.Redis, storeLabels(string(store))))
}

// SentinelPods are the Sentinels.
func SentinelPods(p plan.Plan, w component.World) []*corev1.Pod {
	return Pods(p, w, sentinelStore)
}

// Status is the stores' part of the cluster's status.
func Status(p plan.Plan, w component.World) []v1alpha1.RedisStoreStatus {
	stores := make([]v1alpha1.RedisStoreStatus, 0, len(p.Redis.Stores))
	for _, store := range p.Redis.Stores {
		stores = append(stores, v1alpha1.RedisStoreStatus{Name: string(store.Name), Master: w.Masters[store.Name]})
	}
	return stores
}

func assess(p plan.Plan, w component.World) []component.Health {
	sentinels := component.StatefulSetHealth(p.Short(p.Name.RedisSentinel()),
		w.StatefulSet(p.Name.RedisSentinel()), p.Redis.Sentinels.Replicas, SentinelPods(p, w))
	var healths []component.Health
	for _, store := range p.Redis.Stores {
		name := p.Name.RedisStore(store.Name)
		health := component.StatefulSetHealth(p.Short(name), w.StatefulSet(name), store.Replicas, Pods(p, w, store.Name))
		if w.Masters[store.Name] == "" {
			health = unled(health, store.Name)
		}
		healths = append(healths, health.Keeping(store.Kept, "this version removes no member that holds data"))
	}
	return append(healths, sentinels)
}

func unled(h component.Health, store plan.StoreName) component.Health {
	if h.State == v1alpha1.StateReady {
		h.State, h.Reason = v1alpha1.StateProgressing, v1alpha1.ReasonNoMaster
		h.Message = fmt.Sprintf("no Sentinel knows a ready master of %s", store)
	}
	return h
}
