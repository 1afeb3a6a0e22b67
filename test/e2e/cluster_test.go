//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

const (
	systemNamespace = "fediflow-system"
	namespace       = "fediflow-e2e"
	clusterName     = "e2e"
	domain          = "e2e.example.edu"
	image           = "fediflow/fediflow:0.1.0"

	// On a busy machine of two cores the slowest change takes about two minutes.
	patience = 6 * time.Minute
)

var names = plan.ClusterName(clusterName)

// environment is the Kubernetes cluster under test.
type environment struct {
	client client.Client
	root   string
}

func newEnvironment() (*environment, error) {
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return nil, err
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return nil, fmt.Errorf("no cluster: run `make demo` first, or set KUBECONFIG: %w", err)
	}
	config.WarningHandlerWithContext = rest.NoWarnings{} // Patroni's Endpoints are deprecated, as we know
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("the cluster of KUBECONFIG does not answer: run `make demo` first: %w", err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	return &environment{client: c, root: root}, nil
}

// kubectl runs kubectl in the test's namespace and returns its output.
func (e *environment) kubectl(t *testing.T, arguments ...string) string {
	t.Helper()
	// Not the test's context: cleaning up goes on when that has ended.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	output, err := e.tryKubectl(ctx, arguments...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
	return output
}

func (e *environment) tryKubectl(ctx context.Context, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, "kubectl", append([]string{"-n", namespace}, arguments...)...)
	command.Dir = e.root
	output, err := command.CombinedOutput()
	return string(output), err
}

// lab runs the local cluster's own program, for what only it can do.
func (e *environment) lab(t *testing.T, arguments ...string) {
	t.Helper()
	output, err := exec.CommandContext(context.Background(), filepath.Join(e.root, ".cache/bin/lab"), arguments...).CombinedOutput()
	if err != nil {
		t.Fatalf("lab %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
}

// eventually asks until the answer is yes, and fails with the last state if it never is.
func eventually(t *testing.T, what string, question func() (done bool, state string)) {
	t.Helper()
	start := time.Now()
	said := ""
	for {
		done, state := question()
		if done {
			t.Logf("%s after %s", what, time.Since(start).Round(100*time.Millisecond))
			return
		}
		if state != said {
			t.Logf("%4.0f s  %s", time.Since(start).Seconds(), state)
			said = state
		}
		if time.Since(start) > patience {
			t.Fatalf("not %s after %s: %s", what, patience, state)
		}
		time.Sleep(500 * time.Millisecond)
	}
}

func (e *environment) get(t *testing.T, name string, object client.Object) {
	t.Helper()
	if err := e.client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, object); err != nil {
		t.Fatalf("get %s: %v", name, err)
	}
}

func (e *environment) cluster(t *testing.T) *v1alpha1.FediFlowCluster {
	t.Helper()
	cluster := &v1alpha1.FediFlowCluster{}
	e.get(t, clusterName, cluster)
	return cluster
}

// change edits the spec as a user would.
func (e *environment) change(t *testing.T, edit func(*v1alpha1.FediFlowClusterSpec)) {
	t.Helper()
	cluster := e.cluster(t)
	before := cluster.DeepCopy()
	edit(&cluster.Spec)
	if err := e.client.Patch(t.Context(), cluster, client.MergeFrom(before)); err != nil {
		t.Fatalf("change the spec: %v", err)
	}
}

// waitReady waits until the operator has seen this very spec and everything in it is ready.
func (e *environment) waitReady(t *testing.T) {
	t.Helper()
	eventually(t, "ready", func() (bool, string) {
		status := e.cluster(t).Status
		ready := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady)
		if ready == nil || status.ObservedGeneration != e.cluster(t).Generation {
			return false, "the operator has not seen the spec"
		}
		return ready.Status == metav1.ConditionTrue, ready.Reason + ": " + ready.Message
	})
}

// waitStalled waits for a problem that says all of words.
func (e *environment) waitStalled(t *testing.T, name, reason string, words ...string) {
	t.Helper()
	eventually(t, "stalled with "+reason, func() (bool, string) {
		var cluster v1alpha1.FediFlowCluster
		e.get(t, name, &cluster)
		status := cluster.Status
		stalled := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled)
		if stalled == nil {
			return false, "not stalled"
		}
		missing := slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(stalled.Message, word) })
		return stalled.Reason == reason && !missing && !meta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady),
			stalled.Reason + ": " + stalled.Message
	})
}

func (e *environment) pods(t *testing.T, component plan.ComponentName) []corev1.Pod {
	t.Helper()
	var pods corev1.PodList
	err := e.client.List(t.Context(), &pods, client.InNamespace(namespace), client.MatchingLabels(names.Selector(component)))
	if err != nil {
		t.Fatalf("list pods of %s: %v", component, err)
	}
	return pods.Items
}

// primary is the pod that Patroni labels as such, and holds the leader lock.
func (e *environment) primary(t *testing.T) *corev1.Pod {
	t.Helper()
	for _, pod := range e.pods(t, plan.Postgres) {
		if pod.Labels[plan.LabelRole] == "primary" {
			return &pod
		}
	}
	t.Fatal("no database pod has the role primary")
	return nil
}

// waitOtherPrimary waits until the write Service leads to another pod than the given one.
func (e *environment) waitOtherPrimary(t *testing.T, old *corev1.Pod) {
	t.Helper()
	eventually(t, "another primary", func() (bool, string) {
		leader := e.leader(t)
		return leader != "" && leader != old.Name, "the leader is " + leader
	})
}

// leader holds the leader lock, in the very object that routes writes.
func (e *environment) leader(t *testing.T) string {
	t.Helper()
	endpoints := &corev1.Endpoints{} //nolint:staticcheck // Patroni's state is in Endpoints
	e.get(t, names.Component(plan.Postgres), endpoints)
	return endpoints.Annotations["leader"]
}

// removeNamespace deletes what an earlier run left, volumes too.
func (e *environment) removeNamespace(ctx context.Context, name string) error {
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := client.IgnoreNotFound(e.client.Delete(ctx, object)); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Second) {
		err := e.client.Get(ctx, client.ObjectKeyFromObject(object), object)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("namespace %s is still there: %w", name, err)
		}
	}
}

func newCluster(size v1alpha1.ProfileSize) *v1alpha1.FediFlowCluster {
	return &v1alpha1.FediFlowCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: clusterName},
		Spec: v1alpha1.FediFlowClusterSpec{
			Domain:  domain,
			Image:   image,
			Profile: v1alpha1.ProfileSpec{Size: size},
			Edge:    &v1alpha1.EdgeSpec{Regions: []v1alpha1.EdgeRegionSpec{{Name: "us-east"}, {Name: "eu-west"}}},
		},
	}
}

func TestMain(m *testing.M) {
	env, err := newEnvironment()
	if err == nil {
		err = env.removeNamespace(context.Background(), namespace)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	code := m.Run()
	if code == 0 {
		err = env.removeNamespace(context.Background(), namespace)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(code)
}
