package plan

import (
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// overrides collects the paths of spec fields that replaced a figure of the profile.
type overrides struct{ fields []string }

// pick returns the explicit value if there is one, and notes it.
func pick[T any](o *overrides, field string, explicit *T, derived T) T {
	if explicit == nil {
		return derived
	}
	o.fields = append(o.fields, field)
	return *explicit
}

func (o *overrides) resources(field string, explicit *v1alpha1.ResourceOverride, w workload) Resources {
	if explicit == nil {
		explicit = &v1alpha1.ResourceOverride{}
	}
	return Resources{
		CPU:    pick(o, field+".cpu", explicit.CPU, resource.MustParse(w.cpu)),
		Memory: pick(o, field+".memory", explicit.Memory, resource.MustParse(w.memory)),
	}
}

func (o *overrides) storage(field string, explicit *v1alpha1.StorageSpec, size string) Storage {
	if explicit == nil {
		explicit = &v1alpha1.StorageSpec{}
	}
	return Storage{
		Size:      pick(o, field+".size", explicit.Size, resource.MustParse(size)),
		ClassName: pick(o, field+".storageClassName", explicit.StorageClassName, ""),
	}
}

// orEmpty lets the fields of an absent section be read as absent.
func orEmpty[T any](section *T) *T {
	if section == nil {
		return new(T)
	}
	return section
}
