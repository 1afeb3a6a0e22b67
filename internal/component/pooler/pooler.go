// Package pooler renders and judges the PgBouncer connection poolers: one for writes and, where
// there are replicas, one for reads.
package pooler

import (
	"fmt"
	"maps"
	"slices"

	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/kube"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Component is the connection poolers.
func Component() component.Component {
	return component.Component{Name: plan.Pooler, Render: render, Assess: assess}
}

func render(p plan.Plan) component.Rendered {
	objects := component.Owned(
		kube.Ingress(p, plan.Pooler, p.Name.Component(plan.Pooler), []int32{plan.PoolerPort}, nil))
	for _, access := range p.Pooler.Accesses {
		name := p.Name.Pooler(access)
		files := map[string]string{"pgbouncer.ini": configuration(p, access)}
		objects = append(objects, component.Owned(
			kube.ConfigMap(p, plan.Pooler, name, files),
			service(p, access),
			kube.Headless(p, plan.Pooler, p.Name.PoolerMembers(access),
				kube.SelectorLabels(p, plan.Pooler, labels(access)), kube.ServicePort("pgbouncer", plan.PoolerPort)),
			deployment(p, access, files),
			kube.DisruptionBudget(p, plan.Pooler, name, kube.Selector(p, plan.Pooler, labels(access))),
		)...)
	}
	return component.Rendered{Objects: objects}
}

func labels(access plan.Access) map[string]string {
	return map[string]string{plan.LabelAccess: string(access)}
}

func service(p plan.Plan, access plan.Access) *accore.ServiceApplyConfiguration {
	service := kube.Service(p, plan.Pooler, p.Name.Pooler(access))
	service.Spec.
		WithSelector(kube.SelectorLabels(p, plan.Pooler, labels(access))).
		WithPorts(kube.ServicePort("pgbouncer", plan.PoolerPort))
	return service
}

func deployment(p plan.Plan, access plan.Access, files map[string]string) *acapps.DeploymentApplyConfiguration {
	name := p.Name.Pooler(access)
	spec := kube.PodSpec(p, kube.ServiceUser).
		// PgBouncer ends at once on SIGTERM: first the Service must stop sending clients here.
		WithTerminationGracePeriodSeconds(30).
		WithTopologySpreadConstraints(kube.SpreadSoft(p, plan.Pooler, labels(access))).
		WithContainers(container(p)).
		WithVolumes(
			kube.ConfigMapVolume("config", name),
			kube.CertificateVolume(p.CertificateSecret(plan.Pooler)),
			kube.EmptyDir("tmp")).
		WithVolumes(accountVolumes(p)...)
	return acapps.Deployment(name, p.Namespace).
		WithLabels(p.Name.Labels(plan.Pooler)).
		WithSpec(acapps.DeploymentSpec().
			WithReplicas(p.Pooler.Replicas).
			WithStrategy(kube.SurgeOnly()).
			WithMinReadySeconds(kube.RoutedSeconds).
			WithSelector(kube.Selector(p, plan.Pooler, labels(access))).
			WithTemplate(accore.PodTemplateSpec().
				WithLabels(kube.Labels(p, plan.Pooler, labels(access))).
				WithAnnotations(map[string]string{plan.AnnotationConfigHash: configHash(p, files)}).
				WithSpec(spec)))
}

// configHash changes with everything that PgBouncer reads only at its start.
func configHash(p plan.Plan, files map[string]string) string {
	return kube.Hash(kube.HashMap(files), p.Certificates.Shown[plan.Pooler], p.Certificates.Authorities)
}

func container(p plan.Plan) *accore.ContainerApplyConfiguration {
	probe := kube.Probe{Period: 5, Timeout: 2, Failures: 3}
	return kube.Container("pgbouncer", p.Pooler.Image, p.Pooler.Resources).
		WithCommand("fediflow-pooler").
		WithPorts(kube.Port("pgbouncer", plan.PoolerPort)).
		WithVolumeMounts(
			kube.Mount("config", "/etc/pgbouncer").WithReadOnly(true),
			kube.CertificateMount(),
			kube.Mount("tmp", "/tmp")).
		WithVolumeMounts(accountMounts(p)...).
		WithReadinessProbe(probe.TCP("pgbouncer")).
		WithLivenessProbe(kube.Probe{Period: 5, Timeout: 5, Failures: 6}.Exec("fediflow-pooler-alive")).
		WithLifecycle(kube.SleepBeforeStop(5))
}

// accounts are the Secrets whose userlists make up PgBouncer's, by directory.
func accounts(p plan.Plan) map[string]string {
	secrets := map[string]string{"database": p.DatabaseSecret()}
	if p.Database.Managed != nil {
		secrets["admin"] = p.Name.PoolerAdmin()
	}
	return secrets
}

func accountVolumes(p plan.Plan) []*accore.VolumeApplyConfiguration {
	var volumes []*accore.VolumeApplyConfiguration
	secrets := accounts(p)
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		volumes = append(volumes, kube.SecretVolume(name, secrets[name], postgres.KeyUserlist))
	}
	return volumes
}

func accountMounts(p plan.Plan) []*accore.VolumeMountApplyConfiguration {
	var mounts []*accore.VolumeMountApplyConfiguration
	for _, name := range slices.Sorted(maps.Keys(accounts(p))) {
		mounts = append(mounts, kube.Mount(name, "/etc/pgbouncer-auth/"+name).WithReadOnly(true))
	}
	return mounts
}

// configuration is PgBouncer's; every value in it is typed or limited by a pattern.
func configuration(p plan.Plan, access plan.Access) string {
	host, port := p.DatabaseServer(access)
	return fmt.Sprintf(configurationFormat,
		p.DatabaseName(), host, port, p.DatabaseName(), p.API.Pool.StatementMilliseconds, plan.PoolerPort, admin(p),
		p.Pooler.MaxClients, p.Pooler.PoolSize, p.Pooler.ReserveSize,
		kube.CertificateFile, kube.PrivateKeyFile, serverTLS(p))
}

// serverTLS is how PgBouncer connects to PostgreSQL.
func serverTLS(p plan.Plan) string {
	if p.Database.Managed == nil {
		return "server_tls_sslmode = prefer\n"
	}
	return "server_tls_sslmode = verify-full\nserver_tls_ca_file = " + kube.AuthoritiesFile + "\n"
}

// admin may pause and resume: only the members of a managed database do.
func admin(p plan.Plan) string {
	if p.Database.Managed == nil {
		return ""
	}
	return plan.PoolerAdmin
}

const configurationFormat = `[databases]
%s = host=%s port=%d dbname=%s connect_query='SET statement_timeout = %d'

[pgbouncer]
listen_addr = 0.0.0.0
listen_port = %d
unix_socket_dir = /tmp
admin_users = %s
auth_type = scram-sha-256
auth_file = /tmp/userlist.txt
; In transaction mode these cannot follow a client; the connect query sets what matters.
ignore_startup_parameters = extra_float_digits,statement_timeout,lock_timeout,idle_in_transaction_session_timeout
log_connections = 0
log_disconnections = 0
pool_mode = transaction
max_prepared_statements = 200
max_client_conn = %d
default_pool_size = %d
reserve_pool_size = %d
reserve_pool_timeout = 3
; When the primary goes away, clients wait here instead of failing.
server_connect_timeout = 3
server_login_retry = 0.1
query_wait_timeout = 60
server_check_delay = 5
server_idle_timeout = 120
server_lifetime = 600
tcp_keepalive = 1
tcp_keepidle = 5
tcp_keepintvl = 2
tcp_keepcnt = 3
tcp_user_timeout = 10000
dns_max_ttl = 5
dns_nxdomain_ttl = 2
client_tls_sslmode = require
client_tls_cert_file = %s
client_tls_key_file = %s
%s`

func assess(p plan.Plan, w component.World) []component.Health {
	healths := make([]component.Health, 0, len(p.Pooler.Accesses))
	for _, access := range p.Pooler.Accesses {
		pods := w.PodsWith(kube.SelectorLabels(p, plan.Pooler, labels(access)))
		healths = append(healths, component.DeploymentHealth(
			string(plan.Pooler)+"-"+string(access), w.Deployment(p.Name.Pooler(access)), p.Pooler.Replicas, pods))
	}
	return healths
}
