package postgres

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	accore "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/internal/kube"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func sidecar(t *testing.T, p plan.Plan) accore.ContainerApplyConfiguration {
	t.Helper()
	containers := set(t, p).Spec.Template.Spec.Containers
	if len(containers) != 2 || *containers[0].Name != "postgres" || *containers[1].Name != "exporter" {
		t.Fatalf("%d containers", len(containers))
	}
	return containers[1]
}

func TestTheExporterHasNoPasswordNoKeyAndNoToken(t *testing.T) {
	exporter := sidecar(t, small(t))
	for _, variable := range exporter.Env {
		if variable.ValueFrom != nil || strings.Contains(strings.ToLower(*variable.Name+*variable.Value), "password") {
			t.Errorf("%s is %v %v", *variable.Name, variable.Value, variable.ValueFrom)
		}
	}
	if len(exporter.EnvFrom) > 0 {
		t.Errorf("variables come from %v", exporter.EnvFrom)
	}
	mounts := map[string]string{}
	for _, mount := range exporter.VolumeMounts {
		if mount.ReadOnly == nil || !*mount.ReadOnly {
			t.Errorf("%s can be written", *mount.MountPath)
		}
		mounts[*mount.MountPath] = *mount.Name
	}
	// What is mounted where the token would be keeps it out.
	if len(mounts) != 2 || mounts["/run/postgresql"] != "run" || mounts["/var/run/secrets/kubernetes.io/serviceaccount"] != "no-token" {
		t.Errorf("mounts are %v", mounts)
	}
	for _, volume := range set(t, small(t)).Spec.Template.Spec.Volumes {
		if *volume.Name == "no-token" && volume.EmptyDir == nil {
			t.Error("something is in the place of the token")
		}
	}
}

// PostgreSQL lets the account postgres in as the superuser.
func TestTheExporterIsTheMonitoringRoleAndNeverTheSuperuser(t *testing.T) {
	p := small(t)
	exporter := sidecar(t, p)
	if user := exporter.SecurityContext.RunAsUser; user == nil || *user == int64(kube.ServiceUser) || *user == 0 {
		t.Fatalf("it runs as %v", user)
	}
	source := map[string]string{}
	for pair := range strings.FieldsSeq(dataSource()) {
		name, value, _ := strings.Cut(pair, "=")
		source[name] = value
	}
	if source["user"] != "fediflow_monitoring" || source["host"] != "/run/postgresql" || source["search_path"] != "pg_catalog" {
		t.Errorf("%v", source)
	}
	// The exporter takes a comma for the start of another server.
	if strings.Contains(dataSource(), ",") {
		t.Error(dataSource())
	}
	if !slices.Contains(parse(t, p).PostgreSQL.Ident, "monitoring prometheus fediflow_monitoring") {
		t.Errorf("%v", parse(t, p).PostgreSQL.Ident)
	}
	for _, line := range parse(t, p).PostgreSQL.Ident {
		if !strings.HasSuffix(line, " fediflow_monitoring") {
			t.Errorf("the map of the monitoring role has %q", line)
		}
	}
}

// Accounts are in the image, and in PostgreSQL's map by name.
func TestTheImageHasTheExportersAccountUnderItsNumber(t *testing.T) {
	text, err := os.ReadFile("../../../images/postgres/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "useradd --uid 998 --gid 998") || !regexp.MustCompile(`useradd --uid 998 .* prometheus `).Match(text) {
		t.Error("there is no such account")
	}
	if kube.ExporterUser != 998 {
		t.Errorf("the exporter runs as %d", kube.ExporterUser)
	}
}

// The search path has nothing of the application's: what it owns must be named with its schema.
func TestTheExportersOwnQueriesNameWhatTheyReadAndEveryColumn(t *testing.T) {
	text, err := os.ReadFile("../../../images/postgres/fediflow-statistics.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var metrics map[string]struct {
		Query   string `json:"query"`
		Metrics []map[string]struct {
			Usage, Description string
		} `json:"metrics"`
	}
	if err := yaml.UnmarshalStrict(text, &metrics); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"pg_stat_statements", "pg_stat_user_indexes"} {
		if len(metrics[name].Metrics) == 0 {
			t.Errorf("%s has no metrics", name)
		}
	}
	for name, metric := range metrics {
		if strings.Contains(strings.ReplaceAll(metric.Query, "public.pg_stat_statements(", ""), "pg_stat_statements") {
			t.Errorf("%s: the extension's functions are in schema public", name)
		}
		for _, column := range metric.Metrics {
			for label, c := range column {
				if !slices.Contains([]string{"LABEL", "COUNTER", "GAUGE"}, c.Usage) || c.Description == "" || !strings.Contains(metric.Query, label) {
					t.Errorf("%s: %s is %+v", name, label, c)
				}
			}
		}
	}
}

func TestScrapersFindThePortOfEveryMember(t *testing.T) {
	for _, object := range render(small(t)).Objects {
		service, ok := object.Configuration.(*accore.ServiceApplyConfiguration)
		if !ok || *service.Name != "fediflow-postgres-members" {
			continue
		}
		if !slices.ContainsFunc(service.Spec.Ports, func(port accore.ServicePortApplyConfiguration) bool {
			return *port.Name == "metrics" && *port.Port == 9187 && port.TargetPort.StrVal == "metrics"
		}) {
			t.Error("the members' Service has no port metrics")
		}
		return
	}
	t.Error("there is no Service of the members")
}
