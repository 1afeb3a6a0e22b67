package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/apply"
	"github.com/fediflow/fediflow-operator/internal/component/catalog"
	"github.com/fediflow/fediflow-operator/internal/observe"
	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/test/apiserver"
)

// What the tests share: an API server, a client that may do everything, and a kubeconfig.
var (
	environment *envtest.Environment
	admin       client.Client
	kubeconfig  string
)

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	folder, err := os.MkdirTemp("", "")
	if err == nil {
		defer os.RemoveAll(folder)
		environment, err = apiserver.Start()
		defer func() { _ = environment.Stop() }()
	}
	if err == nil {
		kubeconfig = filepath.Join(folder, "kubeconfig")
		err = os.WriteFile(kubeconfig, environment.KubeConfig, 0o600)
	}
	if err == nil {
		admin, err = client.New(environment.Config, client.Options{Scheme: observe.Scheme()})
	}
	if err == nil {
		err = admin.Create(context.Background(), smallNode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func smallNode() *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "small", Labels: map[string]string{plan.LabelRegion: "us-east"}}}
	node.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("4Gi")}
	return node
}

// kubectl runs the plugin with a manifest as its input.
func kubectl(input string, arguments ...string) (code int, out, errOut string) {
	var stdout, stderr bytes.Buffer
	code = run(append(arguments, "--kubeconfig", kubeconfig), strings.NewReader(input), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// manifest is one of a size, with more fields of a spec.
func manifest(size, more string) string {
	return "apiVersion: fediflow.io/v1alpha1\nkind: FediFlowCluster\nmetadata: {name: social}\nspec:\n" +
		"  domain: social.example.edu\n  image: fediflow/fediflow:0.1.0\n  profile: {size: " + size + "}\n" + more
}

func newNamespace(t *testing.T) string {
	t.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if err := admin.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

func declare(t *testing.T, namespace, size string) *v1alpha1.FediFlowCluster {
	t.Helper()
	cluster := &v1alpha1.FediFlowCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "social"},
		Spec: v1alpha1.FediFlowClusterSpec{Domain: "social.example.edu", Image: "fediflow/fediflow:0.1.0",
			Profile: v1alpha1.ProfileSpec{Size: v1alpha1.ProfileSize(size)}},
	}
	if err := admin.Create(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	return cluster
}

// operate is one pass of the operator, and of the controllers of its StatefulSets.
func operate(t *testing.T, cluster *v1alpha1.FediFlowCluster) {
	t.Helper()
	reader := &observe.Reader{Cache: admin, Images: plan.Images{Postgres: "p:1", PgBouncer: "b:1", Valkey: "v:1", Edge: "e:1"}}
	facts, err := reader.Facts(t.Context(), cluster)
	if err != nil {
		t.Fatal(err)
	}
	p, problems := plan.Resolve(cluster, facts)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	world, err := reader.World(t.Context(), client.ObjectKeyFromObject(cluster))
	if err != nil {
		t.Fatal(err)
	}
	writer := &apply.Writer{Client: admin, Live: admin}
	for _, c := range catalog.Components() {
		if _, err := writer.Objects(t.Context(), cluster, world, c.Render(p).Objects); err != nil {
			t.Fatal(err)
		}
	}
	var sets appsv1.StatefulSetList
	if err := admin.List(t.Context(), &sets, client.InNamespace(cluster.Namespace)); err != nil {
		t.Fatal(err)
	}
	for _, set := range sets.Items {
		pod := &corev1.Pod{ObjectMeta: set.Spec.Template.ObjectMeta, Spec: set.Spec.Template.Spec}
		pod.Namespace, pod.Name = set.Namespace, plan.Member(set.Name, 0)
		for _, claim := range set.Spec.VolumeClaimTemplates {
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: claim.Name, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name + "-" + pod.Name}}})
		}
		if err := admin.Create(t.Context(), pod); err != nil {
			t.Fatal(err)
		}
	}
}

func expect(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestPlanByNameUsesTheFactsOfTheCluster(t *testing.T) {
	namespace := newNamespace(t)
	declare(t, namespace, "Medium")
	code, out, errOut := kubectl("", "plan", "social", "-n", namespace)
	if code != 0 || errOut != "" {
		t.Fatal(code, errOut)
	}
	expect(t, out, "Profile: size Medium", "No room:", "all 1 nodes together have cpu 2")
	_, out, _ = kubectl("", "plan", "social", "-n", namespace, "-o", "json")
	expect(t, out, `"shortfalls"`, `"postgres.max_connections"`)
	_, out, _ = kubectl("", "plan", "social", "-n", namespace, "--explain", "postgres.max_connections")
	expect(t, out, "postgres.max_connections = 180")
	if code, _, errOut = kubectl("", "plan", "other", "-n", namespace); code != exitFailed || !strings.Contains(errOut, "there is no FediFlowCluster other") {
		t.Error(code, errOut)
	}
}

func TestPlanOfAFileIsOfflineUnlessLive(t *testing.T) {
	regions := manifest("Small", "  edge: {regions: [{name: nowhere}]}\n")
	var out, errOut bytes.Buffer
	missing := filepath.Join(t.TempDir(), "none")
	if code := run([]string{"plan", "-f", "-", "--kubeconfig", missing}, strings.NewReader(regions), &out, &errOut); code != 0 {
		t.Error(code, errOut.String())
	}
	if code, _, said := kubectl(regions, "plan", "-f", "-", "--live"); code != exitFailed || !strings.Contains(said, "no node has the label") {
		t.Error(code, said)
	}
	for _, arguments := range [][]string{{"plan"}, {"plan", "social", "-f", "-"}} {
		if code, _, said := kubectl(regions, arguments...); code != exitFailed || !strings.Contains(said, "either the NAME") {
			t.Error(code, said)
		}
	}
}

func TestDiffOfANewClusterCreatesEverythingAndExitsWithOne(t *testing.T) {
	namespace := newNamespace(t)
	code, out, errOut := kubectl(manifest("Development", ""), "diff", "-f", "-", "-n", namespace)
	if code != exitDifferent || errOut != "" {
		t.Fatal(code, errOut)
	}
	expect(t, out, "+ StatefulSet social-postgres", "+ Deployment social-api", "create", "social-postgres-0")
}

func TestDiffOfWhatRunsExitsWithZeroAndAChangeWithOne(t *testing.T) {
	namespace := newNamespace(t)
	operate(t, declare(t, namespace, "Development"))
	code, out, errOut := kubectl(manifest("Development", ""), "diff", "-f", "-", "-n", namespace)
	if code != 0 || errOut != "" || !strings.Contains(out, "nothing would change") {
		t.Fatal(code, out, errOut)
	}
	code, out, errOut = kubectl(manifest("Development", "  edge: {resources: {cpu: 50m}}\n"), "diff", "-f", "-", "-n", namespace)
	if code != exitDifferent || errOut != "" {
		t.Fatal(code, out, errOut)
	}
	expect(t, out, "~ StatefulSet social-edge-default", "resources.requests.cpu: 25m → 50m", "resize in place", "(+25m)")
	if strings.Contains(out, "restart") || strings.Contains(out, "social-postgres-0") {
		t.Error(out)
	}
}

func TestDiffFailsWithMoreThanOne(t *testing.T) {
	for name, arguments := range map[string][]string{
		"no manifest":        {"diff"},
		"no such file":       {"diff", "-f", filepath.Join(t.TempDir(), "none")},
		"no such context":    {"diff", "-f", "-", "--context", "none"},
		"another namespace":  {"diff", "-f", "-", "-n", "other"},
		"an unknown format":  {"diff", "-f", "-", "-o", "xml"},
		"an unknown command": {"dif"},
	} {
		text := strings.Replace(manifest("Small", ""), "name: social", "name: social, namespace: social", 1)
		if code, _, errOut := kubectl(text, arguments...); code != exitFailed || errOut == "" {
			t.Errorf("%s: %d %s", name, code, errOut)
		}
	}
}

func TestStatusOfOneOfANamespaceAndOfAll(t *testing.T) {
	namespace, other := newNamespace(t), newNamespace(t)
	cluster := declare(t, namespace, "Small")
	declare(t, other, "Small")
	if err := admin.Create(t.Context(), &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: namespace, Name: "e"},
		InvolvedObject: corev1.ObjectReference{Kind: "FediFlowCluster", Namespace: namespace, Name: "social", UID: cluster.UID},
		Reason:         "Progressing", Message: "postgres 0/3", LastTimestamp: metav1.Now(),
	}); err != nil {
		t.Fatal(err)
	}
	for _, arguments := range [][]string{{"status", "social", "-n", namespace}, {"status", "-n", namespace}} {
		code, out, errOut := kubectl("", arguments...)
		if code != 0 || strings.Contains(out, other) {
			t.Error(code, out, errOut)
		}
		expect(t, out, namespace+"/social", "no operator has looked at it yet", "Progressing", "postgres 0/3")
	}
	_, out, _ := kubectl("", "status", "-A")
	expect(t, out, namespace+"/social", other+"/social")
	for _, arguments := range [][]string{{"status", "none", "-n", namespace}, {"status", "-n", "none"}, {"status", "social", "-A"}} {
		if code, _, errOut := kubectl("", arguments...); code != exitFailed || errOut == "" {
			t.Error(code, errOut)
		}
	}
}

func TestSwitchoverAsksAndSaysWhatBecameOfIt(t *testing.T) {
	namespace := newNamespace(t)
	cluster := declare(t, namespace, "Small")
	if code, _, errOut := kubectl("", "switchover", cluster.Name, "-n", namespace); code != exitFailed || !strings.Contains(errOut, "no database") {
		t.Errorf("without a database: %d, %s", code, errOut)
	}
	if code, _, errOut := kubectl("", "switchover", "nobody", "-n", namespace); code != exitFailed || !strings.Contains(errOut, "there is no FediFlowCluster") {
		t.Errorf("without a cluster: %d, %s", code, errOut)
	}
	answer := func(state v1alpha1.SwitchoverState, says string) {
		key := client.ObjectKeyFromObject(cluster)
		for {
			if err := admin.Get(t.Context(), key, cluster); err != nil {
				t.Errorf("read the request: %v", err)
				return
			}
			request := cluster.Annotations[plan.AnnotationSwitchover]
			known := cluster.Status.Database.Switchover
			if request != "" && (known == nil || known.Request != request) {
				cluster.Status.Database.Switchover = &v1alpha1.SwitchoverStatus{Request: request, State: state, Message: says}
				if err := admin.Status().Update(t.Context(), cluster); err != nil {
					t.Errorf("answer: %v", err)
				}
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	cluster.Status.Database = &v1alpha1.DatabaseStatus{Primary: "fediflow-postgres-0"}
	if err := admin.Status().Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		state v1alpha1.SwitchoverState
		code  int
	}{{v1alpha1.SwitchoverDone, 0}, {v1alpha1.SwitchoverRefused, exitFailed}, {v1alpha1.SwitchoverPending, exitFailed}} {
		answered := make(chan struct{})
		go func() { defer close(answered); answer(test.state, "fediflow-postgres-1 said "+string(test.state)) }()
		to := "fediflow-postgres-" + strings.ToLower(string(test.state))
		code, out, errOut := kubectl("", "switchover", cluster.Name, "-n", namespace, "--to", to, "--timeout", "5s")
		<-answered
		if code != test.code || !strings.Contains(out, "said "+string(test.state)) {
			t.Errorf("%s: %d, %s, %s", test.state, code, out, errOut)
		}
		if request := cluster.Annotations[plan.AnnotationSwitchover]; !strings.HasSuffix(request, "/"+to) {
			t.Errorf("the request is %q", request)
		}
	}
}

func TestABuiltInProfileIsAStartForOnesOwn(t *testing.T) {
	_, out, _ := kubectlOffline("profile", "show", "Medium")
	expect(t, out, "kind: PerformanceProfile", "postgres:")
	_, out, _ = kubectlOffline("profile", "list")
	expect(t, out, "XLarge")
	if code, _, errOut := kubectlOffline("profile", "show", "Huge"); code != exitFailed || errOut == "" {
		t.Error(code, errOut)
	}
}

func kubectlOffline(arguments ...string) (code int, out, errOut string) {
	var stdout, stderr bytes.Buffer
	code = run(arguments, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}
