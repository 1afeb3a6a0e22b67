package preview

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/apply"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/catalog"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Change is a cluster as it runs and what it is to become.
type Change struct {
	// Owner is the cluster as it is; one that does not exist yet has no UID.
	Owner *v1alpha1.FediFlowCluster
	World component.World
	// Before is nil where nothing runs, or where what runs cannot be resolved.
	Before *plan.Plan
	After  plan.Plan
	// Shortfalls are what nodes and quotas lack for After.
	Shortfalls []string
}

// Difference is what a change does, as data.
type Difference struct {
	Cluster  string          `json:"cluster"`
	Objects  []ObjectChange  `json:"objects,omitempty"`
	Pods     []PodGroup      `json:"pods,omitempty"`
	Settings []SettingChange `json:"settings,omitempty"`
	Volumes  []VolumeChange  `json:"volumes,omitempty"`
	Minimum  TotalsChange    `json:"minimum"`
	Maximum  TotalsChange    `json:"maximum"`
	// Shortfalls are what nodes and quotas lack for the new plan.
	Shortfalls []string `json:"shortfalls,omitempty"`
	Notes      []string `json:"notes,omitempty"`
}

// Empty says whether nothing would be done.
func (d *Difference) Empty() bool {
	return len(d.Objects) == 0 && len(d.Pods) == 0 && len(d.Settings) == 0
}

// ObjectChange is what happens to an object.
type ObjectChange struct {
	// Action is Create, Change, Recreate (deleted without its pods and made anew) or Remove.
	Action string        `json:"action"`
	Kind   string        `json:"kind"`
	Name   string        `json:"name"`
	Fields []FieldChange `json:"fields,omitempty"`
	// template is set where the pod template changes.
	template bool
}

// FieldChange is a field with its values; an empty one is absent. Of texts with several lines only
// those that differ are there.
type FieldChange struct {
	Path string `json:"path"`
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// TotalsChange compares sums over all pods.
type TotalsChange struct {
	Before     Totals `json:"before"`
	After      Totals `json:"after"`
	Difference Totals `json:"difference"`
}

// Diff says what the operator would do for a change. Secrets are not compared: they are created once
// and never read.
func Diff(c Change) (Difference, error) {
	after, err := prepare(c.Owner, c.After)
	if err != nil {
		return Difference{}, err
	}
	var before prepared
	if c.Before != nil {
		if before, err = prepare(c.Owner, *c.Before); err != nil {
			return Difference{}, err
		}
	}
	objects, err := objectChanges(c, before, after)
	if err != nil {
		return Difference{}, err
	}
	pods, err := podGroups(c, after, objects)
	if err != nil {
		return Difference{}, err
	}
	already, err := unlike(c.World, before)
	if err != nil {
		return Difference{}, err
	}
	difference := Difference{
		Cluster: c.After.Namespace + "/" + string(c.After.Name),
		Objects: objects, Pods: pods,
		Settings:   append(databaseSettings(c), storeSettings(c)...),
		Volumes:    volumeChanges(c, pods, objects),
		Shortfalls: c.Shortfalls,
		Notes:      append(notes(c, objects), already...),
	}
	var least, most plan.Totals
	if c.Before != nil {
		least, most = c.Before.Minimum(), c.Before.Maximum()
	}
	difference.Minimum = totalsChange(least, c.After.Minimum())
	difference.Maximum = totalsChange(most, c.After.Maximum())
	return difference, nil
}

// prepared are rendered objects as they are applied, in that order.
type prepared struct {
	objects []*unstructured.Unstructured
	byKey   map[component.Key]*unstructured.Unstructured
}

func prepare(owner *v1alpha1.FediFlowCluster, p plan.Plan) (prepared, error) {
	result := prepared{byKey: map[component.Key]*unstructured.Unstructured{}}
	for _, c := range catalog.Components() {
		for _, object := range c.Render(p).Objects {
			desired, err := apply.Prepare(owner, object)
			if err != nil {
				return prepared{}, err
			}
			result.objects = append(result.objects, desired)
			result.byKey[keyOf(desired)] = desired
		}
	}
	return result, nil
}

func keyOf(object *unstructured.Unstructured) component.Key {
	return component.Key{Kind: object.GetKind(), Name: object.GetName()}
}

const actionRemove = "Remove"

var actions = map[apply.Decision]string{apply.Create: "Create", apply.Update: "Change", apply.Recreate: "Recreate"}

func objectChanges(c Change, before, after prepared) ([]ObjectChange, error) {
	var changes []ObjectChange
	rendered := map[component.Key]bool{}
	for _, desired := range after.objects {
		key := keyOf(desired)
		rendered[key] = true
		live := c.World.Objects[key]
		decision, err := apply.Decide(desired, live)
		if err != nil {
			return nil, err
		}
		if decision == apply.Leave {
			continue
		}
		change := ObjectChange{Action: actions[decision], Kind: key.Kind, Name: key.Name}
		if live != nil {
			found, err := apply.Differences(desired, live)
			if err != nil {
				return nil, err
			}
			if old := before.byKey[key]; old != nil {
				found = append(found, apply.Dropped(old, desired)...)
			}
			change.Fields = fieldChanges(found)
			change.template = slices.ContainsFunc(found, inTemplate)
		}
		changes = append(changes, change)
	}
	for _, key := range apply.Surplus(c.Owner, c.World, rendered) {
		changes = append(changes, ObjectChange{Action: actionRemove, Kind: key.Kind, Name: key.Name})
	}
	return changes, nil
}

// digests change with something else that is shown.
var digests = []string{plan.AnnotationApplied, plan.AnnotationTemplateHash, plan.AnnotationConfigHash}

func fieldChanges(found []apply.Difference) []FieldChange {
	var changes []FieldChange
	for _, d := range found {
		if slices.ContainsFunc(digests, func(name string) bool { return strings.HasSuffix(d.Path, "["+name+"]") }) {
			continue
		}
		before, after := differingLines(text(d.Have), text(d.Want))
		changes = append(changes, FieldChange{d.Path, before, after})
	}
	return changes
}

func inTemplate(d apply.Difference) bool { return strings.HasPrefix(d.Path, "spec.template.") }

func text(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		return value
	case map[string]any, []any:
		if text, err := json.Marshal(value); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(value)
}

// differingLines are the lines of texts that the other one does not have. Texts of the same lines in
// another order are returned whole.
func differingLines(before, after string) (string, string) {
	a, b := strings.Split(before, "\n"), strings.Split(after, "\n")
	if len(a) == 1 && len(b) == 1 {
		return before, after
	}
	onlyBefore, onlyAfter := without(a, b), without(b, a)
	if onlyBefore == "" && onlyAfter == "" {
		return before, after
	}
	return onlyBefore, onlyAfter
}

func without(lines, others []string) string {
	var left []string
	for _, line := range lines {
		if !slices.Contains(others, line) {
			left = append(left, strings.TrimSpace(line))
		}
	}
	return strings.Join(left, "\n")
}

func totalsChange(before, after plan.Totals) TotalsChange {
	difference := plan.Totals{
		Pods: after.Pods - before.Pods,
		CPU:  after.CPU.DeepCopy(), Memory: after.Memory.DeepCopy(), Storage: after.Storage.DeepCopy(),
	}
	difference.CPU.Sub(before.CPU)
	difference.Memory.Sub(before.Memory)
	difference.Storage.Sub(before.Storage)
	return TotalsChange{Before: totals(before), After: totals(after), Difference: totals(difference)}
}

// notes are what an admin would otherwise be surprised by.
func notes(c Change, objects []ObjectChange) []string {
	var notes []string
	if c.Owner.UID != "" && c.Before == nil {
		notes = append(notes, "the spec that exists is refused: totals are compared with nothing")
	}
	for _, part := range catalog.Components() {
		if part.Gate == nil || len(objects) == 0 {
			continue
		}
		if gate := part.Gate(c.After, c.World); !gate.Open {
			notes = append(notes, string(part.Name)+" stays as it is at first: "+gate.Message)
		}
	}
	if slices.ContainsFunc(objects, func(o ObjectChange) bool { return o.Action == "Recreate" }) {
		notes = append(notes, "a volume that exists keeps its class and never shrinks, and grows where its StorageClass can expand")
	}
	return append(notes, c.kept()...)
}

// unlike is about objects that differ although the manifest that exists asked for them.
func unlike(w component.World, before prepared) ([]string, error) {
	different := 0
	for _, desired := range before.objects {
		decision, err := apply.Decide(desired, w.Objects[keyOf(desired)])
		if err != nil {
			return nil, err
		}
		if decision != apply.Leave {
			different++
		}
	}
	if different == 0 {
		return nil, nil
	}
	return []string{fmt.Sprintf("%d objects are not what the manifest that exists gives here: the operator has another version "+
		"than this plugin, is at work, or somebody changed them", different)}, nil
}

// memberNotes are about what happens after the objects were written.
func memberNotes(m *plan.PostgresPlan) []string {
	switch {
	case m.Target < m.Instances:
		return []string{fmt.Sprintf("postgres goes from %d to %d members, one by one and never the primary: volumes are kept",
			m.Instances, m.Target)}
	case m.Target > m.Instances:
		return []string{fmt.Sprintf("postgres goes from %d to %d members: volumes of retired ones are taken into use again",
			m.Instances, m.Target)}
	}
	return nil
}

func (c Change) kept() []string {
	var notes []string
	keep := func(name string, kept, members int32, why string) {
		if kept > 0 {
			notes = append(notes, fmt.Sprintf("%s keeps %d members although %d are asked for: %s", name, members, members-kept, why))
		}
	}
	if m := c.After.Database.Managed; m != nil {
		keep(string(plan.Postgres), m.Kept, m.Instances, "only spec.database.managed.instances removes members")
		notes = append(notes, memberNotes(m)...)
	}
	for _, store := range c.After.Redis.Stores {
		keep(c.After.Short(c.After.Name.RedisStore(store.Name)), store.Kept, store.Replicas, "no member that holds data is removed")
	}
	return notes
}
