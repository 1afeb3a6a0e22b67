package controllers

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/test/postgresql"
)

// The database is real; only the pods around it are played.
func TestIndexesOfADatabaseAreAsDeclared(t *testing.T) {
	server := postgresql.Start(t)
	owner := server.Owner(t)
	postgresql.Run(t, owner, "CREATE TABLE users (id bigint, created_at timestamptz)")
	p := newNamespace(t)
	p.enrol(t)
	p.create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "db"}, StringData: map[string]string{
		postgres.KeyUsername: "fediflow", postgres.KeyPassword: postgresql.OwnerPassword, postgres.KeyUserlist: "",
	}})
	index := func(name, table string, columns ...string) v1alpha1.IndexSpec {
		spec := v1alpha1.IndexSpec{Name: name, Table: table}
		for _, column := range columns {
			spec.Columns = append(spec.Columns, v1alpha1.IndexColumnSpec{Name: column})
		}
		return spec
	}
	p.declare(t, func(spec *v1alpha1.FediFlowClusterSpec) {
		spec.Database = &v1alpha1.DatabaseSpec{
			External: &v1alpha1.ExternalDatabaseSpec{
				Host: "127.0.0.1", Port: &server.Port, Database: new(plan.DatabaseName), CredentialsSecret: v1alpha1.SecretName{Name: "db"}},
			Indexes: []v1alpha1.IndexSpec{index("idx_users", "users", "created_at"), index("idx_later", "later", "id")},
		}
	})
	indexes := func() string {
		var states []string
		if database := p.cluster(t).Status.Database; database != nil {
			for _, index := range database.Indexes {
				states = append(states, fmt.Sprintf("%s %s %s", index.Name, index.State, index.Message))
			}
		}
		return strings.Join(states, "; ")
	}
	condition := func() *metav1.Condition {
		return meta.FindStatusCondition(p.cluster(t).Status.Conditions, v1alpha1.ConditionDatabaseAsDeclared)
	}
	eventually(t, "held during the migration", func() (bool, string) {
		return strings.Contains(indexes(), "idx_users Pending waiting for the migration to complete"), indexes()
	})
	eventually(t, "built after the migration", func() (bool, string) {
		p.play(t)
		return indexes() == "idx_users Ready ; idx_later Pending table public.later does not exist yet", indexes()
	})
	if c := condition(); c == nil || c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "index idx_later is Pending: table public.later") {
		t.Errorf("%+v", c)
	}

	// A declaration that changed is followed at once.
	postgresql.Run(t, owner, "CREATE TABLE later (id bigint)")
	p.respec(t, func(spec *v1alpha1.FediFlowClusterSpec) {
		spec.Database.Indexes = append(spec.Database.Indexes, index("idx_both", "users", "id", "created_at"))
	})
	eventually(t, "as declared", func() (bool, string) {
		c := condition()
		return c != nil && c.Status == metav1.ConditionTrue && strings.Contains(indexes(), "idx_both Ready"), indexes()
	})

	// What is as declared is left alone.
	databases := current.reconciler.Databases
	databases.mutex.Lock()
	if due := databases.runs[p.key(string(names))].due; !due.IsZero() {
		t.Errorf("it is looked at again at %s", due)
	}
	databases.mutex.Unlock()
	p.respec(t, func(spec *v1alpha1.FediFlowClusterSpec) { spec.Database.Indexes = nil })
	eventually(t, "without a condition", func() (bool, string) { return condition() == nil, indexes() })
	var count int
	if err := owner.QueryRow(t.Context(), "SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'idx%'").Scan(&count); err != nil || count != 3 {
		t.Errorf("%d indexes are left, %v", count, err)
	}
}
