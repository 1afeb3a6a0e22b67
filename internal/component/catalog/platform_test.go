package catalog

import (
	"encoding/json"
	"os"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

const samplePath = "../../../config/samples/fediflow.yaml"

// facts are those of a cluster with every region that the sample names.
var facts = plan.Facts{
	Images: plan.Images{
		Postgres:  "fediflow/postgres:0.1.0",
		PgBouncer: "fediflow/pgbouncer:0.1.0",
		Valkey:    "fediflow/valkey:0.1.0",
		Edge:      "fediflow/edge:0.1.0",
	},
	Regions: []string{"asia-pacific", "eu-west", "us-east"},
}

// platform is a plan and the folder of its golden files.
type platform struct {
	name string
	plan plan.Plan
}

// goldenPlatforms are the named sizes and the sample.
func goldenPlatforms(t *testing.T) []platform {
	t.Helper()
	var platforms []platform
	for _, size := range plan.Sizes() {
		platforms = append(platforms, platform{string(size), resolve(t, minimal(size))})
	}
	return append(platforms, platform{"sample", resolve(t, sample(t))})
}

// allPlatforms adds what no sample shows: a database elsewhere, and a registry with credentials.
func allPlatforms(t *testing.T) []platform {
	t.Helper()
	external := minimal(v1alpha1.SizeSmall)
	external.Spec.Database = &v1alpha1.DatabaseSpec{External: &v1alpha1.ExternalDatabaseSpec{
		Host: "db.example.edu", CredentialsSecret: v1alpha1.SecretName{Name: "external-database"},
	}}
	external.Spec.ImagePullSecrets = []v1alpha1.SecretName{{Name: "registry"}}
	return append(goldenPlatforms(t), platform{"external database", resolve(t, external)})
}

func minimal(size v1alpha1.ProfileSize) *v1alpha1.FediFlowCluster {
	cluster := &v1alpha1.FediFlowCluster{}
	cluster.Name, cluster.Namespace = "fediflow", "fediflow"
	cluster.Spec.Domain = "social.example.edu"
	cluster.Spec.Image = "fediflow/fediflow:0.1.0"
	cluster.Spec.Profile.Size = size
	return cluster
}

func sample(t *testing.T) *v1alpha1.FediFlowCluster {
	t.Helper()
	text, err := os.ReadFile(samplePath)
	if err != nil {
		t.Fatal(err)
	}
	cluster := &v1alpha1.FediFlowCluster{}
	if err := yaml.UnmarshalStrict(text, cluster); err != nil {
		t.Fatal(err)
	}
	return cluster
}

func resolve(t *testing.T, cluster *v1alpha1.FediFlowCluster) plan.Plan {
	t.Helper()
	p, problems := plan.Resolve(cluster, facts)
	if len(problems) > 0 {
		t.Fatalf("resolve: %v", problems)
	}
	return p
}

// forEachPlatform runs a test on every platform.
func forEachPlatform(t *testing.T, test func(t *testing.T, p plan.Plan)) {
	t.Helper()
	for _, platform := range allPlatforms(t) {
		t.Run(platform.name, func(t *testing.T) { test(t, platform.plan) })
	}
}

// child is a rendered object as the API server reads it.
type child struct {
	component plan.ComponentName
	kind      string
	lifetime  component.Lifetime
	client.Object
}

func (c child) String() string { return c.kind + " " + c.GetName() }

// children are all objects of a plan.
func children(t *testing.T, p plan.Plan) []child {
	t.Helper()
	var all []child
	for _, c := range Components() {
		for _, object := range c.Render(p).Objects {
			all = append(all, typed(t, c.Name, object))
		}
	}
	if len(all) == 0 {
		t.Fatal("nothing is rendered")
	}
	return all
}

func typed(t *testing.T, name plan.ComponentName, object component.Object) child {
	t.Helper()
	text, err := json.Marshal(object.Configuration)
	if err != nil {
		t.Fatal(err)
	}
	decoded, kind, err := scheme.Codecs.UniversalDeserializer().Decode(text, nil, nil)
	if err != nil {
		t.Fatalf("decode %s: %v", text, err)
	}
	typed, ok := decoded.(client.Object)
	if !ok {
		t.Fatalf("%s is no object", text)
	}
	return child{name, kind.Kind, object.Lifetime, typed}
}

// only are the objects of one type.
func only[T client.Object](all []child) []T {
	var objects []T
	for _, c := range all {
		if object, ok := c.Object.(T); ok {
			objects = append(objects, object)
		}
	}
	return objects
}

// secrets are all Secrets that a plan generates.
func secrets(p plan.Plan) []component.Secret {
	var all []component.Secret
	for _, c := range Components() {
		all = append(all, c.Render(p).Secrets...)
	}
	return all
}

// workload is an object that makes pods.
type workload struct {
	child
	template corev1.PodTemplateSpec
	selector map[string]string
}

// replicated says whether the workload has members that come and go.
func (w workload) replicated() bool { return w.kind != "Job" }

func (w workload) selectedBy(selector map[string]string) bool {
	return labels.SelectorFromSet(selector).Matches(labels.Set(w.template.Labels))
}

// claims are the volume claim templates of a StatefulSet.
func (w workload) claims() []corev1.PersistentVolumeClaim {
	if set, ok := w.Object.(*appsv1.StatefulSet); ok {
		return set.Spec.VolumeClaimTemplates
	}
	return nil
}

// serviceName is the Service that names the members of a StatefulSet.
func (w workload) serviceName() string {
	if set, ok := w.Object.(*appsv1.StatefulSet); ok {
		return set.Spec.ServiceName
	}
	return ""
}

func (w workload) containers() []corev1.Container {
	return append(append([]corev1.Container{}, w.template.Spec.InitContainers...), w.template.Spec.Containers...)
}

func workloads(t *testing.T, p plan.Plan) []workload {
	t.Helper()
	var all []workload
	for _, c := range children(t, p) {
		switch object := c.Object.(type) {
		case *appsv1.Deployment:
			all = append(all, workload{c, object.Spec.Template, object.Spec.Selector.MatchLabels})
		case *appsv1.StatefulSet:
			all = append(all, workload{c, object.Spec.Template, object.Spec.Selector.MatchLabels})
		case *batchv1.Job:
			all = append(all, workload{c, object.Spec.Template, nil})
		}
	}
	return all
}
