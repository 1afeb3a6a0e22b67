//go:build e2e

package e2e

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// testDatabase: what is declared inside the database comes to be there, without a restart.
func testDatabase(t *testing.T, env *environment) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "reports"}, StringData: map[string]string{"password": "of-the-reports"}}
	if err := env.client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	started := env.serving(t)
	env.change(t, func(spec *v1alpha1.FediFlowClusterSpec) {
		spec.Database = &v1alpha1.DatabaseSpec{
			Managed: &v1alpha1.ManagedDatabaseSpec{
				Parameters: map[string]v1alpha1.ParameterValue{"work_mem": "6MB"},
				Extensions: []v1alpha1.Extension{"pg_trgm"},
				Roles: []v1alpha1.RoleSpec{{
					Name: "reports", MemberOf: []v1alpha1.PredefinedRole{"pg_read_all_data"},
					PasswordSecret: v1alpha1.SecretKey{SecretName: v1alpha1.SecretName{Name: "reports"}, Key: "password"},
				}},
			},
			Indexes: []v1alpha1.IndexSpec{
				{Name: "idx_activities_tenant_published", Table: "activities", Columns: []v1alpha1.IndexColumnSpec{{Name: "tenant_id"}, {Name: "published_at", Order: v1alpha1.OrderDescending}}},
				{Name: "idx_users_active", Table: "users", Columns: []v1alpha1.IndexColumnSpec{{Name: "created_at"}}},
				{Name: "idx_content_metadata", Table: "content", Method: v1alpha1.IndexGIN, Columns: []v1alpha1.IndexColumnSpec{{Name: "metadata"}}},
				{Name: "idx_later", Table: "later", Columns: []v1alpha1.IndexColumnSpec{{Name: "id"}}},
			},
		}
	})
	declared := func() (bool, string) {
		status := env.cluster(t).Status
		if status.Database == nil {
			return false, "no status of the database"
		}
		var states []string
		for _, list := range [][]v1alpha1.DatabaseObjectStatus{status.Database.Indexes, status.Database.Extensions, status.Database.Roles} {
			for _, object := range list {
				states = append(states, object.Name+" "+string(object.State)+" "+object.Message)
			}
		}
		all := strings.Join(states, "\n")
		return strings.Count(all, " Ready ") == 5 && strings.Contains(all, "idx_later Pending table public.later does not exist yet"), all
	}
	eventually(t, "as declared", declared)
	if meta.IsStatusConditionTrue(env.cluster(t).Status.Conditions, v1alpha1.ConditionDatabaseAsDeclared) {
		t.Error("told to be as declared although a table is missing")
	}
	env.waitReady(t)
	if after := env.serving(t); after != started {
		t.Errorf("pods were replaced:\n%s\n%s", started, after)
	}
	// The role logs in over the network, with its password, and the setting is there.
	eventually(t, "reading as the role", func() (bool, string) {
		output, err := env.tryKubectl(t.Context(), "exec", env.primary(t).Name, "--", "env", "PGPASSWORD=of-the-reports", "psql", "-h", env.primary(t).Status.PodIP,
			"-U", "reports", "-d", "fediflow", "-At", "-c", "SELECT current_setting('work_mem'), count(*) > 0 FROM users")
		return err == nil && strings.TrimSpace(output) == "6MB|t", output
	})
	monitoring := env.kubectl(t, "exec", env.primary(t).Name, "--", "psql", "-h", "/run/postgresql", "-U", "fediflow_monitoring", "-d", "fediflow", "-At", "-c",
		"SELECT pg_has_role('pg_monitor', 'member'), pg_has_role('fediflow', 'member')")
	if strings.TrimSpace(monitoring) != "t|f" {
		t.Errorf("the monitoring role: %s", monitoring)
	}
	for _, member := range env.pods(t, plan.Postgres) {
		metrics := env.kubectl(t, "exec", member.Name, "--", "python3", "-c",
			"import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9187/metrics').read().decode())")
		for _, want := range []string{"\npg_up 1\n", "\npg_stat_statements_calls_total{", "\npg_stat_user_indexes_idx_scan{", "\npg_exporter_last_scrape_error 0\n"} {
			if !strings.Contains(metrics, want) {
				t.Errorf("%s exports no %q", member.Name, want)
			}
		}
	}
	env.change(t, func(spec *v1alpha1.FediFlowClusterSpec) { spec.Database.Indexes = spec.Database.Indexes[:3] })
	eventually(t, "told to be as declared", func() (bool, string) {
		condition := meta.FindStatusCondition(env.cluster(t).Status.Conditions, v1alpha1.ConditionDatabaseAsDeclared)
		return condition != nil && condition.Status == metav1.ConditionTrue, "no condition, or not true"
	})
}
