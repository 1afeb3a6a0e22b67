package postgres

import (
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/kube"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Values of the role label that Patroni sets on its pods.
const (
	rolePrimary = "primary"
	roleReplica = "replica"
)

const (
	rolesProgram  = "/usr/local/bin/fediflow-roles"
	monitoringMap = "monitoring"
)

const dataDirectory = "/var/lib/postgresql/data"

type object = map[string]any

// patroniFile is the local configuration of every member. Names and addresses that differ between
// members, and passwords, come from the environment.
func patroniFile(p plan.Plan) string {
	scope := p.Name.Component(plan.Postgres)
	labels := p.Name.Labels(plan.Postgres)
	file := object{
		"scope": scope,
		"log":   object{"level": "INFO"},
		"kubernetes": object{
			"namespace":            p.Namespace,
			"labels":               labels,
			"scope_label":          labelInstance,
			"role_label":           plan.LabelRole,
			"leader_label_value":   rolePrimary,
			"follower_label_value": roleReplica,
			"use_endpoints":        true,
			"ports":                []object{{"name": "postgres", "port": plan.PostgresPort}},
		},
		"restapi": object{
			"listen":   fmt.Sprintf("0.0.0.0:%d", PatroniPort),
			"certfile": kube.CertificateFile,
			"keyfile":  kube.PrivateKeyFile,
		},
		"ctl": betweenMembers(),
		"bootstrap": object{
			"dcs": dynamicConfiguration(p),
			// The builtin collation provider does not change with the C library.
			"initdb": []any{
				object{"encoding": "UTF8"}, object{"locale-provider": "builtin"},
				object{"builtin-locale": "C.UTF-8"}, "data-checksums",
			},
			"post_init": "/usr/local/bin/fediflow-post-init",
		},
		"postgresql": object{
			"listen":          fmt.Sprintf("0.0.0.0:%d", plan.PostgresPort),
			"data_dir":        dataDirectory,
			"pgpass":          "/tmp/pgpass",
			"use_unix_socket": true,
			"authentication": object{
				"superuser":   object{"username": "postgres"},
				"replication": verified("replicator"),
				"rewind":      verified("rewind"),
			},
			"parameters": localParameters(),
			// A new standby does not wait for the primary's next checkpoint, minutes away.
			"basebackup": []object{{"checkpoint": "fast"}},
			// Both run on a new primary, also one that an older version made.
			"callbacks": object{"on_start": rolesProgram, "on_role_change": rolesProgram},
			"pg_ident":  accounts(),
			"pg_hba":    entrances(),
			"remove_data_directory_on_rewind_failure":     true,
			"remove_data_directory_on_diverged_timelines": true,
		},
	}
	text, err := yaml.Marshal(file)
	if err != nil {
		panic(fmt.Sprintf("marshal constant shape: %v", err))
	}
	return string(text)
}

// accounts of the pod's containers that may read statistics without a password. The exporter's is no
// superuser's.
func accounts() []string {
	return []string{
		monitoringMap + " prometheus " + plan.MonitoringRole,
		monitoringMap + " postgres " + plan.MonitoringRole,
	}
}

// entrances say who is let in, and how; the first that matches decides.
func entrances() []string {
	return []string{
		"local all postgres peer",
		"local all " + plan.MonitoringRole + " peer map=" + monitoringMap,
		"host all " + plan.MonitoringRole + " all reject",
		"host all postgres all reject",
		"hostssl replication replicator all scram-sha-256",
		"hostssl all all all scram-sha-256",
	}
}

// dynamicConfiguration is the part of Patroni's configuration that all members share. Patroni keeps
// it in the Endpoints object named by PostgresConfig.
func dynamicConfiguration(p plan.Plan) object {
	database := p.Database.Managed
	parameters := object{}
	for name, value := range database.Parameters {
		parameters[name] = value
	}
	return object{
		"ttl":                     database.Heartbeat.Expiry,
		"loop_wait":               database.Heartbeat.Interval,
		"retry_timeout":           database.Heartbeat.Retry,
		"primary_start_timeout":   0,
		"failsafe_mode":           true,
		"maximum_lag_on_failover": database.MaximumLagBytes,
		"synchronous_mode":        database.Durability.Synchronous(),
		"synchronous_mode_strict": database.Durability == v1alpha1.DurabilityStrict,
		"postgresql": object{
			"use_pg_rewind": true,
			"use_slots":     true,
			"parameters":    parameters,
		},
	}
}

// DynamicConfiguration is what Patroni's shared configuration should be, as JSON.
func DynamicConfiguration(p plan.Plan) []byte {
	text, err := json.Marshal(dynamicConfiguration(p))
	if err != nil {
		panic(fmt.Sprintf("marshal constant shape: %v", err))
	}
	return text
}

// restartParameters are the settings that only a restart changes.
var restartParameters = []string{
	"max_connections", "max_replication_slots", "max_wal_senders", "pg_stat_statements.max",
	"shared_buffers", "shared_preload_libraries", "wal_log_hints",
}

// NeedsRestart says whether only a restart changes a setting; others are taken up while the members run.
func NeedsRestart(setting string) bool { return slices.Contains(restartParameters, setting) }

// restartHash changes exactly when members must be restarted to follow their configuration.
func restartHash(p plan.Plan, files map[string]string) string {
	var local object
	if err := yaml.Unmarshal([]byte(files["patroni.yml"]), &local); err != nil {
		panic(fmt.Sprintf("parse own configuration: %v", err))
	}
	delete(local, "bootstrap")
	text, err := json.Marshal(local)
	if err != nil {
		panic(fmt.Sprintf("marshal constant shape: %v", err))
	}
	values := map[string]string{"file": string(text)}
	for _, name := range restartParameters {
		values[name] = p.Database.Managed.Parameters[name]
	}
	for name, value := range p.Database.Managed.Parameters {
		if plan.NeedsRestart(name) {
			values[name] = value
		}
	}
	return kube.HashMap(values)
}

// stateServices keep Patroni's state alive: Kubernetes deletes Endpoints without a Service. They
// outlive the cluster, so that only a member of the last synchronous set can take over when the
// volumes are taken into use again.
func stateServices(p plan.Plan) []runtime.ApplyConfiguration {
	var services []runtime.ApplyConfiguration
	for _, name := range []string{p.Name.PostgresConfig(), p.Name.PostgresFailover(), p.Name.PostgresSync()} {
		service := kube.Service(p, plan.Postgres, name)
		service.Spec.WithClusterIP(corev1.ClusterIPNone)
		services = append(services, service)
	}
	return services
}
