package apply

import (
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// Unchanged says whether applying desired would change nothing: the live object holds every desired
// value, and the same content was applied last.
func Unchanged(desired *unstructured.Unstructured, live runtime.Object) (bool, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		return false, fmt.Errorf("read live %s %s: %w", desired.GetKind(), desired.GetName(), err)
	}
	return holds(content, withoutKind(desired)), nil
}

// withoutKind leaves out what a typed live object does not say.
func withoutKind(desired *unstructured.Unstructured) map[string]any {
	content := maps.Clone(desired.Object)
	delete(content, "apiVersion")
	delete(content, "kind")
	return content
}

// holds says whether have contains every value of want. Values that only a defaulter or another
// manager set are ignored.
func holds(have, want any) bool {
	switch want := want.(type) {
	case map[string]any:
		have, ok := have.(map[string]any)
		if !ok {
			return len(want) == 0 && have == nil
		}
		for key, value := range want {
			if !holds(have[key], value) {
				return false
			}
		}
		return true
	case []any:
		have, ok := have.([]any)
		return ok && listHolds(have, want)
	default:
		return have != nil && scalarEqual(have, want)
	}
}

// listHolds compares lists of objects by their merge key, and other lists element by element.
func listHolds(have, want []any) bool {
	key := mergeKey(want)
	if key == "" {
		if len(have) != len(want) {
			return false
		}
		for i := range want {
			if !holds(have[i], want[i]) {
				return false
			}
		}
		return true
	}
	byKey := keyed(have, key)
	for _, item := range want {
		if item, ok := item.(map[string]any); !ok || !holds(byKey[fmt.Sprint(item[key])], item) {
			return false
		}
	}
	return true
}

// keyed are the objects of a list by their merge key.
func keyed(list []any, key string) map[string]any {
	byKey := map[string]any{}
	for _, item := range list {
		if item, ok := item.(map[string]any); ok {
			byKey[fmt.Sprint(item[key])] = item
		}
	}
	return byKey
}

// mergeKey is the field by which the API server merges a list of objects, if there is one.
func mergeKey(list []any) string {
	for _, key := range []string{"uid", "name", "mountPath", "containerPort", "topologyKey"} {
		if everyHas(list, key) {
			return key
		}
	}
	return ""
}

func everyHas(list []any, key string) bool {
	for _, item := range list {
		object, ok := item.(map[string]any)
		if !ok || object[key] == nil {
			return false
		}
	}
	return len(list) > 0
}

// scalarEqual treats numbers of different Go types and quantities in different notations as equal.
func scalarEqual(have, want any) bool {
	if equality.Semantic.DeepEqual(have, want) || fmt.Sprint(have) == fmt.Sprint(want) {
		return true
	}
	haveText, ok := have.(string)
	if !ok {
		return false
	}
	haveQuantity, err := resource.ParseQuantity(haveText)
	if err != nil {
		return false
	}
	wantQuantity, err := resource.ParseQuantity(fmt.Sprint(want))
	return err == nil && haveQuantity.Cmp(wantQuantity) == 0
}
