package apply

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// RetireVolume notes that the member of a volume is removed: others will have newer data.
func (w *Writer) RetireVolume(ctx context.Context, volume *corev1.PersistentVolumeClaim) error {
	return w.labelVolume(ctx, volume, "true")
}

// ReuseVolume takes the volume of a retired member into use again.
func (w *Writer) ReuseVolume(ctx context.Context, volume *corev1.PersistentVolumeClaim) error {
	return w.labelVolume(ctx, volume, nil)
}

func (w *Writer) labelVolume(ctx context.Context, volume *corev1.PersistentVolumeClaim, value any) error {
	err := w.patchVolume(ctx, volume, map[string]any{"labels": map[string]any{plan.LabelRetired: value}}, nil)
	if err != nil {
		return fmt.Errorf("label PersistentVolumeClaim %s: %w", volume.Name, err)
	}
	return nil
}

// GrowVolume requests more room for a volume. A refusal is nothing that a retry can fix.
func (w *Writer) GrowVolume(ctx context.Context, volume *corev1.PersistentVolumeClaim, size resource.Quantity) error {
	err := w.patchVolume(ctx, volume, nil, map[string]any{
		"resources": map[string]any{"requests": map[string]any{string(corev1.ResourceStorage): size.String()}},
	})
	switch {
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err):
		return problem(v1alpha1.ReasonApplyRejected, "PersistentVolumeClaim %s may not grow to %s: %s",
			volume.Name, size.String(), statusMessage(err))
	case err != nil:
		return fmt.Errorf("grow PersistentVolumeClaim %s: %w", volume.Name, err)
	}
	return nil
}

// patchVolume changes exactly the volume claim that was seen, in the version that was seen.
func (w *Writer) patchVolume(ctx context.Context, volume *corev1.PersistentVolumeClaim, metadata, spec map[string]any) error {
	if metadata == nil {
		metadata = map[string]any{}
	}
	metadata["uid"], metadata["resourceVersion"] = volume.UID, volume.ResourceVersion
	change := map[string]any{"metadata": metadata}
	if spec != nil {
		change["spec"] = spec
	}
	text, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("marshal patch: %w", err)
	}
	answer := &corev1.PersistentVolumeClaim{}
	answer.Namespace, answer.Name = volume.Namespace, volume.Name
	err = w.Client.Patch(ctx, answer, client.RawPatch(types.MergePatchType, text), client.FieldOwner(FieldManager))
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err //nolint:wrapcheck // the caller says what for
}
