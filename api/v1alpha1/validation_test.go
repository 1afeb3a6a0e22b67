package v1alpha1

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/test/apiserver"
)

// server is the API server of this package's tests.
var server client.Client

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	environment, err := apiserver.Start()
	defer func() {
		if err := environment.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "stop API server:", err)
		}
	}()
	if err == nil {
		server, err = client.New(environment.Config, client.Options{})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// cluster is the smallest legal FediFlowCluster with the top-level fields of a YAML fragment in its spec.
func cluster(t *testing.T, fragment string) *unstructured.Unstructured {
	t.Helper()
	spec := map[string]any{
		"domain":  "social.example.edu",
		"image":   "fediflow/fediflow:0.1.0",
		"profile": map[string]any{"size": "Small"},
	}
	var changes map[string]any
	if err := yaml.Unmarshal([]byte(fragment), &changes); err != nil {
		t.Fatalf("%v in %s", err, fragment)
	}
	maps.Copy(spec, changes)
	maps.DeleteFunc(spec, func(_ string, value any) bool { return value == nil })
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": SchemeGroupVersion.String(),
		"kind":       "FediFlowCluster",
		"metadata":   map[string]any{"namespace": "default", "name": "fediflow"},
		"spec":       spec,
	}}
}

func create(ctx context.Context, object *unstructured.Unstructured) error {
	return client.WithFieldValidation(server, metav1.FieldValidationStrict).Create(ctx, object, client.DryRunAll)
}

// causes are what the API server found wrong: "path: message", without list indexes.
func causes(err error) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	var found []string
	for _, cause := range status.Status().Details.Causes {
		found = append(found, index.ReplaceAllString(cause.Field, "[]")+": "+cause.Message)
	}
	return found
}

var index = regexp.MustCompile(`\[[^]]*\]`)

func TestTheAPIServerAccepts(t *testing.T) {
	for name, spec := range acceptances() {
		t.Run(name, func(t *testing.T) {
			if err := create(t.Context(), cluster(t, spec)); err != nil {
				t.Error(err)
			}
		})
	}
}

// Each refusal names the rule, and every rule of the schema is refused at least once.
func TestTheAPIServerRefuses(t *testing.T) {
	refuses(t, clusters, refusals(), cluster)
}

func refuses(t *testing.T, kind string, table map[string]refusal, object func(*testing.T, string) *unstructured.Unstructured) {
	t.Helper()
	var all []string
	for name, test := range table {
		t.Run(name, func(t *testing.T) {
			err := create(t.Context(), object(t, test.spec))
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("want an answer that says %q, got %v", test.says, err)
			}
			all = append(all, causes(err)...)
		})
	}
	for rule, says := range specRules(t, kind) {
		if !slices.ContainsFunc(all, says.MatchString) {
			t.Errorf("no refusal above is for %s (%s)", rule, says)
		}
	}
}

func TestNamesOfClusters(t *testing.T) {
	for name, says := range map[string]string{
		"a": "", "fediflow": "", "f-1": "", long(26): "",
		long(27): "at most 26 characters", long(63): "at most 26 characters",
		"1st": "must start with a letter", "social.example": "must start with a letter",
	} {
		t.Run(name, func(t *testing.T) {
			object := cluster(t, "")
			object.SetName(name)
			err := create(t.Context(), object)
			if says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
				t.Errorf("want an answer that says %q, got %v", says, err)
			}
		})
	}
}

func TestChangesOfASpec(t *testing.T) {
	const external = "database: {external: {host: db, credentialsSecret: {name: db}}}"
	for name, test := range map[string]struct{ from, to, says string }{
		"another domain":                         {"", "domain: other.example.edu", "domain is part of every actor's identity and cannot change"},
		"from a managed to an external database": {"", external, "cannot change between managed and external"},
		"from an external to a managed database": {external, "", "cannot change between managed and external"},
		"from an external to an empty database":  {external, "database: {}", "cannot change between managed and external"},
		"another image, size and region":         {"edge: {regions: [{name: a}]}", "{image: 'b:2', profile: {size: Large}, edge: {regions: [{name: b}]}}", ""},
		"from no database to a managed one":      {"", "database: {managed: {}}", ""},
		"another host of the external database":  {external, strings.ReplaceAll(external, "host: db", "host: db2"), ""},
		"from a managed to an unnamed database":  {"database: {managed: {instances: 2}}", "database: {}", ""},
		"from a database section to none at all": {"database: {managed: {instances: 2}}", "", ""},
		"from a size to a number of users":       {"profile: {size: Small}", "profile: {activeUsers: 500}", ""},
		"from a number of users to a profile":    {"profile: {activeUsers: 500}", "profile: {ref: ours}", ""},
	} {
		t.Run(name, func(t *testing.T) {
			object := cluster(t, test.from)
			if err := server.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := server.Delete(context.WithoutCancel(t.Context()), object); err != nil {
					t.Error(err)
				}
			})
			object.Object["spec"] = cluster(t, test.to).Object["spec"]
			err := server.Update(t.Context(), object, client.DryRunAll)
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("want an answer that says %q, got %v", test.says, err)
			}
		})
	}
}

// A GitOps tool compares what it applied with what is there.
func TestASpecIsStoredAsItWasWritten(t *testing.T) {
	object := cluster(t, `{api: {resources: {cpu: 1000m, memory: 0.5Gi}}, edge: {regions: [{name: eu}], storage: {size: 1024Mi}}}`)
	want := object.DeepCopy().Object["spec"]
	if err := create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if got := object.Object["spec"]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("stored %v\nwritten %v", got, want)
	}
}

func TestAClusterThatNobodyHasLookedAtDoesNotReadAsHealthy(t *testing.T) {
	object := cluster(t, "")
	if err := create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	observed, _, err := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	if err != nil || observed != -1 {
		t.Errorf("status.observedGeneration is %d (%v), want -1", observed, err)
	}
}
