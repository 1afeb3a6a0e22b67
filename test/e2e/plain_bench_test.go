//go:build e2e && bench

package e2e

import (
	"context"
	"crypto/rand"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/test/failover/history"
)

const (
	plainNamespace = "fediflow-e2e-plain"
	plainName      = "plain-patroni"
)

// plainPatroni brings up what a FediFlowCluster's database is compared with.
func (e *environment) plainPatroni(t *testing.T) *database {
	t.Helper()
	if err := e.removeNamespace(t.Context(), plainNamespace); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		if err := e.removeNamespace(context.Background(), plainNamespace); err != nil {
			t.Error(err)
		}
	})
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: plainNamespace, Name: plainName},
		StringData: map[string]string{postgres.KeyUsername: plan.DatabaseUser},
	}
	for _, key := range []string{
		postgres.KeySuperuserPassword, postgres.KeyReplicationPassword, postgres.KeyRewindPassword,
		postgres.KeyRestAPIPassword, postgres.KeyPassword,
	} {
		secret.StringData[key] = rand.Text()
	}
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: plainNamespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	if err := e.client.Create(t.Context(), space); err != nil {
		t.Fatal(err)
	}
	if err := e.client.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	e.kubectl(t, "-n", plainNamespace, "apply", "-f", "test/e2e/testdata/plain-patroni.yaml")
	return &database{
		env: e, system: "plain Patroni", namespace: plainNamespace,
		selector: map[string]string{"app": plainName}, roleLabel: "role",
		credentials: plainName,
		addresses:   map[history.Path]string{history.Direct: address(plainName, plan.PostgresPort)},
		leader:      e.plainLeader,
		settled:     func(*testing.T) {},
	}
}

// plainLeader is "" before there is any.
func (e *environment) plainLeader(t *testing.T) string {
	t.Helper()
	var list corev1.ConfigMapList
	if err := e.client.List(t.Context(), &list, client.InNamespace(plainNamespace)); err != nil {
		t.Fatalf("list Patroni's state: %v", err)
	}
	for _, state := range list.Items {
		if state.Name == plainName+"-leader" {
			return state.Annotations["leader"]
		}
	}
	return ""
}
