package apply

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/certs"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Keys of the authority's Secret besides those of every certificate: the authority before.
const (
	keyPreviousCertificate = "previous.crt"
	keyPreviousKey         = "previous.key"
)

// recheck is how often a certificate is looked at that somebody else renews.
const recheck = time.Hour

// Certificates are what pods show and trust, and for how long.
type Certificates struct {
	plan.Certificates

	// Expires is when the first of them does, Due is when to look at them again.
	Expires, Due time.Time
}

// Certificates keeps the Secrets with certificates and says what is in them. Nothing is written
// unless all of them could be read; what cannot be used is reported and left as it is.
func (w *Writer) Certificates(ctx context.Context, p plan.Plan, now time.Time) (Certificates, error) {
	if p.TLS.GivenSecret != "" {
		return w.givenCertificates(ctx, p, now)
	}
	secrets, state, err := w.readCertificates(ctx, p)
	if err != nil {
		return Certificates{}, err
	}
	names := map[string][]string{}
	for component, dnsNames := range p.CertificateNames() {
		names[p.Name.Certificate(component)] = dnsNames
	}
	next, due, err := certs.Default.Next(now, state, names)
	if err != nil {
		return Certificates{}, problem(v1alpha1.ReasonCertificateInvalid,
			"the Secrets %s hold something that is no certificate: %s: restore them from a backup",
			slices.Sorted(maps.Keys(secrets)), err)
	}
	// First the authority: what was signed by one that is not kept could never be renewed.
	err = w.writeCertificate(ctx, p, plan.Postgres, secrets, p.Name.Authority(), authorityData(next.Authorities))
	if err != nil {
		return Certificates{}, err
	}
	leaves := map[plan.ComponentName]certs.Leaf{}
	for _, component := range slices.Sorted(maps.Keys(p.CertificateNames())) {
		leaf := next.Leaves[p.Name.Certificate(component)]
		if err := w.writeCertificate(ctx, p, component, secrets, p.Name.Certificate(component), leafData(leaf)); err != nil {
			return Certificates{}, err
		}
		leaves[component] = leaf
	}
	return describe(p, now, due, leaves)
}

// givenCertificates checks a certificate that somebody else keeps.
func (w *Writer) givenCertificates(ctx context.Context, p plan.Plan, now time.Time) (Certificates, error) {
	secret, err := w.readSecret(ctx, p.Namespace, p.TLS.GivenSecret)
	if err != nil {
		return Certificates{}, err
	}
	if secret == nil {
		return Certificates{}, problem(v1alpha1.ReasonSecretNotFound,
			"Secret %s, which the spec names, does not exist in namespace %s: create it", p.TLS.GivenSecret, p.Namespace)
	}
	leaves := map[plan.ComponentName]certs.Leaf{}
	for component := range p.CertificateNames() {
		leaves[component] = leafOf(secret)
	}
	return describe(p, now, now.Add(recheck), leaves)
}

func describe(p plan.Plan, now, due time.Time, leaves map[plan.ComponentName]certs.Leaf) (Certificates, error) {
	found := Certificates{Due: due}
	found.Shown = map[plan.ComponentName]string{}
	for component, dnsNames := range p.CertificateNames() {
		leaf := leaves[component]
		expires, err := certs.Check(now, leaf, dnsNames)
		if err != nil {
			return Certificates{}, problem(v1alpha1.ReasonCertificateInvalid,
				"the certificate in Secret %s cannot be used for %s: %s", p.CertificateSecret(component), component, err)
		}
		if found.Expires.IsZero() || expires.Before(found.Expires) {
			found.Expires = expires
		}
		found.Shown[component] = certs.DigestPEM(leaf.Certificate)
		found.Authorities = string(leaf.Trust)
	}
	return found, nil
}

// readCertificates reads all Secrets with certificates. Certificates without their authority are a
// reason to stop: another authority would be trusted by nobody.
func (w *Writer) readCertificates(ctx context.Context, p plan.Plan) (map[string]*corev1.Secret, certs.State, error) {
	state := certs.State{Leaves: map[string]certs.Leaf{}}
	secrets := map[string]*corev1.Secret{}
	for component := range p.CertificateNames() {
		name := p.Name.Certificate(component)
		secret, err := w.readSecret(ctx, p.Namespace, name)
		if err != nil {
			return nil, state, err
		}
		if secret != nil {
			secrets[name], state.Leaves[name] = secret, leafOf(secret)
		}
	}
	name := p.Name.Authority()
	secret, err := w.readSecret(ctx, p.Namespace, name)
	switch {
	case err != nil:
		return nil, state, err
	case secret != nil:
		secrets[name], state.Authorities = secret, authoritiesOf(secret)
	case len(secrets) > 0:
		return nil, state, problem(v1alpha1.ReasonSecretNotFound,
			"Secret %s is missing, and it signed what is in %s: restore it from a backup, or delete these, too, "+
				"and the database's pods to begin anew", name, slices.Sorted(maps.Keys(secrets)))
	}
	return secrets, state, nil
}

// readSecret is nil where there is none.
func (w *Writer) readSecret(ctx context.Context, namespace, name string) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	err := w.Live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil //nolint:nilnil // the caller knows what a missing one means
	case apierrors.IsForbidden(err):
		return nil, forbidden(namespace)
	case err != nil:
		return nil, fmt.Errorf("read Secret %s: %w", name, err)
	}
	return secret, nil
}

// writeCertificate creates or updates a Secret, if it differs. What changed since it was read is
// left alone: the next pass reads it again.
func (w *Writer) writeCertificate(ctx context.Context, p plan.Plan, component plan.ComponentName, secrets map[string]*corev1.Secret, name string, data map[string][]byte) error {
	found := secrets[name]
	var err error
	switch {
	case found == nil:
		err = w.Client.Create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: name, Labels: p.Name.Labels(component)},
			Type:       corev1.SecretTypeTLS, Data: data,
		}, client.FieldOwner(FieldManager))
	case maps.EqualFunc(found.Data, data, bytes.Equal):
		return nil
	case found.Labels[plan.LabelCluster] != string(p.Name) || found.Labels[plan.LabelManagedBy] != plan.ManagedBy:
		return problem(v1alpha1.ReasonNameConflict,
			"Secret %s exists and does not belong to this cluster: rename the cluster, or remove the Secret", name)
	default:
		update := found.DeepCopy()
		update.Data = data
		err = w.Client.Update(ctx, update, client.FieldOwner(FieldManager))
	}
	switch {
	case apierrors.IsForbidden(err):
		return forbidden(p.Namespace)
	case err != nil:
		return fmt.Errorf("write Secret %s: %w", name, err)
	}
	return nil
}

func leafOf(secret *corev1.Secret) certs.Leaf {
	return certs.Leaf{
		Pair:  certs.Pair{Certificate: secret.Data[plan.KeyCertificate], Key: secret.Data[plan.KeyPrivateKey]},
		Trust: secret.Data[plan.KeyAuthorities],
	}
}

func leafData(leaf certs.Leaf) map[string][]byte {
	return map[string][]byte{
		plan.KeyCertificate: leaf.Certificate, plan.KeyPrivateKey: leaf.Key, plan.KeyAuthorities: leaf.Trust,
	}
}

func authoritiesOf(secret *corev1.Secret) []certs.Pair {
	newest := certs.Pair{Certificate: secret.Data[plan.KeyCertificate], Key: secret.Data[plan.KeyPrivateKey]}
	if previous, ok := secret.Data[keyPreviousCertificate]; ok {
		return []certs.Pair{{Certificate: previous, Key: secret.Data[keyPreviousKey]}, newest}
	}
	return []certs.Pair{newest}
}

func authorityData(authorities []certs.Pair) map[string][]byte {
	newest := authorities[len(authorities)-1]
	data := map[string][]byte{plan.KeyCertificate: newest.Certificate, plan.KeyPrivateKey: newest.Key}
	if len(authorities) > 1 {
		data[keyPreviousCertificate], data[keyPreviousKey] = authorities[0].Certificate, authorities[0].Key
	}
	return data
}
