// Package postgres renders and judges the managed PostgreSQL: a StatefulSet whose pods run Patroni
// in Endpoints mode. Patroni elects; nothing here does.
package postgres

import (
	"fmt"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	acmeta "k8s.io/client-go/applyconfigurations/meta/v1"
	acrbac "k8s.io/client-go/applyconfigurations/rbac/v1"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/kube"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// PatroniPort is the port of Patroni's REST API.
const PatroniPort int32 = 8008

// Keys of the credentials Secret. An external database's Secret has the last three, too.
const (
	KeySuperuserPassword   = "superuser-password"
	KeyReplicationPassword = "replication-password"
	KeyRewindPassword      = "rewind-password"
	KeyRestAPIPassword     = "restapi-password"
	KeyUsername            = "username"
	KeyPassword            = "password"
	KeyUserlist            = "userlist.txt"
)

// RestAPIUser is the user of Patroni's REST API for anything but reads.
const RestAPIUser = "fediflow-operator"

// labelInstance carries Patroni's scope.
const labelInstance = "app.kubernetes.io/instance"

// databaseContainer is the one that kubectl means where nobody names another.
const (
	databaseContainer          = "postgres"
	annotationDefaultContainer = "kubectl.kubernetes.io/default-container"
)

// Component is the managed PostgreSQL.
func Component() component.Component {
	return component.Component{Name: plan.Postgres, Render: render, Assess: assess}
}

func render(p plan.Plan) component.Rendered {
	if p.Database.Managed == nil {
		return component.Rendered{}
	}
	files := map[string]string{"patroni.yml": patroniFile(p)}
	objects := component.Owned(
		kube.ConfigMap(p, plan.Postgres, p.Name.PostgresPatroni(), files),
		serviceAccount(p), role(p), roleBinding(p),
		writeService(p), membersService(p), readService(p),
		statefulSet(p, files),
		kube.AdmitScrapers(kube.Ingress(p, plan.Postgres, p.Name.Component(plan.Postgres),
			[]int32{plan.PostgresPort, PatroniPort}, nil), plan.ExporterPort),
	)
	objects = append(objects, component.Owned(disruptionBudgets(p)...)...)
	return component.Rendered{
		Objects: append(objects, component.Retained(stateServices(p)...)...),
		Secrets: []component.Secret{credentials(p), poolerAdmin(p), operatorCredentials(p)},
	}
}

// operatorCredentials guard nothing: a lost password is made anew, and members set it when they start.
func operatorCredentials(p plan.Plan) component.Secret {
	return component.Secret{
		Namespace: p.Namespace,
		Name:      p.Name.PostgresOperator(),
		Labels:    p.Name.Labels(plan.Postgres),
		Random:    []string{KeyPassword},
	}
}

func credentials(p plan.Plan) component.Secret {
	return component.Secret{
		Namespace: p.Namespace,
		Name:      p.Name.PostgresCredentials(),
		Labels:    p.Name.Labels(plan.Postgres),
		Random:    []string{KeySuperuserPassword, KeyReplicationPassword, KeyRewindPassword, KeyRestAPIPassword, KeyPassword},
		Derive: func(random map[string]string) map[string]string {
			return map[string]string{
				KeyUsername: plan.DatabaseUser,
				KeyUserlist: userlist(plan.DatabaseUser, random[KeyPassword]),
			}
		},
		Guards: p.Name.Selector(plan.Postgres),
	}
}

// poolerAdmin is whom PgBouncer lets pause and resume.
func poolerAdmin(p plan.Plan) component.Secret {
	return component.Secret{
		Namespace: p.Namespace,
		Name:      p.Name.PoolerAdmin(),
		Labels:    p.Name.Labels(plan.Postgres),
		Random:    []string{KeyPassword},
		Derive: func(random map[string]string) map[string]string {
			return map[string]string{KeyUserlist: userlist(plan.PoolerAdmin, random[KeyPassword])}
		},
	}
}

// userlist is one line of PgBouncer's authentication file; generated passwords need no escaping.
func userlist(user, password string) string { return fmt.Sprintf("%q %q\n", user, password) }

// disruptionBudgets let one standby go at a time, and the primary only after another took over: the
// operator sees to that when its node is cordoned. A single member has nobody to wait for.
func disruptionBudgets(p plan.Plan) []runtime.ApplyConfiguration {
	name, all := p.Name.Component(plan.Postgres), kube.Selector(p, plan.Postgres, nil)
	if p.Database.Managed.Instances == 1 {
		return []runtime.ApplyConfiguration{kube.DisruptionBudget(p, plan.Postgres, name, all)}
	}
	role := func(operator metav1.LabelSelectorOperator) *acmeta.LabelSelectorApplyConfiguration {
		return kube.Selector(p, plan.Postgres, nil).WithMatchExpressions(
			acmeta.LabelSelectorRequirement().WithKey(plan.LabelRole).WithOperator(operator).WithValues(rolePrimary))
	}
	// A budget of what may be unavailable counts all pods of the StatefulSet, whatever it selects.
	keeping := func(name string, operator metav1.LabelSelectorOperator, least int32) runtime.ApplyConfiguration {
		budget := kube.DisruptionBudget(p, plan.Postgres, name, role(operator))
		budget.Spec.MaxUnavailable = nil
		budget.Spec.WithMinAvailable(intstr.FromInt32(least))
		return budget
	}
	return []runtime.ApplyConfiguration{
		keeping(name, metav1.LabelSelectorOpNotIn, p.Database.Managed.Instances-2), //nolint:mnd // the primary, and one that may go
		keeping(p.Name.PostgresPrimary(), metav1.LabelSelectorOpIn, 1),
	}
}

func podLabels(p plan.Plan) map[string]string {
	return kube.Labels(p, plan.Postgres, map[string]string{labelInstance: p.Name.Component(plan.Postgres)})
}

func statefulSet(p plan.Plan, files map[string]string) *acapps.StatefulSetApplyConfiguration {
	name := p.Name.Component(plan.Postgres)
	database := p.Database.Managed
	spec := kube.PodSpec(p, kube.ServiceUser).
		WithServiceAccountName(name).
		WithAutomountServiceAccountToken(true).
		// A clean stop ships the last WAL to the standbys before the leader lock goes.
		WithTerminationGracePeriodSeconds(60).
		WithTopologySpreadConstraints(kube.SpreadHard(p, plan.Postgres, nil)).
		WithContainers(container(p), exporter(p)).
		WithVolumes(
			kube.ConfigMapVolume("config", p.Name.PostgresPatroni()),
			kube.CertificateVolume(p.CertificateSecret(plan.Postgres)),
			kube.EmptyDir("run"), kube.EmptyDir("tmp"), kube.EmptyDir(noToken))
	template := kube.StatefulTemplate(podLabels(p), restartHash(p, files), spec).
		WithAnnotations(map[string]string{annotationDefaultContainer: databaseContainer})
	return acapps.StatefulSet(name, p.Namespace).
		WithLabels(p.Name.Labels(plan.Postgres)).
		WithAnnotations(kube.ResizeAnnotations(p)).
		WithSpec(acapps.StatefulSetSpec().
			WithReplicas(database.Instances).
			WithServiceName(p.Name.PostgresMembers()).
			WithPodManagementPolicy(appsv1.ParallelPodManagement).
			WithUpdateStrategy(kube.OnDelete()).
			WithSelector(kube.Selector(p, plan.Postgres, nil)).
			WithTemplate(template).
			WithVolumeClaimTemplates(kube.Claim(p, plan.Postgres, component.DataVolume, database.Storage)))
}

func container(p plan.Plan) *accore.ContainerApplyConfiguration {
	database := p.Database.Managed
	secret := p.Name.PostgresCredentials()
	probe := kube.Probe{Period: 3, Timeout: 3, Failures: 3}
	return kube.Container(databaseContainer, database.Image, database.Resources).
		WithCommand("fediflow-patroni", "/etc/patroni/patroni.yml").
		WithPorts(kube.Port("postgres", plan.PostgresPort), kube.Port("patroni", PatroniPort)).
		WithEnv(
			kube.EnvField("POD_NAME", "metadata.name"),
			kube.EnvField("POD_IP", "status.podIP"),
			kube.Env("PATRONI_NAME", "$(POD_NAME)"),
			kube.Env("PATRONI_KUBERNETES_POD_IP", "$(POD_IP)"),
			kube.Env("PATRONI_POSTGRESQL_CONNECT_ADDRESS", "$(POD_IP):"+strconv.Itoa(int(plan.PostgresPort))),
			kube.Env("PATRONI_RESTAPI_CONNECT_ADDRESS", "$(POD_IP):"+strconv.Itoa(int(PatroniPort))),
			kube.EnvSecret("PATRONI_SUPERUSER_PASSWORD", secret, KeySuperuserPassword),
			kube.EnvSecret("PATRONI_REPLICATION_PASSWORD", secret, KeyReplicationPassword),
			kube.EnvSecret("PATRONI_REWIND_PASSWORD", secret, KeyRewindPassword),
			kube.Env("PATRONI_RESTAPI_USERNAME", RestAPIUser),
			kube.EnvSecret("PATRONI_RESTAPI_PASSWORD", secret, KeyRestAPIPassword),
			kube.Env("POOLER_HOST_RW", p.Name.PoolerMembers(plan.ReadWrite)),
			kube.Env("POOLER_HOST_RO", p.Name.PoolerMembers(plan.ReadOnly)),
			kube.Env("POOLER_PORT", strconv.Itoa(int(plan.PoolerPort))),
			kube.Env("POOLER_ADMIN_USER", plan.PoolerAdmin),
			kube.EnvSecret("POOLER_ADMIN_PASSWORD", p.Name.PoolerAdmin(), KeyPassword),
			kube.Env("APP_DATABASE", plan.DatabaseName),
			kube.Env("APP_USER", plan.DatabaseUser),
			kube.EnvSecret("APP_PASSWORD", secret, KeyPassword),
			kube.EnvSecret("OPERATOR_PASSWORD", p.Name.PostgresOperator(), KeyPassword),
		).
		WithVolumeMounts(
			kube.Mount(component.DataVolume, "/var/lib/postgresql"),
			kube.Mount("config", "/etc/patroni").WithReadOnly(true),
			kube.CertificateMount(),
			kube.Mount("run", "/run/postgresql"),
			kube.Mount("tmp", "/tmp")).
		WithLifecycle(kube.BeforeStop("fediflow-hand-over")).
		WithReadinessProbe(probe.HTTPS("/readiness", "patroni")).
		WithLivenessProbe(kube.Probe{Period: 10, Timeout: 5, Failures: 6}.HTTPS("/liveness", "patroni"))
}

// writeService has no selector: Patroni writes its Endpoints in the same request as the leader
// lock, so route and lock cannot disagree.
func writeService(p plan.Plan) *accore.ServiceApplyConfiguration {
	service := kube.Service(p, plan.Postgres, p.Name.Component(plan.Postgres))
	service.Spec.WithPorts(kube.ServicePort("postgres", plan.PostgresPort))
	return service
}

func membersService(p plan.Plan) *accore.ServiceApplyConfiguration {
	return kube.Headless(p, plan.Postgres, p.Name.PostgresMembers(), kube.SelectorLabels(p, plan.Postgres, nil),
		kube.ServicePort("postgres", plan.PostgresPort), kube.ServicePort("patroni", PatroniPort),
		kube.ServicePort(metricsPort, plan.ExporterPort))
}

func readService(p plan.Plan) *accore.ServiceApplyConfiguration {
	service := kube.Service(p, plan.Postgres, p.Name.PostgresReadOnly())
	service.Spec.
		WithSelector(kube.SelectorLabels(p, plan.Postgres, map[string]string{plan.LabelRole: roleReplica})).
		WithPorts(kube.ServicePort("postgres", plan.PostgresPort))
	return service
}

func serviceAccount(p plan.Plan) *accore.ServiceAccountApplyConfiguration {
	return accore.ServiceAccount(p.Name.Component(plan.Postgres), p.Namespace).WithLabels(p.Name.Labels(plan.Postgres))
}

// role lets Patroni keep its state in Endpoints and label its own pod.
func role(p plan.Plan) *acrbac.RoleApplyConfiguration {
	return acrbac.Role(p.Name.Component(plan.Postgres), p.Namespace).
		WithLabels(p.Name.Labels(plan.Postgres)).
		WithRules(
			acrbac.PolicyRule().WithAPIGroups("").WithResources("endpoints").
				WithVerbs("create", "get", "list", "patch", "watch"),
			acrbac.PolicyRule().WithAPIGroups("").WithResources("pods").
				WithVerbs("list", "patch", "watch"))
}

func roleBinding(p plan.Plan) *acrbac.RoleBindingApplyConfiguration {
	name := p.Name.Component(plan.Postgres)
	return acrbac.RoleBinding(name, p.Namespace).
		WithLabels(p.Name.Labels(plan.Postgres)).
		WithRoleRef(acrbac.RoleRef().WithAPIGroup("rbac.authorization.k8s.io").WithKind("Role").WithName(name)).
		WithSubjects(acrbac.Subject().WithKind("ServiceAccount").WithName(name).WithNamespace(p.Namespace))
}
