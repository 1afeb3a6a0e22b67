package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

func withParameter(t *testing.T, name, value string) (Plan, []Problem) {
	t.Helper()
	cluster := testCluster(t, v1alpha1.SizeSmall, "")
	cluster.Spec.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{
		Parameters: map[string]v1alpha1.ParameterValue{name: v1alpha1.ParameterValue(value)}}}
	return Resolve(cluster, testFacts)
}

func TestADeclaredParameterWinsAndIsListed(t *testing.T) {
	for name, value := range map[string]string{
		"work_mem": "8MB", "maintenance_work_mem": "32768", "random_page_cost": "2.5", "jit": "off", "wal_compression": "zstd",
		"log_min_duration_statement": "250ms", "idle_in_transaction_session_timeout": "5min", "log_temp_files": "-1",
		"autovacuum_vacuum_scale_factor": "0.02", "pg_stat_statements.max": "5000", "checkpoint_timeout": "15min",
	} {
		derived := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, ""), testFacts).Database.Managed.Parameters
		p, problems := withParameter(t, name, value)
		if len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
			continue
		}
		if got := p.Database.Managed.Parameters[name]; got != value {
			t.Errorf("%s is %q", name, got)
		}
		_, replaces := derived[name]
		if listed := slices.Contains(p.Overrides, "spec.database.managed.parameters."+name); listed != replaces {
			t.Errorf("%s replaces a derived value: %v, overrides: %v", name, replaces, p.Overrides)
		}
		if !slices.ContainsFunc(p.Figures, func(f Figure) bool { return f.Name == "postgres."+name && f.Value == value }) {
			t.Errorf("no figure says that %s is %s", name, value)
		}
	}
}

func TestParametersThatWouldBreakThePlanAreRefused(t *testing.T) {
	for _, name := range []string{
		"max_connections", "shared_buffers", "shared_preload_libraries", "listen_addresses", "archive_command", "restore_command",
		"synchronous_commit", "synchronous_standby_names", "primary_conninfo", "hba_file", "ssl", "port", "fsync", "full_page_writes",
		"max_wal_size", "max_slot_wal_keep_size", "wal_level", "wal_log_hints", "password_encryption", "dynamic_library_path",
		"session_preload_libraries", "local_preload_libraries", "search_path", "role", "unix_socket_directories", "log_directory",
		"work_mem = '1GB' --", "work_mem\nfsync", "WORK_MEM", "",
	} {
		if _, problems := withParameter(t, name, "1"); len(problems) != 1 ||
			!strings.Contains(problems[0].Message, fmt.Sprintf("%q cannot be set: use one of autovacuum_", name)) {
			t.Errorf("%q: %v", name, problems)
		}
	}
}

func TestValuesOfParametersAreCheckedByType(t *testing.T) {
	for _, test := range []struct{ name, value, says string }{
		{"jit", "maybe", "use one of on, off"},
		{"jit", "on'; fsync", "use one of on, off"},
		{"track_functions", "ALL", "use one of none, pl, all"},
		{"random_page_cost", "0x1p4", "use a number from 0.1 to 100"},
		{"random_page_cost", "inf", "use a number"},
		{"random_page_cost", "nan", "use a number"},
		{"random_page_cost", "1e2", "use a number"},
		{"random_page_cost", "101", "use a number"},
		{"random_page_cost", "", "use a number"},
		{"work_mem", "64 MB", "use a whole number from 64 to 4194304 in kB"},
		{"work_mem", "64mb", "such as 64MB"},
		{"work_mem", "10s", "such as 64MB"},
		{"work_mem", "1kB", "use a whole number from 64"},
		{"work_mem", "1.5GB", "use a whole number"},
		{"work_mem", "-1", "use a whole number"},
		{"work_mem", "99999999999999999999GB", "use a whole number"},
		{"work_mem", "MB", "use a whole number"},
		{"work_mem", "", "use a whole number"},
		{"work_mem", "4GB", "a part of 8 of the memory of"},
		{"checkpoint_timeout", "1s", "use a whole number from 30 to 3600 in s"},
		{"checkpoint_timeout", "64MB", "such as 30s"},
		{"default_statistics_target", "100ms", "use a whole number from 1 to 10000"},
		{"default_statistics_target", "1\n2", "use a whole number"},
	} {
		_, problems := withParameter(t, test.name, test.value)
		want := fmt.Sprintf("spec.database.managed.parameters: %q cannot be %q: ", test.name, test.value)
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Message, want) || !strings.Contains(problems[0].Message, test.says) {
			t.Errorf("%s of %q: %v", test.name, test.value, problems)
		}
	}
}

// Their edges are PostgreSQL's own or inside them; what is refused must be acceptable at the edge.
func TestTheEdgesOfEveryParameterAreAccepted(t *testing.T) {
	for _, name := range ParameterNames() {
		parameter := allowedParameters[name]
		values := slices.Clone(parameter.words)
		switch parameter.kind {
		case kindBool:
			values = []string{"on", "off"}
		case kindInteger:
			values = []string{fmt.Sprintf("%.0f", parameter.least)}
			if parameter.shareOfMemory == 0 {
				values = append(values, fmt.Sprintf("%.0f", parameter.most))
			}
		case kindReal:
			values = []string{fmt.Sprint(parameter.least), fmt.Sprint(parameter.most)}
		case kindEnum:
		}
		for _, value := range values {
			if wrong := parameter.check(value, 1024); wrong != "" {
				t.Errorf("%s of %s: %s", name, value, wrong)
			}
		}
	}
}
