package postgres

import (
	"maps"
	"slices"
	"testing"

	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	acrbac "k8s.io/client-go/applyconfigurations/rbac/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func first[T any](t *testing.T, p plan.Plan) T {
	t.Helper()
	for _, object := range render(p).Objects {
		if typed, ok := object.Configuration.(T); ok {
			return typed
		}
	}
	t.Fatalf("no %T is rendered", *new(T))
	return *new(T)
}

func set(t *testing.T, p plan.Plan) *acapps.StatefulSetApplyConfiguration {
	t.Helper()
	return first[*acapps.StatefulSetApplyConfiguration](t, p)
}

func hash(t *testing.T, p plan.Plan) string {
	t.Helper()
	return set(t, p).Spec.Template.Annotations[plan.AnnotationConfigHash]
}

// with is a plan with another value of a PostgreSQL setting.
func with(p plan.Plan, name, value string) plan.Plan {
	database := *p.Database.Managed
	database.Parameters = maps.Clone(database.Parameters)
	database.Parameters[name] = value
	p.Database.Managed = &database
	return p
}

// postmaster are the settings that PostgreSQL 17 reads only at its start, as pg_settings says.
var postmaster = []string{
	"allow_alter_system", "archive_mode", "autovacuum_freeze_max_age", "autovacuum_max_workers",
	"autovacuum_multixact_freeze_max_age", "bonjour", "bonjour_name", "cluster_name", "commit_timestamp_buffers",
	"config_file", "data_directory", "data_sync_retry", "debug_io_direct", "dynamic_shared_memory_type", "event_source",
	"external_pid_file", "hba_file", "hot_standby", "huge_page_size", "huge_pages", "ident_file", "jit_provider",
	"listen_addresses", "logging_collector", "max_connections", "max_files_per_process", "max_locks_per_transaction",
	"max_logical_replication_workers", "max_notify_queue_pages", "max_pred_locks_per_transaction",
	"max_prepared_transactions", "max_replication_slots", "max_wal_senders", "max_worker_processes",
	"min_dynamic_shared_memory", "multixact_member_buffers", "multixact_offset_buffers", "notify_buffers",
	"pg_stat_statements.max", "port", "recovery_target", "recovery_target_action", "recovery_target_inclusive",
	"recovery_target_lsn", "recovery_target_name", "recovery_target_time", "recovery_target_timeline",
	"recovery_target_xid", "reserved_connections", "serializable_buffers", "shared_buffers", "shared_memory_type",
	"shared_preload_libraries", "subtransaction_buffers", "superuser_reserved_connections", "track_activity_query_size",
	"track_commit_timestamp", "transaction_buffers", "unix_socket_directories", "unix_socket_group",
	"unix_socket_permissions", "wal_buffers", "wal_decode_buffer_size", "wal_level", "wal_log_hints",
}

func TestMembersRestartForEverySettingThatNeedsItAndForNoOther(t *testing.T) {
	p := small(t)
	before := hash(t, p)
	for name := range p.Database.Managed.Parameters {
		changed := hash(t, with(p, name, "7")) != before
		if needed := slices.Contains(postmaster, name); changed != needed {
			t.Errorf("%s: PostgreSQL must restart: %t; members are restarted: %t", name, needed, changed)
		}
	}
}

func TestMembersRestartWhenTheirFileChanges(t *testing.T) {
	p := small(t)
	before := restartHash(p, map[string]string{"patroni.yml": patroniFile(p)})
	changed := p
	changed.Namespace = "elsewhere"
	if restartHash(p, map[string]string{"patroni.yml": patroniFile(changed)}) == before {
		t.Error("another file changes nothing")
	}
}

// Bootstrap is over, and what all members share follows without a restart.
func TestMembersDoNotRestartForWhatOnlyBootstrapReads(t *testing.T) {
	if hash(t, small(t)) != hash(t, asynchronous(t)) {
		t.Error("another durability restarts the members")
	}
}

func TestTheHashIsThatOfTheRenderedFile(t *testing.T) {
	p := small(t)
	files := first[*accore.ConfigMapApplyConfiguration](t, p).Data
	if hash(t, p) == "" || hash(t, p) != restartHash(p, files) {
		t.Errorf("the pods have hash %q, the file %q", hash(t, p), restartHash(p, files))
	}
}

func services(p plan.Plan) map[string]*accore.ServiceApplyConfiguration {
	all := map[string]*accore.ServiceApplyConfiguration{}
	for _, object := range render(p).Objects {
		if service, ok := object.Configuration.(*accore.ServiceApplyConfiguration); ok {
			all[*service.Name] = service
		}
	}
	return all
}

// Safety rule 3: readiness and labels never choose where writes go.
func TestTheWriteServiceHasNoSelector(t *testing.T) {
	service := services(small(t))["fediflow-postgres"]
	if service == nil || len(service.Spec.Selector) > 0 {
		t.Fatalf("the write Service is %v", service)
	}
	if len(service.Spec.Ports) != 1 || *service.Spec.Ports[0].Name != "postgres" || *service.Spec.Ports[0].Port != 5432 {
		t.Errorf("it has ports %v", service.Spec.Ports)
	}
	// Patroni's REST API and this operator are who may write its Endpoints.
	if service.Spec.ClusterIP != nil || service.Spec.Type != nil {
		t.Errorf("it is %v", service.Spec)
	}
}

func TestTheReadServiceSelectsReplicas(t *testing.T) {
	service := services(small(t))["fediflow-postgres-ro"]
	if service == nil || service.Spec.Selector[plan.LabelRole] != "replica" || service.Spec.Selector[plan.LabelCluster] != "fediflow" {
		t.Errorf("the read Service is %v", service)
	}
}

// Safety rule 11: which members have every acknowledged write must be known when the volumes are
// taken into use again.
func TestPatronisStateOutlivesTheClusterWithoutASelector(t *testing.T) {
	p := small(t)
	for _, object := range render(p).Objects {
		service, ok := object.Configuration.(*accore.ServiceApplyConfiguration)
		isState := ok && slices.Contains([]string{"fediflow-postgres-config", "fediflow-postgres-failover", "fediflow-postgres-sync"}, *service.Name)
		if isState != (object.Lifetime == component.WithData) {
			t.Errorf("%v outlives the cluster: %t", object.Configuration, !isState)
		}
		if isState && (len(service.Spec.Selector) > 0 || *service.Spec.ClusterIP != "None" || len(service.OwnerReferences) > 0) {
			t.Errorf("%s is %v", *service.Name, service.Spec)
		}
	}
	if all := services(p); len(all) != 6 {
		t.Errorf("there are %d Services", len(all))
	}
}

// Safety: no Secret is read, nothing is escalated, nothing outside of the namespace is reached.
func TestPatroniMayDoNoMoreThanKeepItsStateAndLabelItsPods(t *testing.T) {
	role := first[*acrbac.RoleApplyConfiguration](t, small(t))
	allowed := map[string][]string{
		"endpoints": {"create", "get", "list", "patch", "watch"},
		"pods":      {"get", "list", "patch", "watch"},
	}
	for _, rule := range role.Rules {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				if !slices.Contains(allowed[resource], verb) || !slices.Equal(rule.APIGroups, []string{""}) {
					t.Errorf("it may %s %s of %v", verb, resource, rule.APIGroups)
				}
			}
		}
	}
	binding := first[*acrbac.RoleBindingApplyConfiguration](t, small(t))
	if len(binding.Subjects) != 1 || *binding.Subjects[0].Name != "fediflow-postgres" || *binding.Subjects[0].Namespace != "social" || *binding.RoleRef.Kind != "Role" {
		t.Errorf("it is bound to %v", binding.Subjects)
	}
}

func TestAnExternalDatabaseRendersNothing(t *testing.T) {
	c := cluster(v1alpha1.SizeSmall)
	c.Spec.Database = &v1alpha1.DatabaseSpec{External: &v1alpha1.ExternalDatabaseSpec{
		Host: "db.example.edu", CredentialsSecret: v1alpha1.SecretName{Name: "external"},
	}}
	p := resolved(t, c)
	if r := render(p); len(r.Objects) > 0 || len(r.Secrets) > 0 {
		t.Errorf("%d objects and %d Secrets", len(r.Objects), len(r.Secrets))
	}
	if assess(p, component.World{}) != nil || Status(p, component.World{}) != nil {
		t.Error("it is judged")
	}
}

func TestUserListQuotesTheGeneratedPassword(t *testing.T) {
	secret := credentials(small(t))
	derived := secret.Derive(map[string]string{KeyPassword: "generated", KeySuperuserPassword: "other"})
	if derived[KeyUserlist] != "\"fediflow\" \"generated\"\n" || derived[KeyUsername] != "fediflow" {
		t.Errorf("%q", derived)
	}
	if !slices.Contains(secret.Random, KeyRestAPIPassword) || !slices.Contains(secret.Random, KeySuperuserPassword) {
		t.Errorf("generated are %v", secret.Random)
	}
}
