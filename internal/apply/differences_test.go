package apply

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	"pgregory.net/rapid"
)

func TestDifferencesNameTheFieldsThatAreNotAsDesired(t *testing.T) {
	tests := map[string]struct {
		want, have string
		found      []Difference
	}{
		"nothing":                    {"spec: {a: b}", "spec: {a: b, c: d}", nil},
		"a value":                    {"spec: {a: b}", "spec: {a: c}", []Difference{{"spec.a", "c", "b"}}},
		"an absent value":            {"spec: {a: b}", "spec: {}", []Difference{{"spec.a", nil, "b"}}},
		"a quantity":                 {"cpu: 1000m", "cpu: '1'", nil},
		"a name with dots":           {"data: {a.conf: b}", "data: {a.conf: c}", []Difference{{"data[a.conf]", "c", "b"}}},
		"an item by its name":        {"env: [{name: a, value: b}]", "env: [{name: x}, {name: a, value: c}]", []Difference{{"env[a].value", "c", "b"}}},
		"an item that is not there":  {"env: [{name: a}]", "env: [{name: x}]", []Difference{{"env[a]", nil, map[string]any{"name": "a"}}}},
		"an item by its place":       {"args: [a, b]", "args: [a, c]", []Difference{{"args[1]", "c", "b"}}},
		"a longer list":              {"args: [a]", "args: [a, b]", []Difference{{"args", []any{"a", "b"}, []any{"a"}}}},
		"a value where a section is": {"a: b", "a: {c: d}", []Difference{{"a", map[string]any{"c": "d"}, "b"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if difference := cmp.Diff(test.found, differences("", parse(t, test.have), parse(t, test.want))); difference != "" {
				t.Errorf("(-want +have)\n%s", difference)
			}
		})
	}
}

func TestDroppedAreTheFieldsThatAreLeftOut(t *testing.T) {
	before := &unstructured.Unstructured{Object: parse(t, "spec: {a: b, c: d, env: [{name: x}, {name: y}]}")}
	after := &unstructured.Unstructured{Object: parse(t, "spec: {a: c, env: [{name: y}], e: f}")}
	want := []Difference{{Path: "spec.c", Have: "d"}, {Path: "spec.env[x]", Have: map[string]any{"name": "x"}}}
	if difference := cmp.Diff(want, Dropped(before, after)); difference != "" {
		t.Errorf("(-want +have)\n%s", difference)
	}
}

// anyContent is a small piece of any object.
func anyContent() *rapid.Generator[any] {
	leaf := rapid.Custom(func(t *rapid.T) any {
		return rapid.SampledFrom([]any{"a", "b", "1Gi", int64(1), true, nil}).Draw(t, "leaf")
	})
	node := leaf
	for range 3 {
		below := node
		node = rapid.Custom(func(t *rapid.T) any {
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				return leaf.Draw(t, "leaf")
			case 1:
				return rapid.SliceOfN(below, 0, 2).Draw(t, "list")
			}
			content := map[string]any{}
			for _, key := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"name", "x", "y"}), 0, 3, rapid.ID[string]).Draw(t, "keys") {
				content[key] = below.Draw(t, key)
			}
			return content
		})
	}
	return node
}

func TestThereAreDifferencesExactlyWhereSomethingWouldBeWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have, want := anyContent().Draw(t, "have"), anyContent().Draw(t, "want")
		if found := differences("", have, want); (len(found) == 0) != holds(have, want) {
			t.Fatalf("holds: %v, differences: %v", holds(have, want), found)
		}
	})
}

func TestTheWriterDecidesByWhatIsThere(t *testing.T) {
	desired, err := Prepare(owner, deployment())
	if err != nil {
		t.Fatal(err)
	}
	live := applied(t, deployment())
	other := applied(t, deployment(func(d *acapps.DeploymentApplyConfiguration) { d.Spec.WithReplicas(9) }))
	for name, test := range map[string]struct {
		decide func() (Decision, error)
		want   Decision
	}{
		"nothing":  {func() (Decision, error) { return Decide(desired, nil) }, Create},
		"the same": {func() (Decision, error) { return Decide(desired, live) }, Leave},
		"another":  {func() (Decision, error) { return Decide(desired, other) }, Update},
	} {
		if got, err := test.decide(); err != nil || got != test.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
