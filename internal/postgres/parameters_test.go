package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/test/postgresql"
)

// The operator restarts members for exactly those settings that need it.
func TestParametersAreThoseOfPostgreSQL(t *testing.T) {
	server := postgresql.Start(t)
	postgresql.Run(t, server.Superuser, "CREATE EXTENSION pg_stat_statements")
	rows, err := server.Superuser.Query(t.Context(), "SELECT name, context = 'postmaster' FROM pg_settings")
	if err != nil {
		t.Fatal(err)
	}
	restart := map[string]bool{}
	var name string
	var needed bool
	if _, err := pgx.ForEachRow(rows, []any{&name, &needed}, func() error { restart[name] = needed; return nil }); err != nil {
		t.Fatal(err)
	}
	names := plan.ParameterNames()
	if len(names) < 20 {
		t.Fatalf("only %v", names)
	}
	for _, name := range names {
		needed, known := restart[name]
		if !known || needed != plan.NeedsRestart(name) {
			t.Errorf("%s: known %v, needs a restart %v", name, known, needed)
		}
	}
}
