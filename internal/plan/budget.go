package plan

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// Connections beside those of the poolers.
const (
	// replicationConnections are of Patroni and of members that rewind; what streams WAL has the seats
	// of max_wal_senders.
	replicationConnections = 8
	operationsConnections  = 10
	// exporterConnections: one stays open, another is opened for each scrape.
	exporterConnections  = 2
	superuserConnections = 3
)

const (
	// connectionMiB is what one idle PostgreSQL backend holds for itself, with its caches.
	connectionMiB = 3
	// clientKiB is what PgBouncer and Valkey hold for one client, buffers included.
	clientKiB = 16
	// leastPool is the narrowest pool that still overlaps network and disk.
	leastPool = 5
	// poolerBaseMiB is PgBouncer without clients.
	poolerBaseMiB = 16
)

// BudgetLine is something shared that could run out.
type BudgetLine struct {
	Name string `json:"name"`
	// Used with every autoscaled role at its maximum.
	Used int64 `json:"used"`
	// Available at most.
	Available int64 `json:"available"`
}

// closeBudget makes everything shared add up with every pod there may be: application pools ≤
// pooler clients; pooler servers + direct + reserved ≤ max_connections; connections × memory ≤ the
// memory of the database; Redis clients ≤ maxclients. What cannot fit is a problem.
func (p *Plan) closeBudget(l *ledger) []Problem {
	pods := surged(p.API.Autoscaling.MaxReplicas)
	problems := p.closePoolerClients(l, pods)
	problems = append(problems, p.closeConnections(l)...)
	for i := range p.Redis.Stores {
		p.closeStoreClients(l, &p.Redis.Stores[i], pods)
	}
	p.Budget = append(p.Budget, BudgetLine{"edge.open_files", int64(2 * p.Edge.WorkerConnections), int64(p.Edge.OpenFiles)})
	return problems
}

// surged is the number of pods while a Deployment rolls: a quarter more, rounded up.
func surged(replicas int32) int32 { return replicas + (replicas+3)/4 }

func (p *Plan) closePoolerClients(l *ledger, pods int32) []Problem {
	clients := pods * p.API.Pool.Max
	p.Pooler.MaxClients = roundUp(clients+operationsConnections, 100)
	l.record("pooler.max_client_conn", p.Pooler.MaxClients,
		"api %d pods (%d at most, and a quarter more while they roll) × pool %d = %d, + operations %d, rounded up to 100; "+
			"each pooler pod can serve all of them",
		pods, p.API.Autoscaling.MaxReplicas, p.API.Pool.Max, clients, operationsConnections)
	p.Budget = append(p.Budget, BudgetLine{"pooler.clients", int64(clients + operationsConnections), int64(p.Pooler.MaxClients)})
	needed, memory := poolerBaseMiB+int64(p.Pooler.MaxClients)*clientKiB/1024, p.Pooler.Resources.Memory.Value()/mebibyte
	p.Budget = append(p.Budget, BudgetLine{"pooler.memory_mib", needed, memory})
	if needed <= memory {
		return nil
	}
	return []Problem{{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
		"spec.pooler.resources.memory %d MiB is too small for %d clients: use %dMi or more, or lower spec.api.autoscaling.maxReplicas",
		memory, p.Pooler.MaxClients, needed)}}
}

func (p *Plan) closeConnections(l *ledger) []Problem {
	managed := p.Database.Managed
	if managed == nil {
		p.Pooler.PoolSize, p.Pooler.ReserveSize = 20, 5
		l.record("pooler.default_pool_size", p.Pooler.PoolSize, "the external server's limits are not known")
		l.record("pooler.reserve_pool_size", p.Pooler.ReserveSize, "a quarter of the pool")
		return nil
	}
	memory := managed.Resources.Memory.Value() / mebibyte
	wanted := widestPool(managed.Resources.CPU)
	size := wanted
	for size > leastPool && connectionMemory(memory, p.connections(size)) > memory {
		size--
	}
	p.Pooler.PoolSize, p.Pooler.ReserveSize = size, size/4
	managed.MaxConnections = p.connections(size)
	needed := connectionMemory(memory, managed.MaxConnections)
	p.Budget = append(p.Budget,
		BudgetLine{"postgres.connections", int64(p.servers(size) + reservedConnections), int64(managed.MaxConnections)},
		BudgetLine{"postgres.memory_mib", needed, memory})
	l.record("pooler.default_pool_size", size, "10 + 10 for each core of the database: wider only queues inside it")
	l.record("pooler.reserve_pool_size", p.Pooler.ReserveSize, "a quarter of the pool, for bursts")
	l.record("postgres.max_connections", managed.MaxConnections,
		"poolers %d × %d pods (%d, and a quarter more while they roll) × (%d + %d) = %d, "+
			"+ replication %d + operations %d + exporter %d + superuser %d, rounded up to 10",
		p.Pooler.used(), surged(p.Pooler.Replicas), p.Pooler.Replicas, size, size/4, p.servers(size),
		replicationConnections, operationsConnections, exporterConnections, superuserConnections)
	if size < wanted {
		l.amend("pooler.default_pool_size", size, "%d cut down to fit the database's memory", wanted)
		l.clamp("pooler.default_pool_size %d → %d: more connections do not fit the database's memory of %d MiB "+
			"(shared_buffers %d MiB + %d MiB for each connection)",
			wanted, size, memory, sharedBuffers(memory), connectionMiB)
	}
	if needed <= memory {
		return nil
	}
	enough := resource.NewQuantity(int64(managed.MaxConnections)*connectionMiB*4/3*mebibyte, resource.BinarySI)
	return []Problem{{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
		"spec.database.managed.resources.memory %d MiB is too small for the %d connections of %d pooler pods: "+
			"use %s or more, or lower spec.pooler.replicas",
		memory, managed.MaxConnections, p.Pooler.Replicas, enough)}}
}

const reservedConnections = replicationConnections + operationsConnections + exporterConnections + superuserConnections

// servers are the connections of all pooler pods. After a failover, those of both poolers can meet
// on one member.
func (p *Plan) servers(size int32) int32 {
	return p.Pooler.used() * surged(p.Pooler.Replicas) * (size + size/4)
}

// used is how many poolers have work: one that nobody reads through goes with the last replica. So
// members restart for the smaller budget while there are others to take over, not when one is left.
func (p *PoolerPlan) used() int32 {
	if p.ReadAccess == ReadOnly {
		return 2
	}
	return 1
}

func (p *Plan) connections(size int32) int32 { return roundUp(p.servers(size)+reservedConnections, 10) }

// widestPool is a transaction pool a few times as wide as the processor keeps busy.
func widestPool(cpu resource.Quantity) int32 {
	cores := min(cpu.Value(), 128) // Value rounds up
	return 10 + 10*int32(cores)    //nolint:gosec // at most 128
}

func connectionMemory(memoryMiB int64, connections int32) int64 {
	return sharedBuffers(memoryMiB) + int64(connections)*connectionMiB
}

func (p *Plan) closeStoreClients(l *ledger, store *StorePlan, pods int32) {
	name := "redis." + string(store.Name)
	used := pods*clientsPerPod + 2*p.Redis.Sentinels.Replicas + store.Replicas + operationsConnections
	store.MaxClients = max(1000, roundUp(used*5/4, 100))
	l.record(name+".maxclients", store.MaxClients,
		"api %d pods × %d + Sentinels 2 × %d + members %d + operations %d = %d, a quarter more, rounded up to 100, and at least 1000",
		pods, clientsPerPod, p.Redis.Sentinels.Replicas, store.Replicas, operationsConnections, used)
	p.Budget = append(p.Budget, BudgetLine{name + ".clients", int64(used), int64(store.MaxClients)})
}

func roundUp(value, step int32) int32 { return (value + step - 1) / step * step }
