package plan

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// remedies read from a problem's message which field to set to which value.
var remedies = []struct {
	message *regexp.Regexp
	// fields are set to the submatches; a field that starts with a dot is below the first submatch.
	fields []string
}{
	{regexp.MustCompile(`^spec\.(\S+\.(?:memory|cpu|size)) .*: use (?:for example )?([0-9]\w*)`), []string{"."}},
	{regexp.MustCompile(`^spec\.(\S+\.storageClassName) .*: use one of \[(\w+)`), []string{"."}},
	{regexp.MustCompile(`^spec\.(profile\.ceiling) .*raise it to cpu (\S+) and memory ([^ ,]+)`), []string{".cpu", ".memory"}},
	{regexp.MustCompile(`^spec\.(api\.autoscaling): .*maxReplicas (\d+): set both, or lower`), []string{".minReplicas"}},
	{regexp.MustCompile(`^spec\.(database\.managed): .*or durability (\w+)$`), []string{".durability"}},
}

// remedy does what a problem says.
func remedy(t rapid.TB, cluster *v1alpha1.FediFlowCluster, problem Problem) {
	t.Helper()
	if problem.Reason == v1alpha1.ReasonRegionNotFound {
		cluster.Spec.Edge.Regions = slices.DeleteFunc(cluster.Spec.Edge.Regions, func(r v1alpha1.EdgeRegionSpec) bool {
			return strings.Contains(problem.Message, "="+r.Name+":")
		})
		return
	}
	for _, remedy := range remedies {
		found := remedy.message.FindStringSubmatch(problem.Message)
		if found == nil {
			continue
		}
		for i, field := range remedy.fields {
			set(t, &cluster.Spec, strings.TrimSuffix(found[1]+field, "."), found[i+2])
		}
		return
	}
	t.Fatalf("%+v names no field with a value that would fit", problem)
}

// set sets a field of the spec by its path.
func set(t rapid.TB, spec *v1alpha1.FediFlowClusterSpec, path, value string) {
	t.Helper()
	fields := map[string]any{}
	text, err := json.Marshal(spec)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	section, keys := fields, strings.Split(path, ".")
	last := len(keys) - 1
	for _, key := range keys[:last] {
		inner, ok := section[key].(map[string]any)
		if !ok {
			inner = map[string]any{}
			section[key] = inner
		}
		section = inner
	}
	section[keys[last]] = value
	if strings.HasSuffix(path, "Replicas") {
		section[keys[last]] = json.Number(value)
	}
	if err == nil {
		text, err = json.Marshal(fields)
	}
	if err == nil {
		*spec = v1alpha1.FediFlowClusterSpec{}
		err = json.Unmarshal(text, spec)
	}
	if err != nil {
		t.Fatalf("set %s to %s: %v", path, value, err)
	}
}

// acceptable draws a cluster and follows the advice of every problem until there is none.
func acceptable(t *rapid.T) (*v1alpha1.FediFlowCluster, Plan) {
	cluster := anyCluster(t)
	for range 40 {
		p, problems := Resolve(cluster, testFacts)
		if len(problems) == 0 {
			return cluster, p
		}
		remedy(t, cluster, problems[0])
		if _, left := Resolve(cluster, testFacts); slices.Contains(left, problems[0]) {
			t.Fatalf("what it says does not help: %+v", problems[0])
		}
	}
	_, problems := Resolve(cluster, testFacts)
	t.Fatalf("advice leads nowhere: %v", problems)
	return nil, Plan{}
}

func TestTheAdviceOfEveryRefusalLeadsToAPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { acceptable(t) })
}
