package plan

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

func TestTheConnectionBudgetClosesAtEveryAutoscalersMaximum(t *testing.T) {
	fragments := map[string]string{
		"as the profile says":    "",
		"the largest autoscaler": "api: {autoscaling: {maxReplicas: 1000}}\npooler: {resources: {memory: 408Mi}}",
		"the most poolers":       "pooler: {replicas: 50}\ndatabase: {managed: {resources: {memory: 64Gi}}}",
		"many cores":             "database: {managed: {resources: {cpu: 500}}}",
		"one member":             "database: {managed: {instances: 1}}",
		"two members":            "database: {managed: {instances: 2}}",
		"a database elsewhere":   "database: {external: {host: db.example.edu, credentialsSecret: {name: db}}}",
	}
	for name, fragment := range fragments {
		for _, size := range Sizes() {
			t.Run(name+" "+string(size), func(t *testing.T) {
				for _, gap := range budgetGaps(mustResolve(t, testCluster(t, size, fragment), testFacts)) {
					t.Error(gap)
				}
			})
		}
	}
}

// budgetGaps adds the connections up anew, from the plan's figures alone.
func budgetGaps(p Plan) []string {
	var gaps []string
	check := func(holds bool, gap string) {
		if !holds {
			gaps = append(gaps, gap)
		}
	}
	for _, line := range p.Budget {
		check(line.Used <= line.Available, fmt.Sprintf("%s: %d of %d", line.Name, line.Used, line.Available))
	}
	// The last pooler standing must take every API pod, and the one that looks at it.
	clients := p.API.Autoscaling.MaxReplicas * p.API.Pool.Max
	check(p.Pooler.MaxClients > clients, "a pooler takes fewer clients than there may be")
	check(p.Pooler.PoolSize > 0 && p.Pooler.ReserveSize > 0, "a pooler has no servers")
	check(p.API.Pool.Min <= p.API.Pool.Max, "a pool's minimum is above its maximum")
	m := p.Database.Managed
	if m == nil {
		return gaps
	}
	// Everything can meet on one member after a failover, and a switchover keeps a seat for the superuser.
	const rewinds, operations, exporter, superuser = 8, 10, 2, 3
	servers := int32(len(p.Pooler.Accesses)) * p.Pooler.Replicas * (p.Pooler.PoolSize + p.Pooler.ReserveSize) //nolint:gosec // two
	check(m.MaxConnections >= servers+rewinds+operations+exporter+superuser, "the poolers have more servers than the database has connections")
	check(m.Parameters["max_connections"] == strconv.Itoa(int(m.MaxConnections)), "PostgreSQL is told another number of connections")
	for _, name := range []string{"max_wal_senders", "max_replication_slots"} {
		seats, err := strconv.Atoi(m.Parameters[name])
		check(err == nil && seats >= int(m.Instances), name+" is less than the members")
	}
	return gaps
}

func TestReadsGoToReplicasWhereThereAreAny(t *testing.T) {
	tests := map[string]struct {
		fragment string
		want     Access
	}{
		"replicas":             {"database: {managed: {instances: 2}}", ReadOnly},
		"no replica":           {"database: {managed: {instances: 1}}", ReadWrite},
		"a database elsewhere": {"database: {external: {host: db, credentialsSecret: {name: db}}}", ReadWrite},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, test.fragment), testFacts)
			if got := p.Pooler.ReadAccess; got != test.want || p.Pooler.Accesses[0] != ReadWrite {
				t.Errorf("reads go to %s, poolers are %v", got, p.Pooler.Accesses)
			}
		})
	}
}

func TestMemoryFiguresFollowTheMemoryLimit(t *testing.T) {
	p := mustResolve(t, testCluster(t, v1alpha1.SizeMedium, `
api: {resources: {memory: 1Gi}}
database: {managed: {instances: 3, resources: {cpu: 2, memory: 8Gi}}}
pooler: {replicas: 1}
redis: {managed: {queue: {resources: {memory: 1Gi}}, cache: {resources: {memory: 1Gi}}}}
edge: {resources: {memory: 256Mi}, storage: {size: 100Gi}}`), testFacts)
	// Two cores: 30 servers and 7 in reserve for each of two poolers, twice while they roll, 23 others, in tens.
	want := map[string]string{
		"max_connections": "180", "shared_buffers": "2048MB", "effective_cache_size": "5734MB",
		"work_mem": "11MB", "maintenance_work_mem": "512MB",
	}
	for name, value := range want {
		if got := p.Database.Managed.Parameters[name]; got != value {
			t.Errorf("%s = %s, not %s", name, got, value)
		}
	}
	if p.API.HeapMiB != 874 {
		t.Errorf("heap of %d MiB", p.API.HeapMiB)
	}
	if queue, cache := p.Redis.Stores[0], p.Redis.Stores[1]; queue.MaxMemoryBytes != 512<<20 || cache.MaxMemoryBytes != 768<<20 {
		t.Errorf("maxmemory: queue %d, cache %d", queue.MaxMemoryBytes, cache.MaxMemoryBytes)
	}
	if p.Edge.CacheBytes != 90<<30 || p.Edge.KeysZoneMiB != 64 {
		t.Errorf("edge: %d bytes, keys %d MiB: the index is bounded by a quarter of the memory", p.Edge.CacheBytes, p.Edge.KeysZoneMiB)
	}
}

func TestSafetyTrapsKnownByNameAreAvoided(t *testing.T) {
	p := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, ""), testFacts)
	want := map[string]string{
		// The default of 5 s stalls promotions.
		"wal_retrieve_retry_interval": "100",
		// Disk full is expected: slots and WAL have caps.
		"max_slot_wal_keep_size": "2048MB",
		"max_wal_size":           "1024MB",
		"password_encryption":    "scram-sha-256",
		// pg_rewind needs it.
		"wal_log_hints": "on",
	}
	for name, value := range want {
		if got := p.Database.Managed.Parameters[name]; got != value {
			t.Errorf("%s = %q, not %q", name, got, value)
		}
	}
}
