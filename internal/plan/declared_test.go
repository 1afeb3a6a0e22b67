package plan

import (
	"reflect"
	"strings"
	"testing"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

func TestDeclarationsAreComplete(t *testing.T) {
	p := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, `
database:
  indexes:
  - {name: plain, table: users, columns: [{name: id}]}
  - {name: whole, schema: social, table: users, columns: [{name: id, order: Ascending}, {name: at, order: Descending}], unique: true, method: btree}
  managed:
    extensions: [unaccent, hstore]
    roles:
    - {name: reports, passwordSecret: {name: s, key: k}, memberOf: [pg_read_all_data, pg_monitor]}
    - {name: closed, passwordSecret: {name: s, key: k}, inherit: false, connectionLimit: 5}
`), testFacts)
	indexes := []IndexPlan{
		{Name: "plain", Schema: "public", Table: "users", Method: "btree", Columns: []IndexColumn{{Name: "id"}}},
		{Name: "whole", Schema: "social", Table: "users", Method: "btree", Unique: true, Columns: []IndexColumn{{Name: "id"}, {Name: "at", Descending: true}}},
	}
	roles := []RolePlan{
		{Name: "reports", Secret: "s", Key: "k", Inherit: true, MemberOf: []string{"pg_monitor", "pg_read_all_data"}, ConnectionLimit: 2},
		{Name: "closed", Secret: "s", Key: "k", ConnectionLimit: 5},
	}
	if !reflect.DeepEqual(p.Database.Indexes, indexes) || !reflect.DeepEqual(p.Database.Managed.Roles, roles) {
		t.Errorf("%+v\n%+v", p.Database.Indexes, p.Database.Managed.Roles)
	}
	if got := p.Database.Managed.Extensions; !reflect.DeepEqual(got, []string{"hstore", "unaccent"}) {
		t.Errorf("%v", got)
	}
}

func TestAnExternalDatabaseHasIndexesToo(t *testing.T) {
	p := mustResolve(t, testCluster(t, v1alpha1.SizeSmall,
		"database: {external: {host: db, credentialsSecret: {name: db}}, indexes: [{name: i, table: t, columns: [{name: c}]}]}"), testFacts)
	if len(p.Database.Indexes) != 1 || p.Database.Managed != nil {
		t.Errorf("%+v", p.Database)
	}
}

// An older CRD may let through what the current one refuses.
func TestDeclarationsThatTheCRDRefusesAreRefusedAgain(t *testing.T) {
	index := "database: {indexes: [{name: %}]}"
	role := "database: {managed: {roles: [{%}]}}"
	for _, test := range []struct{ format, fragment, says string }{
		{index, `'i"; DROP TABLE users; --', table: t, columns: [{name: c}]`, "is no name: use at most 63 lower-case letters"},
		{index, `i, table: 'users (id); --', columns: [{name: c}]`, "is no name"},
		{index, `i, table: t, columns: [{name: 'lower(c)'}]`, "is no name"},
		{index, `i, schema: 'a.b', table: t, columns: [{name: c}]`, "is no name"},
		{index, `i, schema: pg_catalog, table: t, columns: [{name: c}]`, "schema pg_catalog belongs to PostgreSQL"},
		{index, `i, table: t, columns: []`, "name at least one"},
		{index, `i, table: t, columns: [{name: c}], method: bloom`, "use btree, gin, gist, brin or hash"},
		{index, `i, table: t, columns: [{name: c}], method: gin, unique: true`, "unique and order need method btree"},
		{index, `i, table: t, columns: [{name: c, order: Descending}], method: brin`, "unique and order need method btree"},
		{index, `i, table: t, columns: [{name: c}, {name: d}], method: hash`, "exactly one column"},
		{role, `name: postgres, passwordSecret: {name: s, key: k}`, "belongs to the system"},
		{role, `name: pg_x, passwordSecret: {name: s, key: k}`, "belongs to the system"},
		{role, `name: fediflow_operator, passwordSecret: {name: s, key: k}`, "belongs to the system"},
		{role, `name: "a' SUPERUSER", passwordSecret: {name: s, key: k}`, "is no name"},
		{role, `name: a, passwordSecret: {name: s, key: k}, memberOf: [pg_execute_server_program]`, "use some of pg_monitor"},
		{"database: {managed: {extensions: [%]}}", "plpython3u", "use one of btree_gin"},
		{"database: {managed: {roles: [%]}}",
			"{name: a, passwordSecret: {name: s, key: k}, connectionLimit: 7}, {name: b, passwordSecret: {name: s, key: k}}",
			"connectionLimit is 9 in all, and there are 8 connections"},
	} {
		_, problems := Resolve(testCluster(t, v1alpha1.SizeSmall, strings.Replace(test.format, "%", test.fragment, 1)), testFacts)
		if len(problems) != 1 || problems[0].Reason != v1alpha1.ReasonInvalidSpec || !strings.Contains(problems[0].Message, test.says) {
			t.Errorf("%s: %v", test.fragment, problems)
		}
	}
}
