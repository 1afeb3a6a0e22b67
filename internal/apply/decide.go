package apply

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
)

// Decision is what the writer does about an object that may be written.
type Decision int

// The decisions.
const (
	// Create: there is none yet.
	Create Decision = iota
	// Leave: it is as wanted.
	Leave
	// Update: it is applied.
	Update
	// Recreate: it is deleted without its pods and made anew.
	Recreate
)

// Decide says what is done about an object; live is nil where there is none.
//
// A Job is named by its content: one of this name has done, or does, what is wanted. A StatefulSet
// whose volume templates differ is deleted without its pods, which go on; made anew, it takes the
// pods and their volumes back.
func Decide(desired *unstructured.Unstructured, live runtime.Object) (Decision, error) {
	if live == nil {
		return Create, nil
	}
	if _, isJob := live.(*batchv1.Job); isJob {
		return Leave, nil
	}
	if same, err := Unchanged(desired, live); err != nil || same {
		return Leave, err
	}
	set, isSet := live.(*appsv1.StatefulSet)
	if !isSet {
		return Update, nil
	}
	want := &appsv1.StatefulSet{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(desired.Object, want); err != nil {
		return Leave, fmt.Errorf("read StatefulSet %s: %w", desired.GetName(), err)
	}
	if sameVolumes(want.Spec.VolumeClaimTemplates, set.Spec.VolumeClaimTemplates) {
		return Update, nil
	}
	return Recreate, nil
}

// sameVolumes compares what a change of the plan can change.
func sameVolumes(want, have []corev1.PersistentVolumeClaim) bool {
	return slices.EqualFunc(want, have, func(want, have corev1.PersistentVolumeClaim) bool {
		return want.Name == have.Name &&
			want.Spec.Resources.Requests.Storage().Equal(*have.Spec.Resources.Requests.Storage()) &&
			ptr.Equal(want.Spec.StorageClassName, have.Spec.StorageClassName)
	})
}
