// Package preview says what a spec would become: it resolves it with the very functions that the
// operator runs, and prints the plan. It is pure but for the writer it is given.
package preview

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"k8s.io/apimachinery/pkg/util/yaml"
	kyaml "sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Manifests are what a file may hold: one cluster, and the PerformanceProfile that it refers to.
type Manifests struct {
	Cluster  *v1alpha1.FediFlowCluster
	Profiles map[string]v1alpha1.PerformanceProfileSpec
}

// Read reads the documents of a YAML or JSON file. Unknown fields are errors.
func Read(content []byte) (Manifests, error) {
	m := Manifests{Profiles: map[string]v1alpha1.PerformanceProfileSpec{}}
	documents := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for number := 1; ; number++ {
		var raw json.RawMessage
		if err := documents.Decode(&raw); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return m, fmt.Errorf("document %d: %w", number, err)
		}
		if len(bytes.TrimSpace(raw)) == 0 || bytes.Equal(raw, []byte("null")) {
			continue
		}
		if err := m.add(raw); err != nil {
			return m, fmt.Errorf("document %d: %w", number, err)
		}
	}
	if m.Cluster == nil {
		return m, errors.New("there is no FediFlowCluster in it")
	}
	return m, nil
}

func (m *Manifests) add(raw []byte) error {
	var kind struct {
		Kind string `json:"kind"`
	}
	if err := json.Unmarshal(raw, &kind); err != nil {
		return fmt.Errorf("read kind: %w", err)
	}
	switch kind.Kind {
	case "FediFlowCluster":
		if m.Cluster != nil {
			return errors.New("a second FediFlowCluster: give one file for each")
		}
		m.Cluster = &v1alpha1.FediFlowCluster{}
		return strict(raw, m.Cluster)
	case "PerformanceProfile":
		var profile v1alpha1.PerformanceProfile
		if err := strict(raw, &profile); err != nil {
			return err
		}
		m.Profiles[profile.Name] = profile.Spec
	}
	return nil // other kinds may stand in the same file
}

func strict(raw []byte, object any) error {
	if err := kyaml.UnmarshalStrict(raw, object); err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// Resolve resolves without a Kubernetes cluster: regions, zones and storage classes are taken to be
// there, and what nodes have room for is not known.
func (m *Manifests) Resolve() (plan.Plan, []plan.Problem) {
	spec := &m.Cluster.Spec
	facts := plan.Facts{Zones: []string{"a", "b", "c"}}
	if edge := spec.Edge; edge != nil {
		for _, region := range edge.Regions {
			facts.Regions = append(facts.Regions, region.Name)
		}
	}
	facts.StorageClasses = storageClasses(spec)
	if profile, ok := m.Profiles[spec.Profile.Ref]; ok {
		facts.Profile = &profile
	}
	return plan.Resolve(m.Cluster, facts)
}

func storageClasses(spec *v1alpha1.FediFlowClusterSpec) []string {
	var classes []string
	add := func(storage *v1alpha1.StorageSpec) {
		if storage != nil && storage.StorageClassName != nil {
			classes = append(classes, *storage.StorageClassName)
		}
	}
	if spec.Edge != nil {
		add(spec.Edge.Storage)
	}
	if spec.Database != nil && spec.Database.Managed != nil {
		add(spec.Database.Managed.Storage)
	}
	if spec.Redis != nil && spec.Redis.Managed != nil && spec.Redis.Managed.Queue != nil {
		add(spec.Redis.Managed.Queue.Storage)
	}
	return classes
}

// Document is a plan as data.
type Document struct {
	Profile   string            `json:"profile"`
	Figures   []plan.Figure     `json:"figures"`
	Budget    []plan.BudgetLine `json:"budget"`
	Minimum   Totals            `json:"minimum"`
	Maximum   Totals            `json:"maximum"`
	Overrides []string          `json:"overrides,omitempty"`
	Clamped   []string          `json:"clamped,omitempty"`
	// Shortfalls are what nodes and quotas lack for the plan, as far as they are known.
	Shortfalls []string `json:"shortfalls,omitempty"`
}

// Totals are sums over all pods, in Kubernetes notation.
type Totals struct {
	Pods    int64  `json:"pods"`
	CPU     string `json:"cpu"`
	Memory  string `json:"memory"`
	Storage string `json:"storage"`
}

// NewDocument is a plan as data.
func NewDocument(p plan.Plan, shortfalls []string) Document {
	return Document{
		Profile: p.Profile, Figures: p.Figures, Budget: p.Budget,
		Minimum: totals(p.Minimum()), Maximum: totals(p.Maximum()),
		Overrides: p.Overrides, Clamped: p.Clamped, Shortfalls: shortfalls,
	}
}

func totals(t plan.Totals) Totals {
	return Totals{t.Pods, t.CPU.String(), t.Memory.String(), t.Storage.String()}
}

// Print writes anything as yaml or json.
func Print(out io.Writer, format string, document any) error {
	var text []byte
	var err error
	switch format {
	case "yaml":
		text, err = kyaml.Marshal(document)
	case "json":
		text, err = json.MarshalIndent(document, "", "  ")
	default:
		return fmt.Errorf("unknown output format %q: use table, yaml or json", format)
	}
	if err != nil {
		return fmt.Errorf("write as %s: %w", format, err)
	}
	_, err = fmt.Fprintln(out, strings.TrimRight(string(text), "\n"))
	return write(err)
}

// PrintPlan writes a plan for people.
func PrintPlan(out io.Writer, p plan.Plan, shortfalls []string) error {
	lines := &printer{table: tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)}
	say := lines.say
	say("Profile: %s\n", p.Profile)
	say("COMPONENT\tPODS\tCPU\tMEMORY\tSTORAGE")
	for _, row := range p.Rows() {
		pods, storage := fmt.Sprint(row.Replicas), "-"
		if row.MaxReplicas > 0 {
			pods = fmt.Sprintf("%d–%d", row.Replicas, row.MaxReplicas)
		}
		if row.Storage != nil {
			storage = row.Storage.Size.String()
		}
		each := row.Pod()
		say("%s\t%s\t%s\t%s\t%s", row.Name, pods, each.CPU.String(), each.Memory.String(), storage)
	}
	least, most := totals(p.Minimum()), totals(p.Maximum())
	say("all, scaled down\t%d\t%s\t%s\t%s", least.Pods, least.CPU, least.Memory, least.Storage)
	say("all, scaled up\t%d\t%s\t%s\t%s", most.Pods, most.CPU, most.Memory, most.Storage)
	say("\nBUDGET, scaled up\tUSED\tAVAILABLE")
	for _, line := range p.Budget {
		say("%s\t%d\t%d", line.Name, line.Used, line.Available)
	}
	lines.list("Overrides", p.Overrides)
	lines.list("Cut down", p.Clamped)
	lines.list("No room", shortfalls)
	return write(lines.table.Flush())
}

// Explain writes figures with their reasons: one by its name, those of a component, or all.
func Explain(out io.Writer, p plan.Plan, name string) error {
	var found []plan.Figure
	for _, figure := range p.Figures {
		if name == "all" || strings.EqualFold(figure.Name, name) || strings.HasPrefix(figure.Name, name+".") {
			found = append(found, figure)
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("there is no figure %s; there are: all, %s", name, strings.Join(near(p, name), ", "))
	}
	for _, figure := range found {
		if _, err := fmt.Fprintf(out, "%s = %s\n    %s\n", figure.Name, figure.Value, figure.Reason); err != nil {
			return write(err)
		}
	}
	return nil
}

// near are figures whose names share a word with the name that was asked for, or all of them.
func near(p plan.Plan, name string) []string {
	var every, similar []string
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '.' || r == '_' })
	for _, figure := range p.Figures {
		every = append(every, figure.Name)
		if slices.ContainsFunc(words, func(word string) bool { return strings.Contains(strings.ToLower(figure.Name), word) }) {
			similar = append(similar, figure.Name)
		}
	}
	if len(similar) > 0 {
		return similar
	}
	return every
}

// PrintSizes writes the named sizes and their main figures.
func PrintSizes(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(table, "SIZE\tACTIVE USERS\tAPI PODS\tDATABASE\tCPU\tMEMORY\tSTORAGE")
	for _, size := range plan.Sizes() {
		figures, _ := plan.BuiltIn(size)
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d–%d\t%d members\t%s\t%s\t%s\n", size, plan.Users(size),
			figures.API.MinReplicas, figures.API.MaxReplicas, figures.Postgres.Replicas,
			figures.Postgres.CPU.String(), figures.Postgres.Memory.String(), figures.Postgres.Storage.String())
	}
	return write(table.Flush())
}

func write(err error) error {
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}
