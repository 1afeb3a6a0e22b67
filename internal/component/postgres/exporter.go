package postgres

import (
	"fmt"
	"strings"

	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/internal/kube"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// metricsPort is the name that scrapers look for.
const metricsPort = "metrics"

// noToken is an empty volume: Kubernetes puts its token for the API, which may move the leader lock,
// into every container of a pod that has nothing mounted at its place.
const (
	noToken   = "no-token"
	tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"
)

// exporter answers scrapes with PostgreSQL's statistics. It has no password: PostgreSQL knows its
// account on the socket, as that of the monitoring role and no other. It has no probes either,
// because a member serves just as well without it.
func exporter(p plan.Plan) *accore.ContainerApplyConfiguration {
	resources := p.Database.Managed.Exporter
	container := kube.Container("exporter", p.Database.Managed.Image, resources).
		WithCommand("prometheus-postgres-exporter").
		WithArgs(
			"--extend.query-path=/usr/local/share/fediflow-statistics.yaml",
			"--collector.database_wraparound",
			"--collector.long_running_transactions",
			"--collector.postmaster",
			"--collector.stat_activity_autovacuum",
			"--collector.stat_checkpointer",
			"--collector.stat_wal_receiver",
			"--collector.statio_user_indexes").
		WithPorts(kube.Port(metricsPort, plan.ExporterPort)).
		WithEnv(
			kube.Env("DATA_SOURCE_NAME", dataSource()),
			kube.Env("GOMEMLIMIT", fmt.Sprintf("%dMiB", resources.Memory.Value()*3/4/mebibyte))).
		WithVolumeMounts(
			kube.Mount("run", "/run/postgresql").WithReadOnly(true),
			kube.Mount(noToken, tokenPath).WithReadOnly(true))
	container.SecurityContext.WithRunAsUser(int64(kube.ExporterUser)).WithRunAsGroup(int64(kube.ExporterUser))
	return container
}

// dataSource logs in as the role itself. What the server is told with the login holds for every
// statement: nothing of a user's schema is found by an unqualified name, and no scrape waits for long.
func dataSource() string {
	return strings.Join([]string{
		"host=/run/postgresql",
		"user=" + plan.MonitoringRole,
		"dbname=" + plan.DatabaseName,
		"sslmode=disable",
		"connect_timeout=5",
		"application_name=fediflow_exporter",
		"search_path=pg_catalog",
		"default_transaction_read_only=on",
		"lock_timeout=1000",
		"statement_timeout=10000",
	}, " ")
}
