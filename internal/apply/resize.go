package apply

import (
	"context"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// ResizePod gives the containers of a running pod the CPU and memory of the same containers in a
// template. The containers are not restarted.
func (w *Writer) ResizePod(ctx context.Context, pod *corev1.Pod, template corev1.PodTemplateSpec) error {
	type container struct {
		Name      string                      `json:"name"`
		Resources corev1.ResourceRequirements `json:"resources"`
	}
	containers := make([]container, 0, len(template.Spec.Containers))
	for _, c := range template.Spec.Containers {
		containers = append(containers, container{c.Name, c.Resources})
	}
	patch, err := podPatch(pod, nil, map[string]any{"containers": containers})
	if err != nil {
		return err
	}
	err = w.Client.SubResource("resize").Patch(ctx, podOf(pod), patch, client.FieldOwner(FieldManager))
	switch {
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err):
		return problem(v1alpha1.ReasonApplyRejected, "the resize of Pod %s was refused: %s", pod.Name, statusMessage(err))
	case client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err):
		return fmt.Errorf("resize Pod %s: %w", pod.Name, err)
	}
	return nil
}

// AnnotatePod sets one annotation of a pod.
func (w *Writer) AnnotatePod(ctx context.Context, pod *corev1.Pod, name, value string) error {
	patch, err := podPatch(pod, map[string]string{name: value}, nil)
	if err != nil {
		return err
	}
	err = w.Client.Patch(ctx, podOf(pod), patch, client.FieldOwner(FieldManager))
	if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("annotate Pod %s: %w", pod.Name, err)
	}
	return nil
}

// podPatch changes the very pod that was seen, not another of its name.
func podPatch(pod *corev1.Pod, annotations map[string]string, spec map[string]any) (client.Patch, error) {
	metadata := map[string]any{"uid": pod.UID}
	if annotations != nil {
		metadata["annotations"] = annotations
	}
	change := map[string]any{"metadata": metadata}
	if spec != nil {
		change["spec"] = spec
	}
	text, err := json.Marshal(change)
	if err != nil {
		return nil, fmt.Errorf("marshal patch of Pod %s: %w", pod.Name, err)
	}
	return client.RawPatch(types.StrategicMergePatchType, text), nil
}

// podOf takes the answer of a request, so that the cached pod stays as it is.
func podOf(pod *corev1.Pod) *corev1.Pod {
	answer := &corev1.Pod{}
	answer.Namespace, answer.Name = pod.Namespace, pod.Name
	return answer
}
