package controllers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/internal/observe"
	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/test/apiserver"
)

// The regions and the StorageClass that the tests' Kubernetes has.
const (
	regionEast, regionWest = "us-east", "eu-west"
	storageClass           = "fast"
)

// What all tests of this package share: one API server, a client that may do everything, and one
// operator, which has the permissions that config/ gives it and no others. Tests that stop the
// operator, cut its connection or count its passes are not parallel.
var (
	environment *envtest.Environment
	admin       client.Client
	current     *operator
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctrl.SetLogger(zap.New(zap.WriteTo(io.Discard)))
	err := start()
	defer stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func start() (err error) {
	if environment, err = apiserver.Start(); err != nil {
		return err
	}
	if admin, err = client.New(environment.Config, client.Options{Scheme: observe.Scheme()}); err != nil {
		return err
	}
	if err := furnish(context.Background()); err != nil {
		return err
	}
	current, err = startOperator()
	return err
}

func stop() {
	if current != nil {
		current.stop()
	}
	if err := environment.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop API server:", err)
	}
}

// furnish creates what a Kubernetes cluster has: nodes in regions, a StorageClass, and the operator's
// namespace and permissions.
func furnish(ctx context.Context) error {
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}},
		&storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: storageClass}, Provisioner: "example.com/none"},
	}
	for _, region := range []string{regionEast, regionWest} {
		objects = append(objects, newNode(region, "64", "256Gi"))
	}
	for _, file := range []string{"config/rbac/role.yaml", "config/rbac/role_binding.yaml"} {
		manifests, err := readManifests(file)
		if err != nil {
			return err
		}
		objects = append(objects, manifests...)
	}
	for _, object := range objects {
		if err := admin.Create(ctx, object); err != nil {
			return fmt.Errorf("create %s: %w", object.GetName(), err)
		}
	}
	return nil
}

// newNode is a node in the region of its name.
func newNode(name, cpu, memory string) *corev1.Node {
	room := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{plan.LabelRegion: name}},
		Status:     corev1.NodeStatus{Capacity: room, Allocatable: room},
	}
}

// readManifests reads the objects of a file of the repository.
func readManifests(file string) ([]client.Object, error) {
	text, err := os.ReadFile(apiserver.Path(file))
	if err != nil {
		return nil, err
	}
	var objects []client.Object
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		objects = append(objects, object)
	}
	return objects, nil
}

const operatorNamespace = "fediflow-system"

// operatorConfig connects as the operator's ServiceAccount.
func operatorConfig() (*rest.Config, error) {
	user, err := environment.AddUser(envtest.User{
		Name:   "system:serviceaccount:" + operatorNamespace + ":fediflow-operator",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + operatorNamespace},
	}, &rest.Config{QPS: -1})
	if err != nil {
		return nil, err
	}
	return user.Config(), nil
}

// patience is how long a test waits for what must happen; no test passes because of it.
const patience = 2 * time.Minute

// eventually waits until a condition holds; the condition says what it sees instead.
func eventually(t *testing.T, what string, condition func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		ok, sees := condition()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("never %s: %s", what, sees)
		}
		time.Sleep(pause)
	}
}

// says fails unless the text contains every part.
func says(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not say %q", text, part)
		}
	}
}
