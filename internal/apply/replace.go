package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// outcome of the question whether an object can be applied as it is.
type outcome int

const (
	toApply outcome = iota
	// asWanted: nothing is to be written.
	asWanted
	// replaced: it was deleted, and the pass that its deletion starts makes it anew.
	replaced
)

// replace deals with objects that the API server lets nobody change.
//
// A Job is named by its content: one of this name has done, or does, what is wanted. A StatefulSet
// whose volume templates differ is deleted without its pods, which go on; made anew, it takes the
// pods and their volumes back.
func (w *Writer) replace(ctx context.Context, desired *unstructured.Unstructured, live runtime.Object) (outcome, error) {
	switch live := live.(type) {
	case *batchv1.Job:
		return asWanted, nil
	case *appsv1.StatefulSet:
		return w.replaceStatefulSet(ctx, desired, live)
	}
	return toApply, nil
}

// settled is the age at which the garbage collector surely knows all pods of a StatefulSet: those it
// does not know when the StatefulSet is deleted would be deleted with it.
const settled = 10 * time.Second

func (w *Writer) replaceStatefulSet(ctx context.Context, desired *unstructured.Unstructured, live *appsv1.StatefulSet) (outcome, error) {
	if live.DeletionTimestamp != nil {
		return replaced, nil
	}
	want := &appsv1.StatefulSet{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(desired.Object, want); err != nil {
		return toApply, fmt.Errorf("read StatefulSet %s: %w", desired.GetName(), err)
	}
	if sameVolumes(want.Spec.VolumeClaimTemplates, live.Spec.VolumeClaimTemplates) {
		return toApply, nil
	}
	if age := time.Since(live.CreationTimestamp.Time); age < settled {
		return toApply, fmt.Errorf("change volumes of StatefulSet %s: waiting until it is %s old", live.Name, settled)
	}
	return replaced, w.deleteWithoutPods(ctx, live)
}

// sameVolumes compares what a change of the plan can change.
func sameVolumes(want, have []corev1.PersistentVolumeClaim) bool {
	return slices.EqualFunc(want, have, func(want, have corev1.PersistentVolumeClaim) bool {
		return want.Name == have.Name &&
			want.Spec.Resources.Requests.Storage().Equal(*have.Spec.Resources.Requests.Storage()) &&
			ptr.Equal(want.Spec.StorageClassName, have.Spec.StorageClassName)
	})
}

func (w *Writer) deleteWithoutPods(ctx context.Context, object client.Object) error {
	uid, version := object.GetUID(), object.GetResourceVersion()
	err := w.Client.Delete(ctx, object,
		client.Preconditions{UID: &uid, ResourceVersion: &version},
		client.PropagationPolicy(metav1.DeletePropagationOrphan))
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("replace StatefulSet %s: %w", object.GetName(), err)
	}
	return nil
}
