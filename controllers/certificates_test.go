package controllers

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// certificate is what a member shows: what was in its Secret when it was last asked to read it.
func (a *patroniActor) certificate(request *http.Request) (*x509.Certificate, error) {
	var secret corev1.Secret
	key := client.ObjectKey{Namespace: a.namespace, Name: names.Certificate(plan.Postgres)}
	if err := admin.Get(request.Context(), key, &secret); err != nil {
		return nil, err
	}
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.shown == nil || request.URL.Path == "/reload" {
		pair, err := tls.X509KeyPair(secret.Data[plan.KeyCertificate], secret.Data[plan.KeyPrivateKey])
		if err != nil {
			return nil, err
		}
		a.shown = pair.Leaf
	}
	return a.shown, nil
}

// A certificate that is gone is made anew, as one that is due.
func TestARenewedCertificateReachesMembersByReloadAndPoolersByRolling(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	cluster := p.waitReady(t)
	if cluster.Status.CertificateExpires == nil {
		t.Error("nobody knows when certificates expire")
	}
	pods := p.pods(t)
	for _, component := range []plan.ComponentName{plan.Postgres, plan.Pooler} {
		p.delete(t, must(t, p, names.Certificate(component), &corev1.Secret{}))
	}
	hash := func() string {
		pooler := must(t, p, names.Pooler(plan.ReadWrite), &appsv1.Deployment{})
		return pooler.Spec.Template.Annotations[plan.AnnotationConfigHash]
	}
	before := hash()
	p.trigger(t)
	eventually(t, "asked to reload", func() (bool, string) {
		return slices.Contains(p.patroni.requests(), "POST /reload"), "not asked"
	})
	p.waitReady(t)
	if hash() == before {
		t.Error("poolers go on with the old certificate")
	}
	for name, uid := range p.pods(t) {
		if old, ok := pods[name]; ok && old != uid {
			t.Errorf("%s was replaced", name)
		}
	}
}

// Safety rule 10: another authority would be trusted by nobody.
func TestALostAuthorityIsNotInvented(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.waitReady(t)
	lost := must(t, p, names.Authority(), &corev1.Secret{})
	before := p.versions(t)
	delete(before, "Secret "+names.Authority())
	p.delete(t, lost)
	p.trigger(t)
	p.waitStalled(t, v1alpha1.ReasonSecretNotFound, names.Authority(), names.Certificate(plan.Postgres), "backup")
	p.unchanged(t, before)
	lost.ResourceVersion, lost.UID = "", ""
	p.create(t, lost)
	p.trigger(t)
	p.waitReady(t)
}

func TestACertificateThatCannotBeUsedIsLeftAsItIs(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.waitReady(t)
	good := must(t, p, names.Certificate(plan.Pooler), &corev1.Secret{}).Data[plan.KeyCertificate]
	damage := func(text []byte) {
		change(t, p, names.Certificate(plan.Pooler), &corev1.Secret{}, func(s *corev1.Secret) { s.Data[plan.KeyCertificate] = text })
		p.trigger(t)
	}
	damage([]byte("x"))
	p.waitStalled(t, v1alpha1.ReasonCertificateInvalid, names.Certificate(plan.Pooler))
	if now := must(t, p, names.Certificate(plan.Pooler), &corev1.Secret{}).Data[plan.KeyCertificate]; !bytes.Equal(now, []byte("x")) {
		t.Error("it was replaced")
	}
	damage(good)
	p.waitReady(t)
}

func TestAGivenCertificateMustBeForEveryName(t *testing.T) {
	t.Parallel()
	donor := newPlatform(t)
	donor.waitReady(t)
	p := newNamespace(t)
	p.enrol(t)
	given := must(t, donor, names.Certificate(plan.Pooler), &corev1.Secret{})
	p.create(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "given"}, Type: corev1.SecretTypeTLS, Data: given.Data})
	p.declare(t, func(s *v1alpha1.FediFlowClusterSpec) {
		s.TLS = &v1alpha1.TLSSpec{CertificateSecret: v1alpha1.SecretName{Name: "given"}}
	})
	p.waitStalled(t, v1alpha1.ReasonCertificateInvalid, "Secret given")
	if versions := p.secretVersions(t); len(versions) != 1 {
		t.Errorf("there are Secrets %v", versions)
	}
}
