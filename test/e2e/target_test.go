//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
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

// sql asks the server in a pod, as its superuser.
func (d *database) sql(t *testing.T, pod, query string) (string, error) {
	t.Helper()
	return d.env.exec(t, nil, d.namespace, pod, "psql", "-qAtX", "-d", plan.DatabaseName, "-c", query)
}

// members of a database that is broken, one a node.
const members = 3

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
