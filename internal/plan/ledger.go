package plan

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// Figure is one number of a plan and why it is what it is.
type Figure struct {
	// Name is component.setting, for example postgres.max_connections.
	Name   string `json:"name"`
	Value  string `json:"value"`
	Reason string `json:"reason"`
}

// ledger records how a plan comes about.
type ledger struct {
	// source is where the profile's figures come from, in words.
	source  string
	figures []Figure
	// overrides are the paths of spec fields that replaced a figure of the profile.
	overrides []string
	clamped   []string
}

// record notes a derived figure and its reason.
func (l *ledger) record(name string, value any, format string, arguments ...any) {
	l.figures = append(l.figures, Figure{Name: name, Value: text(value), Reason: fmt.Sprintf(format, arguments...)})
}

// amend gives a recorded figure another value, and says why.
func (l *ledger) amend(name string, value any, format string, arguments ...any) {
	for i := range l.figures {
		if figure := &l.figures[i]; figure.Name == name {
			figure.Value = text(value)
			figure.Reason += "; " + fmt.Sprintf(format, arguments...)
		}
	}
}

// clamp notes that a figure was cut down where that does no harm.
func (l *ledger) clamp(format string, arguments ...any) {
	l.clamped = append(l.clamped, fmt.Sprintf(format, arguments...))
}

func text(value any) string {
	if quantity, ok := value.(resource.Quantity); ok {
		return quantity.String()
	}
	return fmt.Sprint(value)
}

// pick returns the explicit value of a spec field if there is one, and notes it.
func pick[T any](l *ledger, name, field string, explicit *T, derived T) T {
	if explicit == nil {
		l.record(name, derived, "%s", l.source)
		return derived
	}
	l.overrides = append(l.overrides, field)
	l.record(name, *explicit, "set by %s; %s has %s", field, l.source, text(derived))
	return *explicit
}

func (l *ledger) resources(name, field string, explicit *v1alpha1.ResourceOverride, cpu, memory resource.Quantity) Resources {
	explicit = orEmpty(explicit)
	return Resources{
		CPU:    pick(l, name+".cpu", field+".cpu", explicit.CPU, cpu),
		Memory: pick(l, name+".memory", field+".memory", explicit.Memory, memory),
	}
}

func (l *ledger) storage(name, field string, explicit *v1alpha1.StorageSpec, size resource.Quantity) Storage {
	explicit = orEmpty(explicit)
	return Storage{
		Size:      pick(l, name+".storage", field+".size", explicit.Size, size),
		ClassName: l.className(field, explicit.StorageClassName),
	}
}

// className has no figure: it is a name.
func (l *ledger) className(field string, explicit *string) string {
	if explicit == nil {
		return ""
	}
	l.overrides = append(l.overrides, field+".storageClassName")
	return *explicit
}

// orEmpty lets the fields of an absent section be read as absent.
func orEmpty[T any](section *T) *T {
	if section == nil {
		return new(T)
	}
	return section
}
