// Package component says what a component is: what it renders and how its health is judged.
// Everything here and below is pure: plans and observations in, objects and health out.
package component

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Component is one part of the platform, as data.
type Component struct {
	Name plan.ComponentName
	// Gate says what the component waits for; nothing of it is applied until the gate is open.
	// A nil gate is always open.
	Gate func(plan.Plan, World) Gate
	// Render makes fresh objects; it returns none where the plan has no such component.
	Render func(plan.Plan) Rendered
	// Assess judges what was observed; one entry per part that an SRE would name.
	Assess func(plan.Plan, World) []Health
}

// Rendered is everything a component owns.
type Rendered struct {
	Objects []Object
	// Secrets are created once and never changed.
	Secrets []Secret
}

// Lifetime says what becomes of an object when its cluster is deleted.
type Lifetime int

const (
	// WithCluster objects are deleted with the cluster and pruned when no longer rendered.
	WithCluster Lifetime = iota
	// WithData objects are needed to take data into use again: they outlive the cluster.
	WithData
)

// Object is a typed apply configuration and its lifetime.
type Object struct {
	Configuration runtime.ApplyConfiguration
	Lifetime      Lifetime
}

// Services are the Services among the objects.
func Services(objects []Object) []Object {
	return slices.DeleteFunc(slices.Clone(objects), func(o Object) bool { return !isService(o) })
}

// WithoutServices are the other objects.
func WithoutServices(objects []Object) []Object {
	return slices.DeleteFunc(slices.Clone(objects), isService)
}

func isService(object Object) bool {
	_, ok := object.Configuration.(*accore.ServiceApplyConfiguration)
	return ok
}

// Owned wraps apply configurations that live and die with the cluster.
func Owned(configurations ...runtime.ApplyConfiguration) []Object {
	return wrap(WithCluster, configurations)
}

// Retained wraps apply configurations that outlive the cluster.
func Retained(configurations ...runtime.ApplyConfiguration) []Object {
	return wrap(WithData, configurations)
}

func wrap(lifetime Lifetime, configurations []runtime.ApplyConfiguration) []Object {
	objects := make([]Object, 0, len(configurations))
	for _, configuration := range configurations {
		objects = append(objects, Object{configuration, lifetime})
	}
	return objects
}

// Secret is a Secret with generated values. It outlives the cluster.
type Secret struct {
	Namespace, Name string
	Labels          map[string]string
	// Random are the keys that get a random value.
	Random []string
	// Derive adds keys that are made from the random values; it may be nil.
	Derive func(random map[string]string) map[string]string
	// Guards is the label selector of the volumes whose data is useless without this Secret: where
	// there are any, a missing Secret is not generated anew.
	Guards map[string]string
}

// Gate is open or says what it waits for.
type Gate struct {
	Open    bool
	Message string
}

// Health is the state of one part of the platform.
type Health struct {
	v1alpha1.ComponentStatus
	// NeedsHuman is set where no retry will help.
	NeedsHuman bool
}
