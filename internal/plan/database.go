package plan

import (
	"fmt"
	"maps"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// Connections beside those of the poolers.
const (
	replicationConnections = 10
	operationsConnections  = 10
	superuserConnections   = 3
)

// Database identity of the managed database.
const (
	DatabaseName = "fediflow"
	DatabaseUser = "fediflow"
)

// PostgresPort and PoolerPort are the ports of PostgreSQL and PgBouncer.
const (
	PostgresPort int32 = 5432
	PoolerPort   int32 = 6432
)

// keepMembers never goes below the members that have a volume: which of them hold the newest data
// only the engine knows, and a StatefulSet removes the highest ordinal, be it the leader.
func keepMembers(wanted, existing int32) (replicas, kept int32) {
	replicas = max(wanted, existing)
	return replicas, replicas - wanted
}

func resolveDatabase(o *overrides, name ClusterName, spec *v1alpha1.FediFlowClusterSpec, size profile, facts Facts) DatabasePlan {
	database := orEmpty(spec.Database)
	if external := database.External; external != nil {
		return DatabasePlan{External: &ExternalPlan{
			Host:              external.Host,
			Port:              orDefault(external.Port, PostgresPort),
			Database:          orDefault(external.Database, DatabaseName),
			CredentialsSecret: external.CredentialsSecret.Name,
		}}
	}
	managed := orEmpty(database.Managed)
	const field = "spec.database.managed"
	plan := &PostgresPlan{
		Image:     facts.Images.Postgres,
		Instances: pick(o, field+".instances", managed.Instances, size.postgres.replicas),
		Storage:   o.storage(field+".storage", managed.Storage, size.postgres.storage),
		Resources: o.resources(field+".resources", managed.Resources, size.postgres.workload),
	}
	plan.Instances, plan.Kept = keepMembers(plan.Instances, facts.Members[name.Component(Postgres)])
	durability := v1alpha1.DurabilitySynchronous
	if plan.Instances == 1 {
		durability = v1alpha1.DurabilityAsynchronous
	}
	plan.Durability = pick(o, field+".durability", managed.Durability, durability)
	return DatabasePlan{Managed: plan}
}

func orDefault[T any](explicit *T, value T) T {
	if explicit == nil {
		return value
	}
	return *explicit
}

// accesses: reads go to replicas where there are any.
func accesses(database DatabasePlan) []Access {
	if database.Managed != nil && database.Managed.Instances > 1 {
		return []Access{ReadWrite, ReadOnly}
	}
	return []Access{ReadWrite}
}

// ReadAccess is the pooler that reads go through.
func (p *PoolerPlan) ReadAccess() Access { return p.Accesses[len(p.Accesses)-1] }

func resolvePooler(o *overrides, spec *v1alpha1.FediFlowClusterSpec, size profile, facts Facts) PoolerPlan {
	pooler := orEmpty(spec.Pooler)
	return PoolerPlan{
		Image:     facts.Images.PgBouncer,
		Replicas:  pick(o, "spec.pooler.replicas", pooler.Replicas, size.pooler.replicas),
		Resources: o.resources("spec.pooler.resources", pooler.Resources, size.pooler),
	}
}

// closeConnectionBudget makes the connections add up with every API pod there may be:
// application pools ≤ pooler clients, and pooler servers + direct + reserved ≤ max_connections.
func (p *Plan) closeConnectionBudget() {
	clients := p.API.Autoscaling.MaxReplicas * p.API.Pool.Max
	// Any one pooler pod must be able to serve every client while its siblings roll.
	p.Pooler.MaxClients = roundUp(clients+operationsConnections, 100)
	managed := p.Database.Managed
	if managed == nil {
		p.Pooler.PoolSize, p.Pooler.ReserveSize = 20, 5
		return
	}
	p.Pooler.PoolSize, p.Pooler.ReserveSize = poolSizes(managed.Resources)
	// After a failover, sessions of both poolers can meet on one member.
	var servers int32
	for range p.Pooler.Accesses {
		servers += p.Pooler.Replicas * (p.Pooler.PoolSize + p.Pooler.ReserveSize)
	}
	managed.MaxConnections = roundUp(servers+replicationConnections+operationsConnections+superuserConnections, 10)
	managed.Parameters = postgresParameters(managed)
}

// poolSizes: a transaction pool a few times as wide as the processor keeps it busy; wider only queues.
func poolSizes(r Resources) (size, reserve int32) {
	cores := min(r.CPU.Value(), 128) // Value rounds up
	size = 10 + 10*int32(cores)      //nolint:gosec // at most 128
	return size, size / 4
}

func roundUp(value, step int32) int32 { return (value + step - 1) / step * step }

// postgresParameters derives memory settings from the memory limit.
// Source of the formulas: the PostgreSQL documentation's resource chapter and common practice.
func postgresParameters(p *PostgresPlan) map[string]string {
	memory := p.Resources.Memory.Value() / mebibyte
	shared := memory / 4
	parameters := map[string]string{
		"shared_buffers":       megabytes(shared),
		"effective_cache_size": megabytes(memory * 7 / 10),
		"work_mem":             megabytes(max(4, (memory-shared)/int64(3*p.MaxConnections))),
		"maintenance_work_mem": megabytes(min(memory/16, 2048)),
		"max_connections":      fmt.Sprint(p.MaxConnections),
	}
	maps.Copy(parameters, fixedParameters)
	return parameters
}

func megabytes(value int64) string { return fmt.Sprintf("%dMB", value) }

// fixedParameters are the same for every size.
var fixedParameters = map[string]string{
	"checkpoint_completion_target":        "0.9",
	"hot_standby_feedback":                "on",
	"idle_in_transaction_session_timeout": "60000",
	"log_lock_waits":                      "on",
	"log_min_duration_statement":          "1000",
	"max_replication_slots":               "16",
	"max_slot_wal_keep_size":              "2GB",
	"max_wal_senders":                     "16",
	"max_wal_size":                        "1GB",
	"password_encryption":                 "scram-sha-256",
	"pg_stat_statements.max":              "1000",
	"random_page_cost":                    "1.1",
	"shared_preload_libraries":            "pg_stat_statements",
	"tcp_keepalives_count":                "3",
	"tcp_keepalives_idle":                 "10",
	"tcp_keepalives_interval":             "3",
	"tcp_user_timeout":                    "20000",
	"track_io_timing":                     "on",
	"wal_compression":                     "on",
	"wal_keep_size":                       "256MB",
	"wal_log_hints":                       "on",
	"wal_receiver_timeout":                "10000",
	"wal_sender_timeout":                  "10000",
	// The default of 5 s stalls promotions that follow a fresh reconnect.
	"wal_retrieve_retry_interval": "100",
}
