package kube

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

func someResources(cpu, memory string) plan.Resources {
	return plan.Resources{CPU: resource.MustParse(cpu), Memory: resource.MustParse(memory)}
}

// template is a pod template with one thing changed.
func template(change func(labels map[string]string, config *string, spec *accore.PodSpecApplyConfiguration)) *accore.PodTemplateSpecApplyConfiguration {
	labels, config := map[string]string{"app": "db"}, "config"
	spec := PodSpec(p, ServiceUser).
		WithContainers(
			Container("main", "image:1", someResources("1", "1Gi")).WithEnv(Env("A", "1")),
			Container("beside", "image:1", someResources("1", "1Gi"))).
		WithVolumes(EmptyDir("tmp"))
	if change != nil {
		change(labels, &config, spec)
	}
	return StatefulTemplate(labels, config, spec)
}

func TestTheTemplatesHashLeavesOutResourcesAndNothingElse(t *testing.T) {
	tests := map[string]struct {
		change func(map[string]string, *string, *accore.PodSpecApplyConfiguration)
		same   bool
	}{
		"nothing": {func(map[string]string, *string, *accore.PodSpecApplyConfiguration) {}, true},
		"CPU and memory of one container": {func(_ map[string]string, _ *string, s *accore.PodSpecApplyConfiguration) {
			s.Containers[0].Resources = Container("", "", someResources("2", "2Gi")).Resources
		}, true},
		"CPU and memory of another": {func(_ map[string]string, _ *string, s *accore.PodSpecApplyConfiguration) {
			s.Containers[1].Resources = Container("", "", someResources("2", "2Gi")).Resources
		}, true},
		"resources of a container that starts first": {func(_ map[string]string, _ *string, s *accore.PodSpecApplyConfiguration) {
			s.WithInitContainers(Container("first", "image:1", someResources("2", "2Gi")))
		}, false},
		"an image": {func(_ map[string]string, _ *string, s *accore.PodSpecApplyConfiguration) {
			s.Containers[1].WithImage("image:2")
		}, false},
		"a variable": {func(_ map[string]string, _ *string, s *accore.PodSpecApplyConfiguration) {
			s.Containers[0].WithEnv(Env("B", "1"))
		}, false},
		"a volume": {func(_ map[string]string, _ *string, s *accore.PodSpecApplyConfiguration) {
			s.WithVolumes(EmptyDir("more"))
		}, false},
		"the pod's user": {func(_ map[string]string, _ *string, s *accore.PodSpecApplyConfiguration) {
			s.SecurityContext.WithRunAsUser(1)
		}, false},
		"a label": {func(labels map[string]string, _ *string, _ *accore.PodSpecApplyConfiguration) {
			labels["tier"] = "1"
		}, false},
		"a file that is read at start": {func(_ map[string]string, config *string, _ *accore.PodSpecApplyConfiguration) {
			*config = "another"
		}, false},
	}
	before := template(nil).Annotations[plan.AnnotationTemplateHash]
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if same := template(test.change).Annotations[plan.AnnotationTemplateHash] == before; same != test.same {
				t.Errorf("the same: %t", same)
			}
		})
	}
}

func TestATemplateKeepsItsResourcesAndSaysItsHashes(t *testing.T) {
	made := template(nil)
	if have := text(t, made.Spec.Containers[1].Resources); have != `{"limits":{"memory":"1Gi"},"requests":{"cpu":"1","memory":"1Gi"}}` {
		t.Errorf("resources are %s", have)
	}
	if made.Annotations[plan.AnnotationConfigHash] != "config" || made.Annotations[plan.AnnotationTemplateHash] == "" || made.Labels["app"] != "db" {
		t.Errorf("%v, %v", made.Annotations, made.Labels)
	}
	for _, way := range []string{plan.ResizeInPlace, plan.ResizeByReplacement} {
		if have := ResizeAnnotations(plan.Plan{Resize: way})[plan.AnnotationResize]; have != way {
			t.Errorf("%s is %q", way, have)
		}
	}
}
