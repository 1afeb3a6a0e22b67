package preview

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

var update = flag.Bool("update", false, "rewrite docs/profiles.md")

const minimal = `apiVersion: fediflow.io/v1alpha1
kind: FediFlowCluster
metadata: {name: social, namespace: social}
spec:
  domain: social.example.edu
  image: fediflow/fediflow:0.1.0
`

func resolved(t *testing.T, profile string) plan.Plan {
	t.Helper()
	manifests, err := Read([]byte(minimal + "  profile: " + profile + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	p, problems := manifests.Resolve()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return p
}

func TestReadRefusesWhatTheAPIServerWould(t *testing.T) {
	for name, test := range map[string]struct{ text, says string }{
		"an unknown field":          {minimal + "  profil: {size: Small}\n", "profil"},
		"nothing to resolve":        {"kind: ConfigMap\n", "no FediFlowCluster"},
		"two clusters":              {minimal + "---\n" + minimal, "one file for each"},
		"something that is no YAML": {"a: [", "document 1"},
	} {
		if _, err := Read([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: want an error that says %q, got %v", name, test.says, err)
		}
	}
}

func TestAProfileInTheSameFileIsUsed(t *testing.T) {
	built, _ := plan.BuiltIn("Medium")
	var text bytes.Buffer
	if err := Print(&text, "yaml", map[string]any{"kind": "PerformanceProfile", "metadata": map[string]string{"name": "campus"}, "spec": built}); err != nil {
		t.Fatal(err)
	}
	manifests, err := Read([]byte(minimal + "  profile: {ref: campus}\n---\n" + text.String()))
	if err != nil {
		t.Fatal(err)
	}
	p, problems := manifests.Resolve()
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	first := resolved(t, "{size: Medium}")
	if difference := cmp.Diff(first.Rows(), p.Rows()); difference != "" {
		t.Error(difference)
	}
}

func TestExplainFindsOneFigureAComponentOrWhatIsNear(t *testing.T) {
	p := resolved(t, "{size: Small}")
	for name, want := range map[string]string{
		"postgres.max_connections": "poolers 2 ×",
		"redis.queue":              "redis.queue.maxmemory = ",
		"all":                      "api.heap_mib = ",
	} {
		var out bytes.Buffer
		if err := Explain(&out, p, name); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%s: %v, and no %q in\n%s", name, err, want, out.String())
		}
	}
	if err := Explain(&bytes.Buffer{}, p, "max_conn"); err == nil || !strings.Contains(err.Error(), "postgres.max_connections") {
		t.Errorf("an unknown figure: %v", err)
	}
}

func TestThePlanTellsComponentsBudgetOverridesAndWhatWasCutDown(t *testing.T) {
	var out bytes.Buffer
	if err := PrintPlan(&out, resolved(t, "{size: Small}\n  pooler: {replicas: 2}"), []string{"no node has room for one pod of api"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"size Small", "postgres.connections", "spec.pooler.replicas", "default_pool_size", "all, scaled up", "no node has room"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for _, format := range []string{"yaml", "json"} {
		out.Reset()
		if err := Print(&out, format, NewDocument(resolved(t, "{activeUsers: 1500}"), nil)); err != nil || !strings.Contains(out.String(), "1500 active users") {
			t.Errorf("%s: %v %s", format, err, out.String())
		}
	}
	if err := Print(&out, "xml", nil); err == nil {
		t.Error("an unknown format is no error")
	}
}

// The page's table is made by the code that it describes: -update rewrites it.
func TestTheProfilesPageIsCurrent(t *testing.T) {
	const page, begin, end = "../../docs/profiles.md", "<!-- sizes -->\n", "<!-- end -->"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no %q and %q", page, begin, end)
	}
	want := before + begin + sizesTable(t) + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if difference := cmp.Diff(string(text), want); difference != "" {
		t.Errorf("go test ./internal/preview -update rewrites it: (-page +code)\n%s", difference)
	}
}

func sizesTable(t *testing.T) string {
	t.Helper()
	var rows []string
	header, rule := "| |", "| --- |"
	plans := map[string]plan.Plan{}
	var figures []plan.Figure
	for _, size := range plan.Sizes() {
		header += " " + string(size) + " |"
		rule += " --- |"
		plans[string(size)] = resolved(t, "{size: "+string(size)+"}")
		figures = plans[string(size)].Figures
	}
	for _, figure := range figures {
		if strings.Contains(figure.Reason, "the same for every size") {
			continue
		}
		row := "| " + figure.Name + " |"
		for _, size := range plan.Sizes() {
			p := plans[string(size)]
			value, _ := p.Figure(figure.Name)
			row += " " + value.Value + " |"
		}
		rows = append(rows, row)
	}
	return header + "\n" + rule + "\n" + strings.Join(rows, "\n") + "\n"
}
