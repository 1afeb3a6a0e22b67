package controllers

import (
	"bytes"
	"encoding/json"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func TestSecretsAreCreatedOnceAndNeverWrittenAgain(t *testing.T) {
	p := newNamespace(t)
	p.enrol(t)
	// One is there before: restored from a backup, or made by the admin.
	restored := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: names.RedisCredentials()},
		StringData: map[string]string{plan.KeyRedisPassword: "restored"},
	}
	p.create(t, restored)
	p.declare(t)
	p.waitReady(t)
	credentials := must(t, p, names.PostgresCredentials(), &corev1.Secret{})
	for _, key := range []string{postgres.KeySuperuserPassword, postgres.KeyReplicationPassword, postgres.KeyRewindPassword,
		postgres.KeyRestAPIPassword, postgres.KeyPassword} {
		if len(credentials.Data[key]) < 26 {
			t.Errorf("%s has %d characters", key, len(credentials.Data[key]))
		}
	}
	says(t, string(credentials.Data[postgres.KeyUserlist]), string(credentials.Data[postgres.KeyPassword]))

	change(t, p, names.PostgresCredentials(), &corev1.Secret{}, func(s *corev1.Secret) {
		s.Labels, s.Data["more"] = nil, []byte("of the admin")
	})
	all := p.secretVersions(t)
	p.respec(t, func(s *v1alpha1.FediFlowClusterSpec) { s.Pooler = &v1alpha1.PoolerSpec{Replicas: new(int32(2))} })
	p.waitReady(t)
	whileDown(t, func() {})
	p.passes(t, 2)
	if changed := differing(all, p.secretVersions(t)); len(all) != 8 || len(changed) > 0 {
		t.Errorf("of %d Secrets these changed: %v", len(all), changed)
	}
	if again := must(t, p, names.RedisCredentials(), &corev1.Secret{}); string(again.Data[plan.KeyRedisPassword]) != "restored" {
		t.Error("the restored password was replaced")
	}

	t.Run("no password is told in the status or in events", func(t *testing.T) {
		var events eventsv1.EventList
		p.list(t, &events)
		told, err := json.Marshal([]any{p.cluster(t), events.Items})
		if err != nil {
			t.Fatal(err)
		}
		for key, value := range credentials.Data {
			if key != postgres.KeyUsername && bytes.Contains(told, value) {
				t.Errorf("the value of %s is told", key)
			}
		}
	})
}

func (p *platform) secretVersions(t *testing.T) map[string]string {
	t.Helper()
	var secrets corev1.SecretList
	p.list(t, &secrets)
	versions := map[string]string{}
	for _, secret := range secrets.Items {
		versions[secret.Name] = string(secret.UID) + " " + secret.ResourceVersion
	}
	return versions
}

func TestALostSecretIsNotInventedWhileVolumesNeedIt(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.waitReady(t)
	for secret, claim := range map[string]string{
		names.PostgresCredentials(): "data-fediflow-postgres-0",
		names.RedisCredentials():    "data-fediflow-redis-",
	} {
		t.Run(secret, func(t *testing.T) {
			lost := must(t, p, secret, &corev1.Secret{})
			backup := lost.DeepCopy()
			before := p.versions(t)
			delete(before, "Secret "+secret)
			p.delete(t, lost)
			p.trigger(t)
			p.waitStalled(t, v1alpha1.ReasonSecretNotFound, secret, claim, "restore the Secret from a backup")
			p.passes(t, 2)
			p.unchanged(t, before)

			backup.ResourceVersion, backup.UID = "", ""
			p.create(t, backup)
			p.trigger(t)
			p.waitReady(t)
		})
	}
}

func TestALostSecretIsMadeAgainWhereNoVolumeNeedsIt(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.waitApplied(t)
	for _, name := range []string{names.PostgresCredentials(), names.RedisCredentials()} {
		lost := must(t, p, name, &corev1.Secret{})
		p.delete(t, lost)
		p.passes(t, 1)
		if again := must(t, p, name, &corev1.Secret{}); again.UID == lost.UID {
			t.Errorf("%s was not deleted", name)
		}
	}
}

func TestANamespaceThatIsNotEnrolledIsToldHow(t *testing.T) {
	t.Parallel()
	p := newNamespace(t)
	p.declare(t)
	p.waitStalled(t, v1alpha1.ReasonSecretForbidden, p.namespace, "config/namespace")
	p.enrol(t)
	eventually(t, "healed", func() (bool, string) {
		p.trigger(t)
		stalled := condition(p.cluster(t), v1alpha1.ConditionStalled)
		return stalled.Status == "", stalled.Message
	})
	p.waitReady(t)

	// Missing is not empty: what may not be read is not made anew, and nothing is taken away.
	t.Run("and one that is no longer enrolled keeps all it has", func(t *testing.T) {
		before := p.versions(t)
		p.delete(t, must(t, p, "fediflow-operator-secrets", &rbacv1.RoleBinding{}))
		eventually(t, "stalled", func() (bool, string) {
			p.trigger(t)
			return condition(p.cluster(t), v1alpha1.ConditionStalled).Reason == v1alpha1.ReasonSecretForbidden, "not stalled"
		})
		p.passes(t, 2)
		p.unchanged(t, before)
	})
}

func TestASecretThatTheSpecNamesMustExist(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		edit   func(*v1alpha1.FediFlowClusterSpec)
		secret string
	}{
		"of an external database": {external, "db"},
		"for pulling images": {func(s *v1alpha1.FediFlowClusterSpec) {
			s.ImagePullSecrets = []v1alpha1.SecretName{{Name: "registry"}}
		}, "registry"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t, test.edit)
			p.waitStalled(t, v1alpha1.ReasonSecretNotFound, "Secret "+test.secret, p.namespace, "create it")
			if present := p.present(t); len(present) > 0 {
				t.Errorf("there is already %v", present)
			}
			p.create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: test.secret}})
			p.trigger(t)
			p.waitReady(t)
			if versions := p.secretVersions(t); versions[names.PostgresCredentials()] != "" && test.secret == "db" {
				t.Error("credentials were made for a database that somebody else runs")
			}
		})
	}
}
