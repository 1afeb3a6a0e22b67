//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/test/failover/history"
)

// database is one that is broken while somebody writes to it: that of a FediFlowCluster, or another
// one to compare it with. Its pods run Patroni.
type database struct {
	env       *environment
	system    string
	namespace string
	selector  map[string]string
	roleLabel string
	// credentials is the Secret with a username and a password that may write.
	credentials string
	addresses   map[history.Path]string
	// leader is who holds Patroni's leader lock.
	leader func(*testing.T) string
	// settled waits until whoever manages it has nothing more to do.
	settled func(*testing.T)
}

// database is that of the FediFlowCluster.
func (e *environment) database() *database {
	return &database{
		env: e, system: "FediFlow", namespace: namespace,
		selector: names.Selector(plan.Postgres), roleLabel: plan.LabelRole,
		credentials: names.PostgresCredentials(),
		addresses: map[history.Path]string{
			history.Pooled: address(names.Pooler(plan.ReadWrite), plan.PoolerPort),
			history.Direct: address(names.Component(plan.Postgres), plan.PostgresPort),
		},
		leader: e.leader, settled: e.waitReady,
	}
}

func address(host string, port int32) string { return host + ":" + strconv.Itoa(int(port)) }

func (d *database) pods(t *testing.T) []corev1.Pod {
	t.Helper()
	var pods corev1.PodList
	if err := d.env.client.List(t.Context(), &pods, client.InNamespace(d.namespace), client.MatchingLabels(d.selector)); err != nil {
		t.Fatalf("list database pods: %v", err)
	}
	return pods.Items
}

// primary is the pod that holds the leader lock.
func (d *database) primary(t *testing.T) *corev1.Pod {
	t.Helper()
	leader := d.leader(t)
	for _, pod := range d.pods(t) {
		if pod.Name == leader {
			return &pod
		}
	}
	t.Fatalf("the leader %q is no pod", leader)
	return nil
}

// state is a database's redundancy as its leader sees it.
type state struct{ timeline, streaming, synchronous int }

const askState = `select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int,
	count(*) filter (where state = 'streaming'), count(*) filter (where sync_state in ('sync', 'quorum')) from pg_stat_replication`

// state fails while there is no leader that takes writes.
func (d *database) state(t *testing.T) (state, error) {
	t.Helper()
	var s state
	answer, err := d.sql(t, d.leader(t), askState)
	if err != nil {
		return s, err
	}
	if _, err := fmt.Sscan(strings.ReplaceAll(answer, "|", " "), &s.timeline, &s.streaming, &s.synchronous); err != nil {
		return s, fmt.Errorf("read %q: %w", answer, err)
	}
	return s, nil
}

// sql asks the server in a pod, as its superuser.
func (d *database) sql(t *testing.T, pod, query string) (string, error) {
	t.Helper()
	return d.env.exec(t, nil, d.namespace, pod, "psql", "-qAtX", "-d", plan.DatabaseName, "-c", query)
}

// redundant says whether all members are ready and stream, one of them synchronously, and if not, why.
func (d *database) redundant(t *testing.T) (now state, missing string) {
	t.Helper()
	pods := d.pods(t)
	for _, pod := range pods {
		if !pod.DeletionTimestamp.IsZero() {
			return now, pod.Name + " is ending"
		}
		if !podReady(&pod) {
			return now, pod.Name + " is not ready"
		}
	}
	now, err := d.state(t)
	switch {
	case err != nil:
		return now, firstLine(err.Error())
	case len(pods) != members || now.streaming != members-1 || now.synchronous == 0:
		return now, fmt.Sprintf("%d pods, %d stream, %d synchronous", len(pods), now.streaming, now.synchronous)
	}
	return now, ""
}

// members of a database whose redundancy is waited for.
const members = 3

func podReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// exec runs a command in a pod and returns what it says on standard output.
func (e *environment) exec(t *testing.T, input io.Reader, namespace, pod string, command ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	arguments := []string{"-n", namespace, "exec", pod}
	if input != nil {
		arguments = append(arguments, "-i")
	}
	run := exec.CommandContext(ctx, "kubectl", append(append(arguments, "--"), command...)...)
	run.Stdin = input
	var output, problems bytes.Buffer
	run.Stdout, run.Stderr = &output, &problems
	if err := run.Run(); err != nil {
		return "", errors.New(strings.TrimSpace(problems.String() + " (" + err.Error() + ")"))
	}
	return output.String(), nil
}
