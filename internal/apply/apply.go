// Package apply is the one writer of child objects: server-side apply under one field manager,
// without a request for what has not changed, and pruning of what is no longer rendered. It never
// deletes volumes or Secrets.
package apply

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// FieldManager owns every field the operator sets.
const FieldManager = "fediflow-operator"

// Writer writes the children of one cluster.
type Writer struct {
	Client client.Client
	// Live reads from the API server, not from the cache.
	Live client.Reader
}

// ProblemError is what a retry cannot fix.
type ProblemError struct{ plan.Problem }

func (e *ProblemError) Error() string { return e.Message }

// Split separates what a retry cannot fix from what it may.
func Split(err error) ([]plan.Problem, error) {
	if joined, ok := errors.AsType[interface {
		error
		Unwrap() []error
	}](err); ok {
		var problems []plan.Problem
		var rest []error
		for _, part := range joined.Unwrap() {
			found, other := Split(part)
			problems, rest = append(problems, found...), append(rest, other)
		}
		if len(problems) == 0 {
			return nil, err
		}
		return problems, errors.Join(rest...)
	}
	if problem, ok := errors.AsType[*ProblemError](err); ok {
		return []plan.Problem{problem.Problem}, nil
	}
	return nil, err
}

func problem(reason, format string, arguments ...any) error {
	return &ProblemError{plan.Problem{Reason: reason, Message: fmt.Sprintf(format, arguments...)}}
}

// Objects applies what differs from the world, and returns how many objects it wrote.
func (w *Writer) Objects(ctx context.Context, owner *v1alpha1.FediFlowCluster, world component.World, objects []component.Object) (int, error) {
	written := 0
	for _, object := range objects {
		desired, err := Prepare(owner, object)
		if err != nil {
			return written, err
		}
		live := world.Objects[component.Key{Kind: desired.GetKind(), Name: desired.GetName()}]
		if live != nil {
			same, err := Unchanged(desired, live)
			if err != nil {
				return written, err
			}
			if same {
				continue
			}
		}
		wrote, err := w.applyOne(ctx, owner, desired, live, object.Lifetime)
		if wrote {
			written++
		}
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// Keys are the keys of objects.
func Keys(objects []component.Object) (map[component.Key]bool, error) {
	keys := map[component.Key]bool{}
	for _, object := range objects {
		content, err := toUnstructured(object.Configuration)
		if err != nil {
			return nil, err
		}
		keys[component.Key{Kind: content.GetKind(), Name: content.GetName()}] = true
	}
	return keys, nil
}

func toUnstructured(configuration runtime.ApplyConfiguration) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(configuration)
	if err != nil {
		return nil, fmt.Errorf("marshal apply configuration: %w", err)
	}
	content := &unstructured.Unstructured{}
	if err := content.UnmarshalJSON(text); err != nil {
		return nil, fmt.Errorf("read apply configuration: %w", err)
	}
	return content, nil
}

// Prepare is an object as it is applied: with its owner and the digest of its content.
func Prepare(owner *v1alpha1.FediFlowCluster, object component.Object) (*unstructured.Unstructured, error) {
	desired, err := toUnstructured(object.Configuration)
	if err != nil {
		return nil, err
	}
	if object.Lifetime == component.WithCluster {
		desired.SetOwnerReferences([]metav1.OwnerReference{
			*metav1.NewControllerRef(owner, v1alpha1.SchemeGroupVersion.WithKind("FediFlowCluster")),
		})
	}
	text, err := desired.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("marshal %s %s: %w", desired.GetKind(), desired.GetName(), err)
	}
	sum := sha256.Sum256(text)
	annotations := desired.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[plan.AnnotationApplied] = hex.EncodeToString(sum[:8])
	desired.SetAnnotations(annotations)
	return desired, nil
}

// applyOne writes an object that differs from the live one, which is nil where there is none.
func (w *Writer) applyOne(ctx context.Context, owner *v1alpha1.FediFlowCluster, desired *unstructured.Unstructured, live runtime.Object, lifetime component.Lifetime) (bool, error) {
	if err := w.checkOwner(ctx, owner, desired, live, lifetime); err != nil {
		return false, err
	}
	if live != nil {
		outcome, err := w.replace(ctx, desired, live)
		if err != nil || outcome != toApply {
			return outcome == replaced, err
		}
	}
	err := w.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(desired),
		client.FieldOwner(FieldManager), client.ForceOwnership)
	switch {
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err), apierrors.IsForbidden(err):
		return false, problem(v1alpha1.ReasonApplyRejected, "%s %s was refused: %s",
			desired.GetKind(), desired.GetName(), statusMessage(err))
	case err != nil:
		return false, fmt.Errorf("apply %s %s: %w", desired.GetKind(), desired.GetName(), err)
	}
	return true, nil
}

// longestCause of a refusal that is told in full; the API server repeats whole objects.
const longestCause = 300

func statusMessage(err error) string {
	status, ok := err.(apierrors.APIStatus)
	if !ok {
		return err.Error()
	}
	details := status.Status().Details
	if details == nil || len(details.Causes) == 0 {
		return shorten(status.Status().Message)
	}
	causes := make([]string, 0, len(details.Causes))
	for _, cause := range details.Causes {
		causes = append(causes, strings.TrimPrefix(cause.Field+": ", ": ")+shorten(cause.Message))
	}
	return strings.Join(causes, "; ")
}

// shorten keeps the beginning and the end, where the verdict is.
func shorten(text string) string {
	if len(text) <= longestCause {
		return text
	}
	return strings.ToValidUTF8(text[:longestCause/3]+" … "+text[len(text)-longestCause/3:], "")
}

// checkOwner refuses to take over what belongs to somebody else. An object that the cache does not
// hold is looked up: without our label it is not in the cache.
func (w *Writer) checkOwner(ctx context.Context, owner *v1alpha1.FediFlowCluster, desired *unstructured.Unstructured, live runtime.Object, lifetime component.Lifetime) error {
	if live == nil {
		found := &metav1.PartialObjectMetadata{}
		found.SetGroupVersionKind(desired.GroupVersionKind())
		err := w.Live.Get(ctx, client.ObjectKeyFromObject(desired), found)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("look up %s %s: %w", desired.GetKind(), desired.GetName(), err)
		}
		live = found
	}
	accessor, err := meta.Accessor(live)
	if err != nil {
		return fmt.Errorf("read metadata of %s %s: %w", desired.GetKind(), desired.GetName(), err)
	}
	if lifetime == component.WithData && accessor.GetLabels()[plan.LabelCluster] == owner.Name {
		return nil
	}
	controller := metav1.GetControllerOf(accessor)
	switch {
	case controller != nil && controller.UID == owner.UID:
		return nil
	case controller != nil && controller.Kind == "FediFlowCluster" && controller.Name == owner.Name:
		return fmt.Errorf("%s %s of the deleted cluster of this name is still there", desired.GetKind(), desired.GetName())
	}
	return problem(v1alpha1.ReasonNameConflict,
		"%s %s exists and does not belong to this cluster: rename the cluster, or remove the object",
		desired.GetKind(), desired.GetName())
}
