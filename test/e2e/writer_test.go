//go:build e2e

package e2e

import (
	"context"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// writer is a pod that writes numbered rows through the write pooler, as fast as it can, and says
// which of them were acknowledged.
type writer struct {
	env *environment
	pod string
}

// Each row is one connection and one statement: what a write that meets the failover sees.
const writerScript = `
psql -qAtc 'create table if not exists written (run text, id bigint, primary key (run, id))' || exit 1
for ((n = 1; ; n++)); do
  if timeout 20 psql -qAtc "insert into written values ('$RUN', $n)"; then echo "ack $n $EPOCHREALTIME"; else echo "nak $n"; sleep 0.2; fi
done`

// startWriter starts a writer on a node that does not run the avoided pod.
func (e *environment) startWriter(t *testing.T, run string, avoid *corev1.Pod) *writer {
	t.Helper()
	primary := e.primary(t)
	secret := func(key string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: names.PostgresCredentials()}, Key: key}}
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "writer-" + run},
		Spec: corev1.PodSpec{
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: new(int64),
			Affinity: &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
				RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
					MatchFields: []corev1.NodeSelectorRequirement{{
						Key: "metadata.name", Operator: corev1.NodeSelectorOpNotIn, Values: []string{avoid.Spec.NodeName}}},
				}}}}},
			SecurityContext: primary.Spec.SecurityContext,
			Containers: []corev1.Container{{
				Name:            "writer",
				Image:           primary.Spec.Containers[0].Image,
				SecurityContext: primary.Spec.Containers[0].SecurityContext,
				Command:         []string{"bash", "-c", writerScript},
				Env: []corev1.EnvVar{
					{Name: "RUN", Value: run},
					{Name: "PGHOST", Value: names.Pooler(plan.ReadWrite)},
					{Name: "PGPORT", Value: strconv.Itoa(int(plan.PoolerPort))},
					{Name: "PGDATABASE", Value: plan.DatabaseName},
					{Name: "PGCONNECT_TIMEOUT", Value: "3"},
					{Name: "PGUSER", ValueFrom: secret(postgres.KeyUsername)},
					{Name: "PGPASSWORD", ValueFrom: secret(postgres.KeyPassword)},
				},
			}},
		},
	}
	if err := e.client.Create(t.Context(), pod); err != nil {
		t.Fatalf("start the writer: %v", err)
	}
	w := &writer{env: e, pod: pod.Name}
	t.Cleanup(func() {
		err := e.client.Delete(context.Background(), pod, client.GracePeriodSeconds(0))
		if err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("remove the writer: %v", err)
		}
	})
	w.waitAcknowledged(t, 20)
	return w
}

// acknowledged returns what was acknowledged so far, and the longest time without any.
func (w *writer) acknowledged(t *testing.T) (ids []int, gap time.Duration) {
	t.Helper()
	output, err := w.env.tryKubectl(t.Context(), "logs", w.pod)
	if err != nil {
		return nil, 0
	}
	var last float64
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[0] != "ack" {
			continue
		}
		id, err := strconv.Atoi(fields[1])
		if err != nil {
			t.Fatalf("the writer said %q", line)
		}
		at, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			t.Fatalf("the writer said %q", line)
		}
		if last > 0 {
			gap = max(gap, time.Duration((at-last)*float64(time.Second)))
		}
		ids, last = append(ids, id), at
	}
	return ids, gap
}

// waitAcknowledged waits for more acknowledged writes.
func (w *writer) waitAcknowledged(t *testing.T, more int) {
	t.Helper()
	before, _ := w.acknowledged(t)
	eventually(t, strconv.Itoa(more)+" more writes acknowledged", func() (bool, string) {
		now, _ := w.acknowledged(t)
		return len(now) >= len(before)+more, "writing"
	})
}

// check fails unless every acknowledged write can be read on the primary.
func (w *writer) check(t *testing.T) {
	t.Helper()
	ids, gap := w.acknowledged(t)
	run := strings.TrimPrefix(w.pod, "writer-")
	rows := w.env.kubectl(t, "exec", w.pod, "--", "psql", "-qAtc", "select id from written where run = '"+run+"'")
	stored := map[string]bool{}
	for row := range strings.Lines(rows) {
		stored[strings.TrimSpace(row)] = true
	}
	var lost []int
	for _, id := range ids {
		if !stored[strconv.Itoa(id)] {
			lost = append(lost, id)
		}
	}
	t.Logf("%d writes acknowledged, %d lost, longest gap %s", len(ids), len(lost), gap.Round(time.Millisecond))
	if len(lost) > 0 {
		t.Fatalf("acknowledged writes are lost: %v", lost)
	}
}
