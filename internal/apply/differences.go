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
	var found []Difference
	switch want := want.(type) {
	case map[string]any:
		have, ok := have.(map[string]any)
		if !ok {
			break
		}
		for _, key := range slices.Sorted(maps.Keys(want)) {
			found = append(found, differences(field(path, key), have[key], want[key])...)
		}
		return found
	case []any:
		key := mergeKey(want)
		have, ok := have.([]any)
		if !ok || key == "" {
			break
		}
		byKey := keyed(have, key)
		for _, item := range want {
			name := fmt.Sprint(item.(map[string]any)[key]) //nolint:forcetypeassert // a merge key is found in objects only
			found = append(found, differences(path+"["+name+"]", byKey[name], item)...)
		}
		return found
	}
	return []Difference{{Path: path, Have: have, Want: want}}
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
