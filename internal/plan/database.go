package plan

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// Database identity of the managed database.
const (
	DatabaseName = "fediflow"
	DatabaseUser = "fediflow"
	// PoolerAdmin may pause and resume the poolers; it is no role of the database.
	PoolerAdmin = "fediflow_pooler"
)

// Ports of PostgreSQL, of PgBouncer and of the exporter of PostgreSQL's statistics.
const (
	PostgresPort int32 = 5432
	PoolerPort   int32 = 6432
	ExporterPort int32 = 9187
)

// keepMembers never goes below the members that have a volume: which of them hold the newest data
// only the engine knows, and a StatefulSet removes the highest ordinal, be it the leader.
func (l *ledger) keepMembers(name string, wanted, existing int32) (replicas, kept int32) {
	replicas = max(wanted, existing)
	if replicas > wanted {
		l.amend(name, replicas, "%d members have a volume and are kept", existing)
	}
	return replicas, replicas - wanted
}

// resolveInstances says how many members there are now and in the end. Fewer of them must be asked for
// in the spec itself: a smaller profile removes none.
func (p *PostgresPlan) resolveInstances(l *ledger, explicit *int32, members, retired int32) {
	const name = "postgres.replicas"
	p.Target = p.Instances
	switch {
	case p.Target < members && explicit != nil:
		p.Instances = members
		l.amend(name, members, "%d members are removed one by one", members-p.Target)
	case p.Target > members && retired > 0:
		p.Instances = members
		l.amend(name, members, "%d retired members come back as soon as there is a primary", min(p.Target-members, retired))
	default:
		p.Instances, p.Kept = l.keepMembers(name, p.Target, members)
		p.Target = p.Instances
	}
}

func resolveDatabase(l *ledger, name ClusterName, spec *v1alpha1.FediFlowClusterSpec, profile v1alpha1.StatefulProfile, facts Facts) DatabasePlan {
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
		Instances: pick(l, "postgres.replicas", field+".instances", managed.Instances, profile.Replicas),
		Storage:   l.storage("postgres", field+".storage", managed.Storage, profile.Storage),
		Resources: l.resources("postgres", field+".resources", managed.Resources, profile.CPU, profile.Memory),
		Exporter:  resolveExporter(l),

		Extensions: resolveExtensions(managed.Extensions),
		Roles:      resolveRoles(managed.Roles),
	}
	set := name.Component(Postgres)
	plan.resolveInstances(l, managed.Instances, facts.Members[set], facts.Retired[set])
	plan.Volume = plan.Storage.Size
	if capacity, known := facts.Capacities[set]; known && capacity.Cmp(plan.Volume) < 0 {
		plan.Volume = capacity
	}
	plan.Durability = resolveDurability(l, spec.Profile.Durability, managed.Durability, plan.Target)
	plan.MaximumLagBytes = resolveMaximumLag(l, managed.MaximumLag)
	plan.Heartbeat = resolveHeartbeat(l, managed.Heartbeat)
	return DatabasePlan{Managed: plan}
}

// resolveExporter: what a scrape costs depends on the number of tables, indexes and connections, and
// hardly on the size.
func resolveExporter(l *ledger) Resources {
	exporter := Resources{CPU: resource.MustParse("10m"), Memory: resource.MustParse("64Mi")}
	const reason = "beside each member, the same for every size: it holds 20 MiB while it is scraped"
	l.record("postgres.exporter.cpu", exporter.CPU, reason)
	l.record("postgres.exporter.memory", exporter.Memory, reason)
	return exporter
}

func resolveDurability(l *ledger, intended, explicit *v1alpha1.Durability, instances int32) v1alpha1.Durability {
	const name = "postgres.durability"
	switch {
	case explicit != nil:
		l.overrides = append(l.overrides, "spec.database.managed.durability")
		l.record(name, *explicit, "set by spec.database.managed.durability")
		return *explicit
	case intended != nil:
		l.record(name, *intended, "set by spec.profile.durability")
		return *intended
	case instances == 1:
		l.record(name, v1alpha1.DurabilityAsynchronous, "there is no standby")
		return v1alpha1.DurabilityAsynchronous
	}
	l.record(name, v1alpha1.DurabilitySynchronous, "there is a standby to have every acknowledged write")
	return v1alpha1.DurabilitySynchronous
}

// defaultMaximumLag is one WAL segment.
const defaultMaximumLag = 16 * mebibyte

func resolveMaximumLag(l *ledger, explicit *resource.Quantity) int64 {
	const name, field = "postgres.maximum_lag", "spec.database.managed.maximumLag"
	if explicit == nil {
		l.record(name, defaultMaximumLag, "one WAL segment, in bytes; only with durability Asynchronous anything can be lost")
		return defaultMaximumLag
	}
	l.overrides = append(l.overrides, field)
	l.record(name, explicit.Value(), "set by %s", field)
	return explicit.Value()
}

var heartbeats = map[v1alpha1.Heartbeat]HeartbeatPlan{
	v1alpha1.HeartbeatFast:   {Interval: 2, Expiry: 20, Retry: 3},
	v1alpha1.HeartbeatFrugal: {Interval: 10, Expiry: 40, Retry: 10},
}

func resolveHeartbeat(l *ledger, explicit *v1alpha1.Heartbeat) HeartbeatPlan {
	const name, field = "postgres.heartbeat", "spec.database.managed.heartbeat"
	chosen, source := v1alpha1.HeartbeatFast, "the default"
	if explicit != nil {
		l.overrides = append(l.overrides, field)
		chosen, source = *explicit, "set by "+field
	}
	beat := heartbeats[chosen]
	l.record(name, chosen, "%s: the primary renews its lock every %d s (%d requests a minute) and is given up %d s after it stopped",
		source, beat.Interval, 60/beat.Interval, beat.Expiry)
	return beat
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

// readAccess: nothing reads from the last replica when it is removed.
func readAccess(database DatabasePlan) Access {
	if m := database.Managed; m != nil && min(m.Instances, m.Target) > 1 {
		return ReadOnly
	}
	return ReadWrite
}

func resolvePooler(l *ledger, spec *v1alpha1.FediFlowClusterSpec, profile v1alpha1.WorkloadProfile, facts Facts) PoolerPlan {
	pooler := orEmpty(spec.Pooler)
	return PoolerPlan{
		Image:     facts.Images.PgBouncer,
		Replicas:  pick(l, "pooler.replicas", "spec.pooler.replicas", pooler.Replicas, profile.Replicas),
		Resources: l.resources("pooler", "spec.pooler.resources", pooler.Resources, profile.CPU, profile.Memory),
	}
}

// resolveParameters derives PostgreSQL's settings from memory, volume and the connection budget.
// Source of the formulas: the PostgreSQL documentation's resource chapter and common practice.
func resolveParameters(l *ledger, p *PostgresPlan) map[string]string {
	memory, volume := p.Resources.Memory.Value()/mebibyte, p.Volume.Value()/mebibyte
	shared := sharedBuffers(memory)
	parameters := map[string]string{}
	set := func(name, value, format string, arguments ...any) {
		parameters[name] = value
		l.record("postgres."+name, value, format, arguments...)
	}
	set("shared_buffers", megabytes(shared), "a quarter of the memory of %d MiB", memory)
	set("effective_cache_size", megabytes(memory*7/10), "70 %% of the memory: what the page cache is expected to hold")
	set("work_mem", megabytes(max(4, (memory-shared)/int64(3*p.MaxConnections))),
		"(memory %d − shared_buffers %d) / (3 × max_connections %d), and at least 4 MiB", memory, shared, p.MaxConnections)
	set("maintenance_work_mem", megabytes(min(memory/16, 2048)), "a sixteenth of the memory, and at most 2 GiB")
	set("max_wal_size", megabytes(between(volume/10, 256, 16<<10)),
		"a tenth of the volume of %d MiB, from 256 MiB to 16 GiB: fewer checkpoints", volume)
	set("min_wal_size", megabytes(between(volume/40, 80, 4<<10)), "a quarter of max_wal_size, recycled and not deleted")
	set("wal_keep_size", megabytes(between(volume/40, 64, 1<<10)), "for a standby that was away for moments")
	set("max_slot_wal_keep_size", megabytes(between(volume/5, 256, 64<<10)), "a fifth of the volume: a lost standby must not fill the disk")
	set("autovacuum_vacuum_cost_limit", fmt.Sprint(between(200*p.Resources.CPU.Value(), 200, 2000)),
		"200 for each core: vacuum keeps up with the writes the cores allow")
	maps.Copy(parameters, fixedParameters)
	for _, name := range slices.Sorted(maps.Keys(fixedParameters)) {
		l.record("postgres."+name, fixedParameters[name], "the same for every size")
	}
	return parameters
}

func sharedBuffers(memoryMiB int64) int64 { return memoryMiB / 4 }

func between(value, least, most int64) int64 { return max(least, min(value, most)) }

func megabytes(value int64) string { return fmt.Sprintf("%dMB", value) }

// fixedParameters are the same for every size.
var fixedParameters = map[string]string{
	"checkpoint_completion_target":        "0.9",
	"hot_standby_feedback":                "on",
	"idle_in_transaction_session_timeout": "60000",
	"log_lock_waits":                      "on",
	"log_min_duration_statement":          "1000",
	"max_replication_slots":               "16",
	"max_wal_senders":                     "16",
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
	"wal_log_hints":                       "on",
	"wal_receiver_timeout":                "10000",
	"wal_sender_timeout":                  "10000",
	// The default of 5 s stalls promotions that follow a fresh reconnect.
	"wal_retrieve_retry_interval": "100",
}
