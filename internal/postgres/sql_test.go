package postgres

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/database"
	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/test/postgresql"
)

func target(server *postgresql.Server, name, password string) Target {
	return Target{Host: "127.0.0.1", Port: server.Port, Database: "fediflow", User: name, Password: password}
}

// session is one of the operator.
func session(t *testing.T, server *postgresql.Server) *Session {
	t.Helper()
	session, err := Connect(t.Context(), target(server, "fediflow_operator", postgresql.OperatorPassword))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(session.Close)
	return session
}

func index(name, table string, method v1alpha1.IndexMethod, columns ...plan.IndexColumn) plan.IndexPlan {
	return plan.IndexPlan{Name: name, Schema: "public", Table: table, Method: method, Columns: columns}
}

// converge inspects, and takes every step there is.
func converge(t *testing.T, s *Session, declared database.Declared, passwords map[string]string) database.Objects {
	t.Helper()
	found, err := s.Inspect(t.Context(), declared)
	if err != nil {
		t.Fatal(err)
	}
	_, steps := database.Diff(declared, found)
	for _, step := range steps {
		if err := s.Do(t.Context(), step, passwords[step.Name()]); err != nil {
			t.Fatalf("%+v: %v", step, err)
		}
	}
	return look(t, s, declared)
}

func look(t *testing.T, s *Session, declared database.Declared) database.Objects {
	t.Helper()
	found, err := s.Inspect(t.Context(), declared)
	if err != nil {
		t.Fatal(err)
	}
	found.Passwords = map[string]string{}
	for _, role := range declared.Roles {
		found.Passwords[role.Name] = role.Version
	}
	objects, _ := database.Diff(declared, found)
	return objects
}

func states(objects []v1alpha1.DatabaseObjectStatus) map[string]string {
	all := map[string]string{}
	for _, object := range objects {
		all[object.Name] = strings.TrimSuffix(string(object.State)+": "+object.Message, ": ")
	}
	return all
}

func TestIndexesOfARealDatabase(t *testing.T) {
	server := postgresql.Start(t)
	owner, operator := server.Owner(t), session(t, server)
	declared := database.Declared{Indexes: []plan.IndexPlan{
		index("idx_activities_tenant_published", "activities", "btree", plan.IndexColumn{Name: "tenant_id"}, plan.IndexColumn{Name: "published_at", Descending: true}),
		index("idx_users_active", "users", "btree", plan.IndexColumn{Name: "created_at"}),
		index("idx_content_metadata", "content", "gin", plan.IndexColumn{Name: "metadata"}),
		index("idx_absent", "absent", "btree", plan.IndexColumn{Name: "id"}),
	}}
	postgresql.Run(t, owner,
		"CREATE TABLE activities (tenant_id bigint, published_at timestamptz)",
		"CREATE TABLE users (created_at timestamptz, status text, handle text COLLATE \"POSIX\")",
		"CREATE TABLE content (metadata jsonb)")
	want := map[string]string{
		"idx_activities_tenant_published": "Ready", "idx_users_active": "Ready", "idx_content_metadata": "Ready",
		"idx_absent": "Pending: table public.absent does not exist yet",
	}
	if diff := cmp.Diff(want, states(converge(t, operator, declared, nil).Indexes)); diff != "" {
		t.Error(diff)
	}
	var definition string
	if err := owner.QueryRow(t.Context(), "SELECT pg_get_indexdef('idx_activities_tenant_published'::regclass)").Scan(&definition); err != nil {
		t.Fatal(err)
	}
	if want := "CREATE INDEX idx_activities_tenant_published ON public.activities USING btree (tenant_id, published_at DESC)"; definition != want {
		t.Errorf("it is %s", definition)
	}

	t.Run("an index whose table appears later is built then", func(t *testing.T) {
		postgresql.Run(t, owner, "CREATE TABLE absent (id bigint)")
		if state := states(converge(t, operator, declared, nil).Indexes)["idx_absent"]; state != "Ready" {
			t.Error(state)
		}
	})
	t.Run("an index of the same name that is different is not touched", func(t *testing.T) {
		for name, statement := range map[string]string{
			"its table is activities":                  "CREATE INDEX conflict ON activities (tenant_id)",
			"its method is hash":                       "CREATE INDEX conflict ON users USING hash (status)",
			"it is unique":                             "CREATE UNIQUE INDEX conflict ON users (status)",
			"its columns are (status descending)":      "CREATE INDEX conflict ON users (status DESC)",
			"its columns are (status, created_at)":     "CREATE INDEX conflict ON users (status, created_at)",
			"its columns are ((expression))":           "CREATE INDEX conflict ON users (lower(status))",
			"it has a condition":                       "CREATE INDEX conflict ON users (status) WHERE status = 'active'",
			"an expression or options of its own":      "CREATE INDEX conflict ON users (status NULLS FIRST)",
			"a condition, an expression or options":    "CREATE INDEX conflict ON users (status text_pattern_ops)",
			"an expression or options of its own: cha": "CREATE INDEX conflict ON users (status) INCLUDE (created_at)",
			"options of its own: change the declarati": "CREATE INDEX conflict ON users (status COLLATE \"POSIX\")",
			"something that is no index has this name": "CREATE SEQUENCE conflict",
		} {
			postgresql.Run(t, owner, statement)
			declared := database.Declared{Indexes: []plan.IndexPlan{index("conflict", "users", "btree", plan.IndexColumn{Name: "status"})}}
			state := states(converge(t, operator, declared, nil).Indexes)["conflict"]
			if !strings.HasPrefix(state, "Conflict: ") || !strings.Contains(state, name) {
				t.Errorf("%s: %s", statement, state)
			}
			postgresql.Run(t, owner, "DROP SEQUENCE IF EXISTS conflict_none", strings.Replace(strings.Join(strings.Fields(strings.Replace(statement, "UNIQUE ", "", 1))[:3], " "), "CREATE", "DROP", 1))
		}
	})
	t.Run("a column that has a collation of its own is no difference", func(t *testing.T) {
		declared := database.Declared{Indexes: []plan.IndexPlan{index("idx_handle", "users", "btree", plan.IndexColumn{Name: "handle"})}}
		if state := states(converge(t, operator, declared, nil).Indexes)["idx_handle"]; state != "Ready" {
			t.Error(state)
		}
	})
	t.Run("a view cannot be indexed", func(t *testing.T) {
		postgresql.Run(t, owner, "CREATE VIEW notes AS SELECT metadata FROM content")
		declared := database.Declared{Indexes: []plan.IndexPlan{index("idx_notes", "notes", "btree", plan.IndexColumn{Name: "metadata"})}}
		if state := states(converge(t, operator, declared, nil).Indexes)["idx_notes"]; !strings.HasPrefix(state, "Failed: ") {
			t.Error(state)
		}
	})
}

// A build that was interrupted leaves an index that is invalid, and that writes still keep up to date.
func TestAnIndexThatIsLeftHalfBuiltIsBuiltAnewButNeverWhileSomebodyBuildsIt(t *testing.T) {
	server := postgresql.Start(t)
	owner, operator := server.Owner(t), session(t, server)
	postgresql.Run(t, owner, "CREATE TABLE users (handle text)", "INSERT INTO users VALUES ('a'), ('a')")
	unique := index("idx_handle", "users", "btree", plan.IndexColumn{Name: "handle"})
	unique.Unique = true
	declared := database.Declared{Indexes: []plan.IndexPlan{unique}}
	var refused *pgconn.PgError
	if err := operator.Do(t.Context(), database.Step{Action: database.CreateIndex, Index: unique}, ""); !errors.As(err, &refused) || refused.Code != "23505" {
		t.Fatalf("building a unique index of equal rows: %v", err)
	}
	if state := states(look(t, operator, declared).Indexes)["idx_handle"]; !strings.HasPrefix(state, "Invalid: ") {
		t.Fatalf("after the failure: %s", state)
	}
	postgresql.Run(t, owner, "DELETE FROM users")

	// Somebody else's build waits for a transaction that is older than it.
	older := server.Owner(t)
	postgresql.Run(t, older, "BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT FROM users")
	builder := server.Connect(t, strings.Replace(server.Superuser.Config().ConnString(), "dbname=postgres", "dbname=fediflow", 1))
	built := make(chan error, 1)
	go func() {
		_, err := builder.Exec(t.Context(), "REINDEX INDEX CONCURRENTLY idx_handle")
		built <- err
	}()
	waitFor(t, func() bool {
		return strings.HasPrefix(states(look(t, operator, declared).Indexes)["idx_handle"], "Building: ")
	})
	found, err := operator.Inspect(t.Context(), declared)
	if err != nil {
		t.Fatal(err)
	}
	if _, steps := database.Diff(declared, found); len(steps) > 0 {
		t.Errorf("while somebody builds it: %+v", steps)
	}
	postgresql.Run(t, older, "COMMIT")
	if err := <-built; err != nil {
		t.Fatal(err)
	}
	if state := states(look(t, operator, declared).Indexes)["idx_handle"]; state != "Ready" {
		t.Errorf("after the build: %s", state)
	}

	postgresql.Run(t, server.Connect(t, strings.Replace(server.Superuser.Config().ConnString(), "dbname=postgres", "dbname=fediflow", 1)),
		"UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'idx_handle'::regclass")
	if state := states(converge(t, operator, declared, nil).Indexes)["idx_handle"]; state != "Ready" {
		t.Errorf("after it was built anew: %s", state)
	}
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it never happened")
		}
	}
}

func TestRolesOfARealDatabase(t *testing.T) {
	server := postgresql.Start(t)
	operator := session(t, server)
	role := database.Role{RolePlan: plan.RolePlan{Name: "reports", Inherit: true, MemberOf: []string{"pg_read_all_data"}, ConnectionLimit: 2}, Version: "1"}
	declared := database.Declared{Roles: []database.Role{role}}
	password := "it's \"quoted\"; DROP TABLE users -- \\"
	if state := states(converge(t, operator, declared, map[string]string{"reports": password}).Roles)["reports"]; state != "Ready" {
		t.Fatal(state)
	}
	login := func(password string) error {
		session, err := Connect(t.Context(), target(server, "reports", password))
		if err == nil {
			session.Close()
		}
		return err
	}
	if err := login(password); err != nil {
		t.Errorf("log in with the password: %v", err)
	}
	if err := login("another"); err == nil {
		t.Error("another password is good, too")
	}

	t.Run("what changes is changed, and the password stays", func(t *testing.T) {
		role.MemberOf, role.ConnectionLimit, role.Inherit = []string{"pg_monitor"}, 1, false
		role.Unreadable = "Secret reports does not exist"
		declared := database.Declared{Roles: []database.Role{role}}
		state := states(converge(t, operator, declared, nil).Roles)["reports"]
		if state != "Pending: Secret reports does not exist; its password stays as it is" {
			t.Error(state)
		}
		found, err := operator.Inspect(t.Context(), declared)
		if err != nil {
			t.Fatal(err)
		}
		want := database.FoundRole{Ours: true, Login: true, Inherit: false, ConnectionLimit: 1, MemberOf: []string{"pg_monitor"}}
		if diff := cmp.Diff(want, found.Roles["reports"]); diff != "" {
			t.Error(diff)
		}
		if err := login(password); err != nil {
			t.Errorf("log in with the password: %v", err)
		}
	})
	t.Run("a role that is no longer declared is kept, and said", func(t *testing.T) {
		if state := states(look(t, operator, database.Declared{}).Roles)["reports"]; !strings.HasPrefix(state, "Retained: ") {
			t.Error(state)
		}
	})
	t.Run("somebody else's role is not touched", func(t *testing.T) {
		postgresql.Run(t, server.Superuser, "CREATE ROLE theirs NOLOGIN")
		role := database.Role{RolePlan: plan.RolePlan{Name: "theirs"}}
		if state := states(converge(t, operator, database.Declared{Roles: []database.Role{role}}, nil).Roles)["theirs"]; !strings.HasPrefix(state, "Conflict: ") {
			t.Error(state)
		}
	})
}

func TestExtensionsOfARealDatabase(t *testing.T) {
	server := postgresql.Start(t)
	operator := session(t, server)
	declared := database.Declared{Extensions: []string{"btree_gin", "citext", "cube", "hstore", "pg_trgm", "pgcrypto", "unaccent", "uuid-ossp", "no_such"}}
	for name, state := range states(converge(t, operator, declared, nil).Extensions) {
		if want := map[bool]string{true: "Failed", false: "Ready"}[name == "no_such"]; !strings.HasPrefix(state, want) {
			t.Errorf("%s is %s", name, state)
		}
	}
}

func TestSessionsAreThoseOfTheOperator(t *testing.T) {
	server := postgresql.Start(t)
	postgresql.Run(t, server.Owner(t), "CREATE TABLE users (id bigint)", "ALTER ROLE fediflow SET search_path = public")
	postgresql.Run(t, server.Superuser, "ALTER ROLE fediflow_operator SET search_path = public")
	settings, err := collect[struct{ Path, Name, Timeout string }](t.Context(), session(t, server),
		"SELECT current_setting('search_path'), current_setting('application_name'), current_setting('statement_timeout')")
	if err != nil {
		t.Fatal(err)
	}
	if s := settings[0]; s.Path != "pg_catalog" || s.Name != "fediflow-operator" || s.Timeout != "30s" {
		t.Errorf("%+v", s)
	}
}

// Whatever slipped through validation stays one name.
func TestNamesCannotBecomeSQL(t *testing.T) {
	server := postgresql.Start(t)
	owner, operator := server.Owner(t), session(t, server)
	hostile := `x"; DROP TABLE precious; --`
	postgresql.Run(t, owner, "CREATE TABLE precious (id bigint)",
		"CREATE TABLE "+pgx.Identifier{hostile}.Sanitize()+" ("+pgx.Identifier{hostile}.Sanitize()+" bigint)")
	declared := database.Declared{
		Indexes: []plan.IndexPlan{index("i"+hostile, hostile, "btree", plan.IndexColumn{Name: hostile, Descending: true})},
		Roles:   []database.Role{{RolePlan: plan.RolePlan{Name: "r" + hostile, ConnectionLimit: 1}, Version: "1"}},
	}
	objects := converge(t, operator, declared, map[string]string{"r" + hostile: hostile})
	for name, state := range states(slices.Concat(objects.Indexes, objects.Roles)) {
		if state != "Ready" {
			t.Errorf("%s is %s", name, state)
		}
	}
	postgresql.Run(t, owner, "SELECT FROM precious")
}
