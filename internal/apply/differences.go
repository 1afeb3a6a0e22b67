package apply

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Difference is a field that does not hold its desired value. A nil value is an absent one.
type Difference struct {
	Path       string
	Have, Want any
}

// Differences are the fields for which Unchanged says that the live object is not as desired.
func Differences(desired *unstructured.Unstructured, live runtime.Object) ([]Difference, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		return nil, fmt.Errorf("read live %s %s: %w", desired.GetKind(), desired.GetName(), err)
	}
	return differences("", content, withoutKind(desired)), nil
}

// Dropped are the fields of the first object that the second one leaves out.
func Dropped(before, after *unstructured.Unstructured) []Difference {
	var dropped []Difference
	for _, difference := range differences("", after.Object, before.Object) {
		if difference.Have == nil {
			dropped = append(dropped, Difference{Path: difference.Path, Have: difference.Want})
		}
	}
	return dropped
}

// differences descends as far as both sides have something to compare.
func differences(path string, have, want any) []Difference {
	if holds(have, want) {
		return nil
	}
	switch want := want.(type) {
	case map[string]any:
		if have, ok := have.(map[string]any); ok {
			return mapDifferences(path, have, want)
		}
	case []any:
		if have, ok := have.([]any); ok && (mergeKey(want) != "" || len(have) == len(want)) {
			return listDifferences(path, have, want)
		}
	}
	return []Difference{{Path: path, Have: have, Want: want}}
}

func mapDifferences(path string, have, want map[string]any) []Difference {
	var found []Difference
	for _, key := range slices.Sorted(maps.Keys(want)) {
		found = append(found, differences(field(path, key), have[key], want[key])...)
	}
	return found
}

// listDifferences compares lists as listHolds does.
func listDifferences(path string, have, want []any) []Difference {
	var found []Difference
	key := mergeKey(want)
	byKey := keyed(have, key)
	for i, item := range want {
		object, isObject := item.(map[string]any)
		if key == "" || !isObject {
			found = append(found, differences(fmt.Sprintf("%s[%d]", path, i), have[i], item)...)
			continue
		}
		name := fmt.Sprint(object[key])
		found = append(found, differences(path+"["+name+"]", byKey[name], item)...)
	}
	return found
}

func field(path, key string) string {
	switch {
	case path == "":
		return key
	case strings.ContainsAny(key, "./"):
		return path + "[" + key + "]"
	}
	return path + "." + key
}
