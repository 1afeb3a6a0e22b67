package v1alpha1

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// figures are those of a legal PerformanceProfile, by component.
func figures() map[string]map[string]any {
	workload := map[string]any{"replicas": 2, "cpu": "100m", "memory": "128Mi"}
	stateful := map[string]any{"replicas": 3, "cpu": "100m", "memory": "128Mi", "storage": "1Gi"}
	return map[string]map[string]any{
		"api":      {"minReplicas": 2, "maxReplicas": 5, "cpuUtilization": 70, "memoryUtilization": 80, "cpu": "500m", "memory": "512Mi"},
		"postgres": maps.Clone(stateful), "pooler": maps.Clone(workload), "queue": maps.Clone(stateful),
		"cache": maps.Clone(workload), "sentinel": maps.Clone(stateful), "edge": maps.Clone(stateful),
	}
}

// profile is a legal PerformanceProfile with changes: "component: {figure: value}", null to leave one out.
func profile(t *testing.T, fragment string) *unstructured.Unstructured {
	t.Helper()
	changes := map[string]any{}
	if err := yaml.Unmarshal([]byte(fragment), &changes); err != nil {
		t.Fatalf("%v in %s", err, fragment)
	}
	spec := map[string]any{}
	for component, content := range figures() {
		spec[component] = content
	}
	for component, change := range changes {
		content, known := spec[component].(map[string]any)
		figures, partial := change.(map[string]any)
		if !known || !partial {
			spec[component] = change
			continue
		}
		maps.Copy(content, figures)
		maps.DeleteFunc(content, func(_ string, value any) bool { return value == nil })
	}
	maps.DeleteFunc(spec, func(_ string, value any) bool { return value == nil })
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": SchemeGroupVersion.String(),
		"kind":       "PerformanceProfile",
		"metadata":   map[string]any{"name": "ours"},
		"spec":       spec,
	}}
}

// profileRanges are all figures that are whole numbers, with the largest legal one. The smallest is 1.
func profileRanges() map[string]int {
	ranges := map[string]int{
		"api: {minReplicas: %d, maxReplicas: 1000}": 1000, "api: {minReplicas: 1, maxReplicas: %d}": 1000,
		"api: {cpuUtilization: %d}": 100, "api: {memoryUtilization: %d}": 100,
	}
	for component, content := range figures() {
		if _, fixed := content["replicas"]; fixed {
			ranges[component+": {replicas: %d}"] = 50
		}
	}
	return ranges
}

func TestTheAPIServerRefusesAProfile(t *testing.T) {
	table := map[string]refusal{
		"minReplicas above maxReplicas": {"api: {minReplicas: 6}", "minReplicas must not be larger than maxReplicas"},
		"an unknown component":          {"worker: {replicas: 1}", `unknown field "spec.worker"`},
		"storage of a cache":            {"cache: {storage: 1Gi}", `unknown field "spec.cache.storage"`},
	}
	for component, content := range figures() {
		table["no "+component] = refusal{component + ": null", "spec." + component + ": Required value"}
		for figure, value := range content {
			path := component + "." + figure
			table["no "+path] = refusal{fmt.Sprintf("%s: {%s: null}", component, figure), "spec." + path + ": Required value"}
			if _, quantity := value.(string); quantity {
				table["a word in "+path] = refusal{fmt.Sprintf("%s: {%s: lots}", component, figure), "should match"}
				table["a space in "+path] = refusal{fmt.Sprintf("%s: {%s: 1 Gi}", component, figure), "should match"}
			} else {
				table["a fraction in "+path] = refusal{fmt.Sprintf("%s: {%s: 1.5}", component, figure), "must be of type integer"}
			}
		}
	}
	for field, most := range profileRanges() {
		table["0 in "+field] = refusal{fmt.Sprintf(field, 0), "greater than or equal to 1"}
		table[fmt.Sprintf("%d in %s", most+1, field)] = refusal{fmt.Sprintf(field, most+1), fmt.Sprintf("less than or equal to %d", most)}
	}
	refuses(t, profiles, table, profile)
}

func TestTheAPIServerAcceptsAProfile(t *testing.T) {
	table := map[string]string{
		"every figure": "", "minReplicas equal to maxReplicas": "api: {minReplicas: 5}", "whole cores and bytes": "postgres: {cpu: 2, memory: 1073741824}",
	}
	for field, most := range profileRanges() {
		table["1 in "+field] = fmt.Sprintf(field, 1)
		table[fmt.Sprintf("%d in %s", most, field)] = fmt.Sprintf(field, most)
	}
	for name, spec := range table {
		t.Run(name, func(t *testing.T) {
			if err := create(t.Context(), profile(t, spec)); err != nil {
				t.Error(err)
			}
		})
	}
}

// A profile is named without a namespace.
func TestProfilesAreThereForAllNamespaces(t *testing.T) {
	object := profile(t, "")
	if err := create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if namespaced, err := server.IsObjectNamespaced(object); err != nil || namespaced {
		t.Errorf("namespaced: %v, %v", namespaced, err)
	}
}

// What a cluster may refer to is what a profile may be called.
func TestEveryNameOfAProfileCanBeReferredTo(t *testing.T) {
	for _, name := range []string{"a", "ours", "ours.v2", "2-large", long(63), strings.Join(slices.Repeat([]string{long(60)}, 4), ".")} {
		object := profile(t, "")
		object.SetName(name)
		if err := create(t.Context(), object); err != nil {
			t.Error(err)
		}
		if err := create(t.Context(), cluster(t, "profile: {ref: '"+name+"'}")); err != nil {
			t.Error(err)
		}
	}
}
