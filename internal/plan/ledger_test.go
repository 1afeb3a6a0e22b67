package plan

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// planned are the settings that components render, by the name of their figure.
func planned(p Plan) map[string]any {
	all := map[string]any{
		"api.minReplicas": p.API.Autoscaling.MinReplicas, "api.maxReplicas": p.API.Autoscaling.MaxReplicas,
		"api.cpuUtilization": p.API.Autoscaling.CPUUtilization, "api.memoryUtilization": p.API.Autoscaling.MemoryUtilization,
		"api.heap_mib": p.API.HeapMiB, "api.threads": p.API.Threads,
		"api.pool_min": p.API.Pool.Min, "api.pool_max": p.API.Pool.Max, "api.pool_idle_ms": p.API.Pool.IdleMilliseconds,
		"api.pool_connection_ms": p.API.Pool.ConnectionMilliseconds, "api.statement_ms": p.API.Pool.StatementMilliseconds,
		"pooler.replicas": p.Pooler.Replicas, "pooler.default_pool_size": p.Pooler.PoolSize,
		"pooler.reserve_pool_size": p.Pooler.ReserveSize, "pooler.max_client_conn": p.Pooler.MaxClients,
		"redis.sentinel.replicas": p.Redis.Sentinels.Replicas, "redis.sentinel.quorum": p.Redis.Sentinels.Quorum,
		"redis.sentinel.storage": p.Redis.Sentinels.Storage.Size,
		"edge.storage":           p.Edge.Storage.Size,
		"edge.workers":           p.Edge.Workers, "edge.worker_connections": p.Edge.WorkerConnections, "edge.open_files": p.Edge.OpenFiles,
		"edge.cache_mib": p.Edge.CacheBytes / mebibyte, "edge.keys_zone_mib": p.Edge.KeysZoneMiB,
	}
	resources := func(name string, r Resources) { all[name+".cpu"], all[name+".memory"] = r.CPU, r.Memory }
	resources("api", p.API.Resources)
	resources("pooler", p.Pooler.Resources)
	resources("edge", p.Edge.Resources)
	resources("redis.sentinel", p.Redis.Sentinels.Resources)
	for _, region := range p.Edge.Regions {
		all["edge."+region.Name+".replicas"] = region.Replicas
	}
	for _, store := range p.Redis.Stores {
		name := "redis." + string(store.Name)
		resources(name, store.Resources)
		all[name+".replicas"], all[name+".maxclients"], all[name+".maxmemory"] = store.Replicas, store.MaxClients, mib(store.MaxMemoryBytes)
		if store.Storage != nil {
			all[name+".storage"] = store.Storage.Size
		}
	}
	if m := p.Database.Managed; m != nil {
		resources("postgres", m.Resources)
		all["postgres.replicas"], all["postgres.storage"], all["postgres.durability"] = m.Instances, m.Storage.Size, m.Durability
		for name, value := range m.Parameters {
			all["postgres."+name] = value
		}
	}
	return all
}

func TestEverySettingHasOneFigureWithItsValueAndAReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cluster, p := acceptable(t)
		if rapid.Bool().Draw(t, "members are kept") {
			facts := testFacts
			name := ClusterName(cluster.Name)
			facts.Members = map[string]int32{name.Component(Postgres): 9, name.RedisStore(Queue): 9, name.RedisSentinel(): 9}
			kept, problems := Resolve(cluster, facts)
			if len(problems) > 0 {
				t.Skip("more members do not fit")
			}
			p = kept
		}
		have := map[string]string{}
		for _, figure := range p.Figures {
			if _, twice := have[figure.Name]; twice || figure.Name == "" || figure.Value == "" || len(figure.Reason) < 5 {
				t.Errorf("%+v, told before: %t", figure, twice)
			}
			have[figure.Name] = figure.Value
		}
		for name, value := range planned(p) {
			if told, ok := have[name]; !ok || told != text(value) {
				t.Errorf("%s is %s, and what is told is %q", name, text(value), told)
			}
		}
	})
}

var numbers = regexp.MustCompile(`\d+`)

// reasoned are the numbers in the reason of a figure, and its value.
func reasoned(t *testing.T, p Plan, name string) (reason []int, value int) {
	t.Helper()
	figure, ok := p.Figure(name)
	if !ok {
		t.Fatalf("%s has no figure", name)
	}
	for _, digits := range numbers.FindAllString(figure.Reason, -1) {
		number, err := strconv.Atoi(digits)
		if err != nil {
			t.Fatal(err)
		}
		reason = append(reason, number)
	}
	value, err := strconv.Atoi(figure.Value)
	if err != nil {
		t.Fatal(err)
	}
	return reason, value
}

func TestTheReasonOfMaxConnectionsAddsUp(t *testing.T) {
	for _, size := range Sizes() {
		n, value := reasoned(t, mustResolve(t, testCluster(t, size, ""), testFacts), "postgres.max_connections")
		if len(n) != 11 {
			t.Fatalf("%s: numbers are %v", size, n)
		}
		poolers, pods, replicas, pool, reserve, servers := n[0], n[1], n[2], n[3], n[4], n[5]
		if pods != replicas+(replicas+3)/4 || servers != poolers*pods*(pool+reserve) ||
			value != (servers+n[6]+n[7]+n[8]+n[9]+9)/10*10 {
			t.Errorf("%s: %v do not add up to %d", size, n, value)
		}
	}
}

// The platform's own block: 3 to 50 API pods with pools of 20.
func TestTheNumbersOfThePlatformsDesignClose(t *testing.T) {
	p := mustResolve(t, testCluster(t, v1alpha1.SizeLarge, ""), testFacts)
	a := p.API.Autoscaling
	if a != (Autoscaling{MinReplicas: 3, MaxReplicas: 50, CPUUtilization: 70, MemoryUtilization: 80}) || len(p.Clamped) != 0 {
		t.Errorf("%+v, %v", a, p.Clamped)
	}
	if p.API.Pool.Min != 2 || p.API.Pool.Max != 20 || p.API.Pool.IdleMilliseconds != 30_000 || p.API.Pool.ConnectionMilliseconds != 2_000 {
		t.Errorf("%+v", p.API.Pool)
	}
	n, value := reasoned(t, p, "pooler.max_client_conn")
	if fmt.Sprint(n) != "[63 50 20 1260 10 100]" || value != 1300 {
		t.Errorf("%v, %d", n, value)
	}
	n, value = reasoned(t, p, "postgres.max_connections")
	if fmt.Sprint(n) != "[2 4 3 50 12 496 8 10 2 3 10]" || value != 520 {
		t.Errorf("%v, %d", n, value)
	}
	for _, gap := range budgetGaps(p) {
		t.Error(gap)
	}
}

func TestClampingIsSaid(t *testing.T) {
	p := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, "database: {managed: {resources: {cpu: 16, memory: 2Gi}}}"), testFacts)
	figure, _ := p.Figure("pooler.default_pool_size")
	if len(p.Clamped) != 1 || !strings.HasPrefix(p.Clamped[0], "pooler.default_pool_size 170 → "+figure.Value+": ") ||
		!strings.Contains(figure.Reason, "170 cut down to fit the database's memory") {
		t.Errorf("%v: %+v", p.Clamped, figure)
	}
	wider := connectionMemory(2048, p.connections(p.Pooler.PoolSize+1))
	if wider <= 2048 {
		t.Errorf("a pool of %d would fit, too", p.Pooler.PoolSize+1)
	}
	roomy := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, "database: {managed: {resources: {cpu: 1, memory: 8Gi}}}"), testFacts)
	if len(roomy.Clamped) != 0 {
		t.Errorf("%v", roomy.Clamped)
	}
}
