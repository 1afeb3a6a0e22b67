// Package redis renders and judges the stores that speak the Redis protocol: Valkey, with Sentinel
// as the elector. The queue store is durable and never evicts; the cache store has no disk.
package redis

import (
	"fmt"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/kube"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

const sentinelStore = "sentinel"

// downAfterSeconds is the silence after which a Sentinel takes a member for down.
const downAfterSeconds = 5

// Component is the Redis stores and their Sentinels.
func Component() component.Component {
	return component.Component{Name: plan.Redis, Render: render, Assess: assess}
}

func render(p plan.Plan) component.Rendered {
	objects := component.Owned(
		kube.Ingress(p, plan.Redis, p.Name.Component(plan.Redis), []int32{plan.RedisPort, plan.SentinelPort}, nil))
	for _, store := range p.Redis.Stores {
		name := p.Name.RedisStore(store.Name)
		files := map[string]string{"valkey.conf": configuration(store)}
		selector := kube.SelectorLabels(p, plan.Redis, storeLabels(string(store.Name)))
		objects = append(objects, component.Owned(
			kube.ConfigMap(p, plan.Redis, name, files),
			kube.Headless(p, plan.Redis, name, selector, kube.ServicePort("redis", plan.RedisPort)),
			storeSet(p, store),
			kube.DisruptionBudget(p, plan.Redis, name, kube.Selector(p, plan.Redis, storeLabels(string(store.Name)))),
		)...)
	}
	name := p.Name.RedisSentinel()
	selector := kube.SelectorLabels(p, plan.Redis, storeLabels(sentinelStore))
	objects = append(objects, component.Owned(
		kube.Headless(p, plan.Redis, name, selector, kube.ServicePort("sentinel", plan.SentinelPort)),
		sentinelSet(p),
		kube.DisruptionBudget(p, plan.Redis, name, kube.Selector(p, plan.Redis, storeLabels(sentinelStore))),
	)...)
	return component.Rendered{Objects: objects, Secrets: []component.Secret{{
		Namespace: p.Namespace,
		Name:      p.Name.RedisCredentials(),
		Labels:    p.Name.Labels(plan.Redis),
		Random:    []string{plan.KeyRedisPassword},
		Guards:    p.Name.Selector(plan.Redis),
	}}}
}

func storeLabels(store string) map[string]string {
	return map[string]string{plan.LabelStore: store}
}

// configuration is what the image's start script adds names, password and role to.
func configuration(store plan.StorePlan) string {
	lines := fixedConfiguration(store)
	for _, setting := range Tuning(store) {
		lines = append(lines, setting.Name+" "+setting.Value)
	}
	return strings.Join(lines, "\n") + "\n"
}

// Setting is a setting of a store that CONFIG SET changes while it runs.
type Setting struct{ Name, Value string }

// Settings are settings in the order in which they are applied.
type Settings []Setting

func (s Settings) String() string {
	words := make([]string, 0, len(s))
	for _, setting := range s {
		words = append(words, setting.Name+"="+setting.Value)
	}
	return strings.Join(words, " ")
}

// Tuning are the settings that follow a store's resources.
func Tuning(store plan.StorePlan) Settings {
	return Settings{
		{"maxmemory", strconv.FormatInt(store.MaxMemoryBytes, 10)},
		{"maxclients", strconv.Itoa(int(store.MaxClients))},
	}
}

// fixedConfiguration are the lines that are read only at start.
func fixedConfiguration(store plan.StorePlan) []string {
	lines := []string{
		"tcp-keepalive 30",
		"repl-diskless-sync yes",
		"repl-diskless-sync-delay 0",
	}
	if store.Storage != nil {
		lines = append(lines, "maxmemory-policy noeviction", "appendonly yes", "appendfsync everysec",
			"aof-use-rdb-preamble yes", `save ""`,
			"rdb-del-sync-files yes", "repl-timeout 30", "repl-ping-replica-period 2", "shutdown-timeout 10")
		if store.Replicas > 1 {
			// An isolated master stops taking writes before Sentinel may name another.
			lines = append(lines, "min-replicas-to-write 1",
				fmt.Sprintf("min-replicas-max-lag %d", downAfterSeconds-2))
		}
	} else {
		lines = append(lines, "maxmemory-policy allkeys-lfu", "appendonly no", `save ""`)
	}
	return lines
}

func storeSet(p plan.Plan, store plan.StorePlan) *acapps.StatefulSetApplyConfiguration {
	name := p.Name.RedisStore(store.Name)
	spec := podSpec(p, string(store.Name)).
		WithContainers(storeContainer(p, store)).
		WithVolumes(kube.ConfigMapVolume("config", name))
	// A store is told its tuning while it runs: only the rest needs a restart.
	set := statefulSet(p, name, string(store.Name), store.Replicas, spec, kube.Hash(fixedConfiguration(store)...))
	set.Spec.Template.WithAnnotations(map[string]string{plan.AnnotationTuning: Tuning(store).String()})
	if store.Storage != nil {
		set.Spec.WithVolumeClaimTemplates(kube.Claim(p, plan.Redis, component.DataVolume, *store.Storage))
	} else {
		spec.WithVolumes(kube.EmptyDir(component.DataVolume))
	}
	return set
}

func storeContainer(p plan.Plan, store plan.StorePlan) *accore.ContainerApplyConfiguration {
	probe := kube.Probe{Period: 3, Timeout: 3, Failures: 3}
	return container(p, "valkey", store.Resources).
		WithCommand("start-valkey").
		WithPorts(kube.Port("redis", plan.RedisPort)).
		WithEnv(
			kube.Env("STORE", string(store.Name)),
			kube.Env("PEERS", strings.Join(p.StoreHosts(store), ",")),
			kube.Env("SENTINELS", strings.Join(p.SentinelAddresses(), ","))).
		WithVolumeMounts(kube.Mount("config", "/etc/valkey").WithReadOnly(true)).
		WithLifecycle(kube.BeforeStop("/usr/local/bin/valkey-handover")).
		WithReadinessProbe(probe.Exec("/usr/local/bin/valkey-ready")).
		WithLivenessProbe(kube.Probe{Period: 10, Timeout: 5, Failures: 6}.Exec("/usr/local/bin/valkey-live"))
}

func sentinelSet(p plan.Plan) *acapps.StatefulSetApplyConfiguration {
	name := p.Name.RedisSentinel()
	probe := kube.Probe{Period: 3, Timeout: 3, Failures: 3}
	stores := make([]string, 0, len(p.Redis.Stores))
	for _, store := range p.Redis.Stores {
		stores = append(stores, fmt.Sprintf("%s=%s:%d", store.Name, p.StoreHosts(store)[0], plan.RedisPort))
	}
	sentinels := p.Redis.Sentinels
	spec := podSpec(p, sentinelStore).WithContainers(
		container(p, "sentinel", sentinels.Resources).
			WithCommand("start-sentinel").
			WithPorts(kube.Port("sentinel", plan.SentinelPort)).
			WithEnv(
				kube.Env("PEERS", strings.Join(p.SentinelHosts(), ",")),
				kube.Env("STORES", strings.Join(stores, " ")),
				kube.Env("QUORUM", fmt.Sprint(sentinels.Quorum)),
				kube.Env("DOWN_AFTER_MS", fmt.Sprint(downAfterSeconds*1000))).
			WithReadinessProbe(probe.Exec("/usr/local/bin/sentinel-ready")).
			WithLivenessProbe(kube.Probe{Period: 10, Timeout: 5, Failures: 6}.TCP("sentinel")))
	set := statefulSet(p, name, sentinelStore, sentinels.Replicas, spec, "")
	set.Spec.WithVolumeClaimTemplates(kube.Claim(p, plan.Redis, component.DataVolume, sentinels.Storage))
	return set
}

// container has what stores and Sentinels share.
func container(p plan.Plan, name string, r plan.Resources) *accore.ContainerApplyConfiguration {
	return kube.Container(name, p.Redis.Image, r).
		WithEnv(
			kube.EnvField("POD_NAME", "metadata.name"),
			kube.EnvSecret("VALKEY_PASSWORD", p.Name.RedisCredentials(), plan.KeyRedisPassword)).
		WithVolumeMounts(kube.Mount(component.DataVolume, "/data"), kube.Mount("run", "/run/valkey"), kube.Mount("tmp", "/tmp"))
}

func podSpec(p plan.Plan, store string) *accore.PodSpecApplyConfiguration {
	return kube.PodSpec(p, kube.ServiceUser).
		WithTerminationGracePeriodSeconds(30).
		WithTopologySpreadConstraints(kube.SpreadHard(p, plan.Redis, storeLabels(store))).
		WithVolumes(kube.EmptyDir("run"), kube.EmptyDir("tmp"))
}

func statefulSet(p plan.Plan, name, store string, replicas int32, spec *accore.PodSpecApplyConfiguration, configHash string) *acapps.StatefulSetApplyConfiguration {
	return acapps.StatefulSet(name, p.Namespace).
		WithLabels(p.Name.Labels(plan.Redis)).
		WithAnnotations(kube.ResizeAnnotations(p)).
		WithSpec(acapps.StatefulSetSpec().
			WithReplicas(replicas).
			WithServiceName(name).
			WithPodManagementPolicy(appsv1.ParallelPodManagement).
			WithUpdateStrategy(kube.OnDelete()).
			WithSelector(kube.Selector(p, plan.Redis, storeLabels(store))).
			WithTemplate(kube.StatefulTemplate(kube.Labels(p, plan.Redis, storeLabels(store)), configHash, spec)))
}
