package kube

import (
	"encoding/json"
	"fmt"
	"maps"

	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

// StatefulTemplate is the template of pods that follow a change of CPU and memory without a
// restart: its digest leaves them out. configHash stands for the files that are read at start.
func StatefulTemplate(labels map[string]string, configHash string, spec *accore.PodSpecApplyConfiguration) *accore.PodTemplateSpecApplyConfiguration {
	annotations := map[string]string{plan.AnnotationConfigHash: configHash}
	annotations[plan.AnnotationTemplateHash] = templateHash(labels, configHash, *spec)
	return accore.PodTemplateSpec().WithLabels(labels).WithAnnotations(annotations).WithSpec(spec)
}

func templateHash(labels map[string]string, configHash string, spec accore.PodSpecApplyConfiguration) string {
	containers := make([]accore.ContainerApplyConfiguration, len(spec.Containers))
	for i, container := range spec.Containers {
		container.Resources = nil
		containers[i] = container
	}
	spec.Containers = containers
	text, err := json.Marshal(spec)
	if err != nil {
		panic(fmt.Sprintf("marshal constant shape: %v", err))
	}
	return Hash(HashMap(maps.Clone(labels)), configHash, string(text))
}

// ResizeAnnotations go on StatefulSets with a StatefulTemplate.
func ResizeAnnotations(p plan.Plan) map[string]string {
	return map[string]string{plan.AnnotationResize: p.Resize}
}
