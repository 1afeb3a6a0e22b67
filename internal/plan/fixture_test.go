package plan

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// What the tests' Kubernetes has.
var testFacts = Facts{
	Images:         Images{Postgres: "postgres:1", PgBouncer: "pgbouncer:1", Valkey: "valkey:1", Edge: "edge:1"},
	Regions:        []string{"eu-west", "us-east"},
	Zones:          []string{"a", "b", "c"},
	StorageClasses: []string{"fast", "slow"},
}

// testCluster is a cluster of a size, with the fields of a YAML fragment in its spec.
func testCluster(t rapid.TB, size v1alpha1.ProfileSize, fragment string) *v1alpha1.FediFlowCluster {
	t.Helper()
	cluster := &v1alpha1.FediFlowCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: "social", Name: "fediflow"},
		Spec: v1alpha1.FediFlowClusterSpec{
			Domain:  "social.example.edu",
			Image:   "fediflow/fediflow:0.1.0",
			Profile: v1alpha1.ProfileSpec{Size: size},
		},
	}
	if err := yaml.UnmarshalStrict([]byte(fragment), &cluster.Spec); err != nil {
		t.Fatalf("%v in %s", err, fragment)
	}
	return cluster
}

func mustResolve(t rapid.TB, cluster *v1alpha1.FediFlowCluster, facts Facts) Plan {
	t.Helper()
	p, problems := Resolve(cluster, facts)
	if len(problems) > 0 {
		t.Fatalf("problems: %v", problems)
	}
	return p
}
