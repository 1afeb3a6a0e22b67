package apply

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
)

// prunable are the kinds that may be pruned. Volumes and Secrets are not among them.
var prunable = map[string]bool{
	"ConfigMap": true, "Deployment": true, "HorizontalPodAutoscaler": true, "Job": true,
	"NetworkPolicy": true, "PodDisruptionBudget": true, "Role": true, "RoleBinding": true,
	"Service": true, "ServiceAccount": true, "StatefulSet": true,
}

// Surplus are the objects that the cluster controls and no longer renders, in a stable order.
func Surplus(owner *v1alpha1.FediFlowCluster, world component.World, rendered map[component.Key]bool) []component.Key {
	var surplus []component.Key
	for key, object := range world.Objects {
		child, ok := object.(client.Object)
		if ok && !rendered[key] && prunable[key.Kind] && child.GetDeletionTimestamp() == nil && metav1.IsControlledBy(child, owner) {
			surplus = append(surplus, key)
		}
	}
	slices.SortFunc(surplus, func(a, b component.Key) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return surplus
}

// Prune deletes the surplus. It must follow an error-free pass.
func (w *Writer) Prune(ctx context.Context, owner *v1alpha1.FediFlowCluster, world component.World, rendered map[component.Key]bool) error {
	for _, key := range Surplus(owner, world, rendered) {
		child, ok := world.Objects[key].(client.Object)
		if !ok {
			continue
		}
		if err := w.delete(ctx, child); err != nil {
			return fmt.Errorf("prune %s %s: %w", key.Kind, key.Name, err)
		}
	}
	return nil
}

// delete removes exactly the object that was seen, in the version that was seen.
func (w *Writer) delete(ctx context.Context, object client.Object) error {
	uid, version := object.GetUID(), object.GetResourceVersion()
	err := w.Client.Delete(ctx, object,
		client.Preconditions{UID: &uid, ResourceVersion: &version},
		client.PropagationPolicy(metav1.DeletePropagationBackground))
	return client.IgnoreNotFound(err)
}

// DeletePod deletes a pod so that its StatefulSet makes a new one. The pod is read live first: one
// that changed since it was seen is left alone.
func (w *Writer) DeletePod(ctx context.Context, pod client.Object) error {
	live := &metav1.PartialObjectMetadata{}
	live.SetGroupVersionKind(podKind)
	if err := w.Live.Get(ctx, client.ObjectKeyFromObject(pod), live); err != nil {
		return client.IgnoreNotFound(err)
	}
	if live.UID != pod.GetUID() || live.DeletionTimestamp != nil {
		return nil
	}
	if err := w.delete(ctx, live); err != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete Pod %s: %w", pod.GetName(), err)
	}
	return nil
}
