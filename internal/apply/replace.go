package apply

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
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
func (w *Writer) replace(ctx context.Context, desired *unstructured.Unstructured, live runtime.Object) (outcome, error) {
	set, isSet := live.(*appsv1.StatefulSet)
	if isSet && set.DeletionTimestamp != nil {
		return replaced, nil
	}
	switch decision, err := Decide(desired, live); {
	case err != nil:
		return toApply, err
	case decision == Leave:
		return asWanted, nil
	case decision == Recreate:
		return w.replaceStatefulSet(ctx, set)
	}
	return toApply, nil
}

// settled is the age at which the garbage collector surely knows all pods of a StatefulSet: those it
// does not know when the StatefulSet is deleted would be deleted with it.
const settled = 10 * time.Second

func (w *Writer) replaceStatefulSet(ctx context.Context, live *appsv1.StatefulSet) (outcome, error) {
	if age := time.Since(live.CreationTimestamp.Time); age < settled {
		return toApply, fmt.Errorf("change volumes of StatefulSet %s: waiting until it is %s old", live.Name, settled)
	}
	return replaced, w.deleteWithoutPods(ctx, live)
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
