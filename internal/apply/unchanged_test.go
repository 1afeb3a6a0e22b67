package apply

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
)

func TestAnObjectIsUnchangedWhenItHoldsEveryDesiredValue(t *testing.T) {
	tests := map[string]struct {
		want, have string
		unchanged  bool
	}{
		"the same":                               {"spec: {replicas: 3, paused: false}", "spec: {replicas: 3, paused: false}", true},
		"another value":                          {"spec: {replicas: 3}", "spec: {replicas: 4}", false},
		"a value that is not there":              {"spec: {replicas: 3}", "spec: {}", false},
		"a section that is not there":            {"spec: {template: {a: b}}", "{}", false},
		"defaults that the server added":         {"spec: {a: b}", "{spec: {a: b, restartPolicy: Always}, status: {ready: 1}}", true},
		"labels that somebody else added":        {"metadata: {labels: {ours: x}}", "metadata: {labels: {ours: x, theirs: y}, uid: u}", true},
		"a label that somebody else changed":     {"metadata: {labels: {ours: x}}", "metadata: {labels: {ours: y}}", false},
		"cores in another notation":              {"cpu: 1000m", "cpu: '1'", true},
		"bytes in another notation":              {"memory: 1Gi", "memory: 1024Mi", true},
		"a quantity that was a number":           {"cpu: '2'", "cpu: 2", true},
		"another quantity":                       {"memory: 1Gi", "memory: 1G", false},
		"text that is no quantity":               {"image: a:1", "image: a:2", false},
		"a quantity where text is":               {"memory: 1Gi", "memory: lots", false},
		"numbers of different Go types":          {"port: 80", "port: 80.0", true},
		"a zero that is not there":               {"maxUnavailable: 0", "{}", false},
		"a section that is empty and not there":  {"emptyDir: {}", "name: tmp", true},
		"a section that is empty and filled":     {"emptyDir: {}", "emptyDir: {medium: Memory}", true},
		"a section where a value is":             {"a: {b: c}", "a: b", false},
		"a value where a section is":             {"a: b", "a: {b: c}", false},
		"a list that is empty and not there":     {"args: []", "name: x", false},
		"a list in another order":                {"args: [a, b]", "args: [b, a]", false},
		"a list that is longer":                  {"args: [a]", "args: [a, b]", false},
		"a list that is shorter":                 {"args: [a, b]", "args: [a]", false},
		"a list where a value is":                {"args: [a]", "args: a", false},
		"named items in another order":           {"env: [{name: a, value: '1'}, {name: b, value: '2'}]", "env: [{name: b, value: '2'}, {name: a, value: '1'}]", true},
		"a named item that somebody else added":  {"containers: [{name: a}]", "containers: [{name: injected}, {name: a}]", true},
		"a named item that is gone":              {"env: [{name: a}, {name: b}]", "env: [{name: a}]", false},
		"a named item that changed":              {"env: [{name: a, value: '1'}]", "env: [{name: a, value: '2'}]", false},
		"a named item with defaults":             {"ports: [{name: http, port: 80}]", "ports: [{name: http, port: 80, protocol: TCP, nodePort: 31000}]", true},
		"ports without names":                    {"ports: [{containerPort: 80}, {containerPort: 81}]", "ports: [{containerPort: 81, protocol: TCP}, {containerPort: 80, protocol: TCP}]", true},
		"mounts without names":                   {"mounts: [{mountPath: /a}]", "mounts: [{mountPath: /b}, {mountPath: /a}]", true},
		"owners":                                 {"owners: [{uid: u, controller: true}]", "owners: [{uid: v}, {uid: u, controller: true}]", true},
		"spread constraints":                     {"spread: [{topologyKey: h, maxSkew: 1}]", "spread: [{topologyKey: h, maxSkew: 2}]", false},
		"items without a key, one after another": {"metrics: [{type: Resource}, {type: Pods}]", "metrics: [{type: Pods}, {type: Resource}]", false},
		"items of which one has no key":          {"rules: [{name: a}, {port: 1}]", "rules: [{name: a}, {port: 1}]", true},
		"items where values are":                 {"env: [{name: a}]", "env: [a]", false},
		"a truth that is a lie":                  {"readOnly: true", "readOnly: false", false},
		"a truth that is a word":                 {"value: 'true'", "value: 'false'", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := holds(parse(t, test.have), parse(t, test.want)); got != test.unchanged {
				t.Errorf("unchanged: %v", got)
			}
		})
	}
}

func parse(t *testing.T, text string) map[string]any {
	t.Helper()
	var content map[string]any
	if err := yaml.Unmarshal([]byte(text), &content); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return content
}

var owner = &v1alpha1.FediFlowCluster{ObjectMeta: metav1.ObjectMeta{Name: "fediflow", Namespace: "social", UID: types.UID("u-1")}}

func deployment(changes ...func(*acapps.DeploymentApplyConfiguration)) component.Object {
	configuration := acapps.Deployment("api", "social").
		WithLabels(map[string]string{"fediflow.io/cluster": "fediflow"}).
		WithSpec(acapps.DeploymentSpec().WithReplicas(3).WithTemplate(accore.PodTemplateSpec().
			WithSpec(accore.PodSpec().WithContainers(accore.Container().WithName("api").WithImage("a:1")))))
	for _, change := range changes {
		change(configuration)
	}
	return component.Owned(configuration)[0]
}

// applied is what the API server makes of an object.
func applied(t *testing.T, object component.Object) *appsv1.Deployment {
	t.Helper()
	desired, err := Prepare(owner, object)
	if err != nil {
		t.Fatal(err)
	}
	live := &appsv1.Deployment{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(desired.Object, live); err != nil {
		t.Fatal(err)
	}
	live.ResourceVersion, live.Generation = "12", 3
	live.Spec.RevisionHistoryLimit = new(int32)
	live.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyAlways
	live.Status.Replicas = 3
	return live
}

func TestALiveObjectIsComparedWithWhatIsDesired(t *testing.T) {
	image := func(image string) func(*acapps.DeploymentApplyConfiguration) {
		return func(d *acapps.DeploymentApplyConfiguration) { d.Spec.Template.Spec.Containers[0].WithImage(image) }
	}
	tests := map[string]struct {
		before, now func(*acapps.DeploymentApplyConfiguration)
		tampered    func(*appsv1.Deployment)
		unchanged   bool
	}{
		"nothing happened":                      {image("a:1"), image("a:1"), func(*appsv1.Deployment) {}, true},
		"the configuration changed":             {image("a:1"), image("a:2"), func(*appsv1.Deployment) {}, false},
		"somebody changed a field of ours":      {image("a:1"), image("a:1"), func(d *appsv1.Deployment) { *d.Spec.Replicas = 9 }, false},
		"somebody changed a field of their own": {image("a:1"), image("a:1"), func(d *appsv1.Deployment) { d.Spec.Paused = true }, true},
		"somebody removed the owner":            {image("a:1"), image("a:1"), func(d *appsv1.Deployment) { d.OwnerReferences = nil }, false},
		"somebody removed the digest":           {image("a:1"), image("a:1"), func(d *appsv1.Deployment) { d.Annotations = nil }, false},
		// The live object still holds every desired value; only the digest tells.
		"a field is no longer rendered": {
			image("a:1"), func(d *acapps.DeploymentApplyConfiguration) { d.Spec.Replicas = nil }, func(*appsv1.Deployment) {}, false,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			live := applied(t, deployment(test.before))
			test.tampered(live)
			desired, err := Prepare(owner, deployment(test.now))
			if err != nil {
				t.Fatal(err)
			}
			unchanged, err := Unchanged(desired, live)
			if err != nil || unchanged != test.unchanged {
				t.Errorf("unchanged: %v, error: %v", unchanged, err)
			}
		})
	}
}
