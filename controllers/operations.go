package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fediflow/fediflow-operator/internal/apply"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/edge"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/component/redis"
	"github.com/fediflow/fediflow-operator/internal/plan"
	patroni "github.com/fediflow/fediflow-operator/internal/postgres"
	sentinel "github.com/fediflow/fediflow-operator/internal/redis"
)

// Operations are what applying objects cannot do: changing Patroni's shared configuration and
// replacing pods that hold state, one at a time.
type Operations struct {
	Writer *apply.Writer
	// Live reads Secrets; a value is kept in memory until it stops working.
	Live client.Reader
	// HTTP makes a client for servers that show a certificate of this name by one of the authorities.
	HTTP func(authorities, serverName string) *http.Client

	passwords passwordCache
	lost      lostMembers
	shown     shownCertificates
}

// Masters asks Sentinel for the master of every store. A store without an answer is absent.
func (o *Operations) Masters(ctx context.Context, p plan.Plan, world component.World) map[plan.StoreName]string {
	masters := map[plan.StoreName]string{}
	sentinels, err := o.sentinels(ctx, p, world)
	if err != nil || len(sentinels.Addresses) == 0 {
		return masters
	}
	for _, store := range p.Redis.Stores {
		master, err := sentinels.Master(ctx, store.Name)
		if err != nil {
			log.FromContext(ctx).V(1).Info("no master", "store", store.Name, "cause", err.Error())
			o.passwords.forget(p.Namespace, p.Name.RedisCredentials())
			continue
		}
		for _, pod := range redis.Pods(p, world, store.Name) {
			if pod.Name == master && component.IsReady(pod) {
				masters[store.Name] = master
			}
		}
	}
	return masters
}

// Run takes the next step of every planned operation. requested is the handover that a user wants.
func (o *Operations) Run(ctx context.Context, p plan.Plan, world component.World, requested postgres.Handover) error {
	return errors.Join(
		o.tuneStores(ctx, p, world),
		o.resize(ctx, p, world),
		o.showCertificates(ctx, p, world),
		o.configureDatabase(ctx, p, world),
		o.rollDatabase(ctx, p, world, requested),
		o.healDatabase(ctx, p, world),
		o.rollRedis(ctx, p, world),
		o.rollEdge(ctx, p, world),
	)
}

// resize gives all pods that hold state or a warm cache the CPU and memory of their templates at
// once: it disturbs nobody.
func (o *Operations) resize(ctx context.Context, p plan.Plan, world component.World) error {
	pods := edge.Sets(p, world)
	pods[p.Name.RedisSentinel()] = redis.SentinelPods(p, world)
	for _, store := range p.Redis.Stores {
		pods[p.Name.RedisStore(store.Name)] = redis.Pods(p, world, store.Name)
	}
	if p.Database.Managed != nil {
		pods[p.Name.Component(plan.Postgres)] = postgres.Pods(p, world)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(pods)) {
		set := world.StatefulSet(name)
		for _, pod := range component.Resizable(set, pods[name]) {
			errs = append(errs, o.Writer.ResizePod(ctx, pod, set.Spec.Template))
		}
	}
	return errors.Join(errs...)
}

// tuneStores tells running stores the settings that follow their resources.
func (o *Operations) tuneStores(ctx context.Context, p plan.Plan, world component.World) error {
	for _, store := range p.Redis.Stores {
		want := redis.Tuning(store)
		for _, pod := range redis.Pods(p, world, store.Name) {
			told := pod.Annotations[plan.AnnotationTuning] == want.String()
			if told || !component.IsReady(pod) || !hasMemory(pod, store.Resources.Memory) {
				continue
			}
			if err := o.tune(ctx, p, pod, want); err != nil {
				return err
			}
		}
	}
	return nil
}

// hasMemory says whether a pod has as much memory as it is to use: a resize comes to its end later
// than its request, or never.
func hasMemory(pod *corev1.Pod, memory resource.Quantity) bool {
	for _, container := range pod.Spec.Containers {
		if container.Resources.Limits.Memory().Cmp(memory) < 0 {
			return false
		}
	}
	for _, status := range pod.Status.ContainerStatuses {
		if status.Resources != nil && status.Resources.Limits.Memory().Cmp(memory) < 0 {
			return false
		}
	}
	return true
}

func (o *Operations) tune(ctx context.Context, p plan.Plan, pod *corev1.Pod, settings redis.Settings) error {
	password, err := o.password(ctx, p.Namespace, p.Name.RedisCredentials(), plan.KeyRedisPassword)
	if err != nil {
		return err
	}
	values := make([]string, 0, 2*len(settings))
	for _, setting := range settings {
		values = append(values, setting.Name, setting.Value)
	}
	if err := sentinel.Configure(ctx, pod.Status.PodIP, password, values); err != nil {
		o.passwords.forget(p.Namespace, p.Name.RedisCredentials())
		return fmt.Errorf("tune %s: %w", pod.Name, err)
	}
	return o.Writer.AnnotatePod(ctx, pod, plan.AnnotationTuning, settings.String())
}

// configureDatabase brings Patroni's shared configuration in line with the plan.
func (o *Operations) configureDatabase(ctx context.Context, p plan.Plan, world component.World) error {
	if p.Database.Managed == nil || !postgres.PrimaryReady(p, world) {
		return nil
	}
	want := postgres.DynamicConfiguration(p)
	if postgres.SameConfiguration(postgres.CurrentConfiguration(p, world), want) {
		return nil
	}
	return o.patroni(ctx, p, world, postgres.Leader(p, world), func(client patroni.Client) error {
		return client.PutConfiguration(ctx, want)
	})
}

// rollDatabase takes the next step of a rolling change; only where there is none, the primary changes
// for another reason.
func (o *Operations) rollDatabase(ctx context.Context, p plan.Plan, world component.World, requested postgres.Handover) error {
	if p.Database.Managed == nil {
		return nil
	}
	set := world.Rollable(p.Name.Component(plan.Postgres))
	step := component.NextStep(set, postgres.Pods(p, world), postgres.Leader(p, world), postgres.Successors(p, world))
	switch step.Action {
	case component.ActionDelete:
		return o.Writer.DeletePod(ctx, step.Pod)
	case component.ActionHandOver:
		requested = postgres.Handover{From: step.Pod.Name, To: step.Candidates[0], Reason: "it must be replaced"}
	case component.ActionNone:
		if requested.From == "" {
			requested = postgres.Drained(p, world)
		}
		if requested.From == "" {
			return o.changeMembers(ctx, p, world)
		}
	}
	return o.handOver(ctx, p, world, requested)
}

// handOver asks Patroni for another primary. The members pause the poolers around it.
func (o *Operations) handOver(ctx context.Context, p plan.Plan, world component.World, handover postgres.Handover) error {
	if handover.From == "" {
		return nil
	}
	log.FromContext(ctx).Info("switchover", "from", handover.From, "to", handover.To, "reason", handover.Reason)
	return o.patroni(ctx, p, world, handover.From, func(client patroni.Client) error {
		return client.Switchover(ctx, handover.From, handover.To)
	})
}

func (o *Operations) rollRedis(ctx context.Context, p plan.Plan, world component.World) error {
	sentinelSet := world.Rollable(p.Name.RedisSentinel())
	step := component.NextStep(sentinelSet, redis.SentinelPods(p, world), "", nil)
	if step.Action == component.ActionDelete {
		return o.Writer.DeletePod(ctx, step.Pod)
	}
	for _, store := range p.Redis.Stores {
		if err := o.rollStore(ctx, p, world, store.Name); err != nil {
			return err
		}
	}
	return nil
}

func (o *Operations) rollStore(ctx context.Context, p plan.Plan, world component.World, store plan.StoreName) error {
	pods := redis.Pods(p, world, store)
	master, known := world.Masters[store]
	if !known && component.CountReady(pods) == component.Count(pods) {
		// Nobody says who must go last.
		return nil
	}
	var followers []string
	for _, pod := range pods {
		if pod.Name != master && component.IsReady(pod) {
			followers = append(followers, pod.Name)
		}
	}
	step := component.NextStep(world.Rollable(p.Name.RedisStore(store)), pods, master, followers)
	switch step.Action {
	case component.ActionDelete:
		return o.Writer.DeletePod(ctx, step.Pod)
	case component.ActionHandOver:
		sentinels, err := o.sentinels(ctx, p, world)
		if err != nil {
			return err
		}
		return sentinels.Failover(ctx, store)
	case component.ActionNone:
	}
	return nil
}

func (o *Operations) rollEdge(ctx context.Context, p plan.Plan, world component.World) error {
	sets := edge.Sets(p, world)
	for _, name := range slices.Sorted(maps.Keys(sets)) {
		step := component.NextStep(world.Rollable(name), sets[name], "", nil)
		if step.Action != component.ActionDelete {
			continue
		}
		if err := o.Writer.DeletePod(ctx, step.Pod); err != nil {
			return err
		}
	}
	return nil
}

// patroni asks the REST API of one member.
func (o *Operations) patroni(ctx context.Context, p plan.Plan, world component.World, member string, question func(patroni.Client) error) error {
	secret := p.Name.PostgresCredentials()
	password, err := o.password(ctx, p.Namespace, secret, postgres.KeyRestAPIPassword)
	if err != nil {
		return err
	}
	for _, pod := range postgres.Pods(p, world) {
		if pod.Name != member {
			continue
		}
		http := o.HTTP(p.Certificates.Authorities, p.Name.PostgresMembers())
		client := patroni.Client{Address: pod.Status.PodIP, Password: password, HTTP: http}
		if err := question(client); err != nil {
			o.passwords.forget(p.Namespace, secret)
			return fmt.Errorf("ask Patroni of %s: %w", member, err)
		}
	}
	return nil
}

func (o *Operations) sentinels(ctx context.Context, p plan.Plan, world component.World) (*sentinel.Sentinels, error) {
	var addresses []string
	for _, pod := range redis.SentinelPods(p, world) {
		if component.IsReady(pod) {
			addresses = append(addresses, pod.Status.PodIP)
		}
	}
	if len(addresses) == 0 {
		return &sentinel.Sentinels{}, nil
	}
	password, err := o.password(ctx, p.Namespace, p.Name.RedisCredentials(), plan.KeyRedisPassword)
	if err != nil {
		return nil, err
	}
	return &sentinel.Sentinels{Addresses: addresses, Password: password}, nil
}

func (o *Operations) password(ctx context.Context, namespace, name, key string) (string, error) {
	at := secretKey{namespace, name, key}
	if value, ok := o.passwords.get(at); ok {
		return value, nil
	}
	var secret corev1.Secret
	if err := o.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &secret); err != nil {
		return "", fmt.Errorf("read Secret %s: %w", name, err)
	}
	value, ok := secret.Data[key]
	if !ok {
		return "", fmt.Errorf("find key %s in Secret %s: it has none of this name", key, name)
	}
	o.passwords.set(at, string(value))
	return string(value), nil
}

// secretKey is one value of one Secret.
type secretKey struct{ namespace, name, key string }

// passwordCache is safe for concurrent use.
type passwordCache struct {
	mutex  sync.Mutex
	values map[secretKey]string
}

func (c *passwordCache) get(at secretKey) (string, bool) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	value, ok := c.values[at]
	return value, ok
}

func (c *passwordCache) set(at secretKey, value string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.values == nil {
		c.values = map[secretKey]string{}
	}
	c.values[at] = value
}

// forget drops every value of a Secret: the next use reads it anew.
func (c *passwordCache) forget(namespace, name string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	maps.DeleteFunc(c.values, func(at secretKey, _ string) bool { return at.namespace == namespace && at.name == name })
}
