package apply

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
)

var (
	podKind    = corev1.SchemeGroupVersion.WithKind("Pod")
	secretKind = corev1.SchemeGroupVersion.WithKind("Secret")
)

// Secrets creates the Secrets that do not exist. Existing ones are never read nor changed.
func (w *Writer) Secrets(ctx context.Context, world component.World, secrets []component.Secret) error {
	for _, secret := range secrets {
		exists, err := w.secretExists(ctx, secret.Namespace, secret.Name)
		if err != nil {
			return err
		}
		if exists {
			continue
		}
		if volume := guarded(world, secret.Guards); volume != "" {
			return problem(v1alpha1.ReasonSecretNotFound,
				"Secret %s is missing, but volume claim %s holds data that needs it: restore the Secret from a backup",
				secret.Name, volume)
		}
		if err := w.createSecret(ctx, secret); err != nil {
			return err
		}
	}
	return nil
}

// RequireSecrets reports Secrets that the spec names and that do not exist.
func (w *Writer) RequireSecrets(ctx context.Context, namespace string, names []string) error {
	for _, name := range names {
		exists, err := w.secretExists(ctx, namespace, name)
		if err != nil {
			return err
		}
		if !exists {
			return problem(v1alpha1.ReasonSecretNotFound,
				"Secret %s, which the spec names, does not exist in namespace %s: create it", name, namespace)
		}
	}
	return nil
}

// secretExists asks for metadata only: the content stays in the API server.
func (w *Writer) secretExists(ctx context.Context, namespace, name string) (bool, error) {
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(secretKind)
	err := w.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, secret)
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case apierrors.IsForbidden(err):
		return false, forbidden(namespace)
	case err != nil:
		return false, fmt.Errorf("look up Secret %s: %w", name, err)
	}
	return true, nil
}

func forbidden(namespace string) error {
	return problem(v1alpha1.ReasonSecretForbidden,
		"the operator may not use Secrets in namespace %s: enrol it, see config/namespace", namespace)
}

// guarded is a volume claim whose data needs the Secret, or empty.
func guarded(world component.World, guards map[string]string) string {
	if guards == nil {
		return ""
	}
	selector := labels.SelectorFromSet(guards)
	for key, object := range world.Objects {
		claim, ok := object.(client.Object)
		if ok && key.Kind == "PersistentVolumeClaim" && selector.Matches(labels.Set(claim.GetLabels())) {
			return key.Name
		}
	}
	return ""
}

func (w *Writer) createSecret(ctx context.Context, secret component.Secret) error {
	data := map[string]string{}
	for _, key := range secret.Random {
		// 130 bits in letters and digits: it needs no quoting anywhere.
		data[key] = strings.ToLower(rand.Text())
	}
	if secret.Derive != nil {
		maps.Copy(data, secret.Derive(data))
	}
	object := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: secret.Namespace, Name: secret.Name, Labels: secret.Labels},
		StringData: data,
	}
	err := w.Client.Create(ctx, object, client.FieldOwner(FieldManager))
	switch {
	case err == nil, apierrors.IsAlreadyExists(err):
		return nil
	case apierrors.IsForbidden(err):
		return forbidden(secret.Namespace)
	}
	return fmt.Errorf("create Secret %s: %w", secret.Name, err)
}
