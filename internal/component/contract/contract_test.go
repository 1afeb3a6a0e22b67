package contract

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

const documentPath = "../../../docs/app-contract.md"

// The parts of the document that have a table of variables, by the line before it.
const (
	both       = "Both commands:"
	server     = "The server:"
	migrations = "Migrations:"
)

// variable is a row of a table.
type variable struct{ form, preset string }

// documented are the tables of variables by the part that they belong to.
func documented(t *testing.T) map[string]map[string]variable {
	t.Helper()
	text, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("^\\| `([A-Z_]+)` \\| (.*) \\| (.*) \\| (.*) \\|$")
	tables := map[string]map[string]variable{both: {}, server: {}, migrations: {}}
	part := ""
	for line := range strings.Lines(string(text)) {
		for name := range tables {
			if strings.HasPrefix(line, name) {
				part = name
			}
		}
		if strings.HasPrefix(line, "## ") {
			part = ""
		}
		if match := row.FindStringSubmatch(strings.TrimSpace(line)); match != nil && part != "" {
			tables[part][match[1]] = variable{match[3], match[4]}
		}
	}
	for part, table := range tables {
		if len(table) == 0 {
			t.Fatalf("%s has no table with %q", documentPath, part)
		}
	}
	return tables
}

// beside are variables that the document names outside of its tables.
var beside = []string{"DATABASE_USER", "DATABASE_PASSWORD", "NODE_OPTIONS", "UV_THREADPOOL_SIZE"}

// leftToTheApplication are documented variables whose default the operator keeps.
var leftToTheApplication = []string{"FEDIFLOW_ADMIN_USER", "FEDIFLOW_ALLOW_PRIVATE_ADDRESS", "MIGRATE_WAIT_SECONDS"}

func plans(t *testing.T) map[string]plan.Plan {
	t.Helper()
	all := map[string]plan.Plan{}
	for _, size := range plan.Sizes() {
		all[string(size)] = resolved(t, cluster(size))
	}
	external := cluster(v1alpha1.SizeSmall)
	external.Spec.Database = &v1alpha1.DatabaseSpec{External: &v1alpha1.ExternalDatabaseSpec{
		Host: "db.example.edu", CredentialsSecret: v1alpha1.SecretName{Name: "external"},
	}}
	all["external"] = resolved(t, external)
	return all
}

func cluster(size v1alpha1.ProfileSize) *v1alpha1.FediFlowCluster {
	c := &v1alpha1.FediFlowCluster{}
	c.Name, c.Namespace = "fediflow", "social"
	c.Spec.Domain, c.Spec.Image, c.Spec.Profile.Size = "social.example.edu", "fediflow:1", size
	return c
}

func resolved(t *testing.T, c *v1alpha1.FediFlowCluster) plan.Plan {
	t.Helper()
	p, problems := plan.Resolve(c, plan.Facts{})
	if len(problems) > 0 {
		t.Fatalf("resolve: %v", problems)
	}
	return p
}

func names(variables []*accore.EnvVarApplyConfiguration) []string {
	var all []string
	for _, v := range variables {
		all = append(all, *v.Name)
	}
	return all
}

func value(t *testing.T, variables []*accore.EnvVarApplyConfiguration, name string) string {
	t.Helper()
	for _, v := range variables {
		if *v.Name == name && v.Value != nil {
			return *v.Value
		}
	}
	t.Fatalf("%s has no value", name)
	return ""
}

func TestTheServerGetsExactlyTheDocumentedVariables(t *testing.T) {
	tables := documented(t)
	for name, p := range plans(t) {
		compare(t, name, names(Pooled(p)), tables[both], tables[server])
	}
}

func TestMigrationsGetExactlyTheDocumentedVariables(t *testing.T) {
	tables := documented(t)
	for name, p := range plans(t) {
		compare(t, name, names(Direct(p)), tables[both], tables[migrations])
	}
}

func compare(t *testing.T, name string, set []string, tables ...map[string]variable) {
	t.Helper()
	known := map[string]variable{}
	for _, table := range tables {
		maps.Copy(known, table)
	}
	for _, variable := range set {
		if _, ok := known[variable]; !ok && !slices.Contains(beside, variable) {
			t.Errorf("%s: %s is not in the document", name, variable)
		}
	}
	for variable, row := range known {
		if slices.Contains(set, variable) == slices.Contains(leftToTheApplication, variable) {
			t.Errorf("%s: %s is set: %t", name, variable, slices.Contains(set, variable))
		}
		if row.preset == "required" && !slices.Contains(set, variable) {
			t.Errorf("%s: %s is required", name, variable)
		}
	}
}

func TestVariablesBesideTheTablesAreInTheDocument(t *testing.T) {
	text, err := os.ReadFile(documentPath)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range beside {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("%s is not in the document", name)
		}
	}
}

// What the operator sets is what the document calls the default, where they mean the same.
func TestPortsAndNamesAreThoseOfTheDocument(t *testing.T) {
	table := documented(t)[server]
	variables := Pooled(plans(t)["Small"])
	for _, name := range []string{
		"PORT", "DATABASE_POOL_MIN", "DATABASE_POOL_MAX", "DATABASE_POOL_IDLE_TIMEOUT_MS", "DATABASE_POOL_CONNECTION_TIMEOUT_MS",
		"REDIS_QUEUE_NAME", "REDIS_CACHE_NAME", "SHUTDOWN_GRACE_SECONDS",
	} {
		if have := value(t, variables, name); "`"+have+"`" != table[name].preset {
			t.Errorf("%s is %s, in the document %s", name, have, table[name].preset)
		}
	}
}

func TestTheServerConnectsThroughThePoolersAndReadsThroughTheReadPooler(t *testing.T) {
	for name, want := range map[string][2]string{
		"Small":       {"fediflow-pooler-rw:6432/fediflow", "fediflow-pooler-ro:6432/fediflow"},
		"Development": {"fediflow-pooler-rw:6432/fediflow", "fediflow-pooler-rw:6432/fediflow"},
		"external":    {"fediflow-pooler-rw:6432/fediflow", "fediflow-pooler-rw:6432/fediflow"},
	} {
		variables := Pooled(plans(t)[name])
		for i, variable := range []string{"DATABASE_URL", "DATABASE_REPLICA_URL"} {
			if have := value(t, variables, variable); have != "postgres://$(DATABASE_USER):$(DATABASE_PASSWORD)@"+want[i]+"?sslmode=verify-full&sslrootcert=/etc/fediflow/tls/ca.crt" {
				t.Errorf("%s: %s is %s", name, variable, have)
			}
		}
	}
}

// The heap of Node is a part of the memory limit, whatever the profile.
func TestTheHeapFitsIntoTheMemoryLimit(t *testing.T) {
	for name, p := range plans(t) {
		if limit := p.API.Resources.Memory.Value() >> 20; p.API.HeapMiB <= 0 || p.API.HeapMiB >= limit {
			t.Errorf("%s: a heap of %d of %d MiB", name, p.API.HeapMiB, limit)
		}
		if have := value(t, Pooled(p), "NODE_OPTIONS"); !strings.HasPrefix(have, "--max-old-space-size=") {
			t.Errorf("%s: NODE_OPTIONS is %s", name, have)
		}
	}
}
