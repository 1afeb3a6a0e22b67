package preview

import (
	"cmp"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// unknownImage stands for an image that only the operator knows.
const unknownImage = "(the operator's)"

// Images are those that a cluster runs. For what does not run they are the operator's own, as far as
// those are known.
func Images(name plan.ClusterName, w component.World, operator plan.Images) plan.Images {
	image := func(part plan.ComponentName, container, known string) string {
		return cmp.Or(runningImage(w, name.Selector(part), container), known, unknownImage)
	}
	return plan.Images{
		Postgres:  image(plan.Postgres, "postgres", operator.Postgres),
		PgBouncer: image(plan.Pooler, "pgbouncer", operator.PgBouncer),
		Valkey:    image(plan.Redis, "sentinel", operator.Valkey),
		Edge:      image(plan.Edge, "nginx", operator.Edge),
	}
}

// runningImage is the image that a container has in the workloads with these labels, or empty.
func runningImage(w component.World, selector map[string]string, container string) string {
	found := ""
	for _, object := range w.Objects {
		var meta map[string]string
		var template corev1.PodTemplateSpec
		switch workload := object.(type) {
		case *appsv1.StatefulSet:
			meta, template = workload.Labels, workload.Spec.Template
		case *appsv1.Deployment:
			meta, template = workload.Labels, workload.Spec.Template
		}
		if !labels.SelectorFromSet(selector).Matches(labels.Set(meta)) {
			continue
		}
		for i := range template.Spec.Containers {
			if c := &template.Spec.Containers[i]; c.Name == container {
				found = max(found, c.Image) // the same for all, but in the middle of an upgrade
			}
		}
	}
	return found
}

// OperatorImages are the images that an operator's Deployment names.
func OperatorImages(operator *appsv1.Deployment) plan.Images {
	values := map[string]string{}
	for i := range operator.Spec.Template.Spec.Containers {
		for _, variable := range operator.Spec.Template.Spec.Containers[i].Env {
			values[variable.Name] = variable.Value
		}
	}
	images, _ := plan.ImagesFrom(func(name string) string { return values[name] })
	return images
}
