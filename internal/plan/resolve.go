package plan

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

const mebibyte = 1 << 20

// DefaultRegion is the region of a cluster that declares none; its edge runs on any node.
const DefaultRegion = "default"

// Resolve computes the plan of a cluster. Either the plan is complete, or there is at least one
// problem and the plan must not be used.
func Resolve(cluster *v1alpha1.FediFlowCluster, facts Facts) (Plan, []Problem) {
	spec := &cluster.Spec
	size, known := profiles[spec.Profile.Size]
	if !known {
		return Plan{}, []Problem{{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
			"spec.profile.size %q is unknown: use one of %s", spec.Profile.Size, sizeNames())}}
	}
	o := &overrides{}
	p := Plan{
		Namespace:   cluster.Namespace,
		Name:        ClusterName(cluster.Name),
		Domain:      spec.Domain,
		Image:       spec.Image,
		PullSecrets: secretNames(spec.ImagePullSecrets),
		Migration:   resolveMigration(o, spec),
	}
	p.API = resolveAPI(o, spec, size)
	p.Database = resolveDatabase(o, p.Name, spec, size, facts)
	p.Pooler = resolvePooler(o, spec, size, facts)
	p.Pooler.Accesses = accesses(p.Database)
	p.Redis = resolveRedis(o, p.Name, spec, size, facts)
	p.Edge = resolveEdge(o, spec, size, facts)
	p.closeConnectionBudget()
	slices.Sort(o.fields)
	p.Overrides = o.fields
	return p, slices.Concat(p.contradictions(), p.missing(facts))
}

// contradictions are problems of the spec with itself that single-field validation cannot see.
func (p *Plan) contradictions() []Problem {
	var problems []Problem
	if a := p.API.Autoscaling; a.MinReplicas > a.MaxReplicas {
		problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
			"spec.api.autoscaling: minReplicas %d is larger than maxReplicas %d: set both, or lower minReplicas",
			a.MinReplicas, a.MaxReplicas)})
	}
	if m := p.Database.Managed; m != nil && m.Instances == 1 && m.Durability == v1alpha1.DurabilitySynchronous {
		problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec,
			"spec.database.managed: durability Synchronous needs a standby: use instances 2 or more, or durability Asynchronous"})
	}
	return append(problems, p.tooSmall()...)
}

// tooSmall are memory figures with which the programs would not start.
func (p *Plan) tooSmall() []Problem {
	var problems []Problem
	check := func(field string, r Resources, floor string) {
		least := resource.MustParse(floor)
		if r.Memory.Cmp(least) < 0 {
			problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
				"%s.memory %s is too small: use %s or more", field, r.Memory.String(), floor)})
		}
		if r.CPU.Sign() <= 0 {
			problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
				"%s.cpu %s is not a positive number of cores: use for example 100m", field, r.CPU.String())})
		}
	}
	check("spec.api.resources", p.API.Resources, "320Mi")
	if m := p.Database.Managed; m != nil {
		check("spec.database.managed.resources", m.Resources, "256Mi")
	}
	check("spec.pooler.resources", p.Pooler.Resources, "32Mi")
	for _, store := range p.Redis.Stores {
		check("spec.redis.managed."+string(store.Name)+".resources", store.Resources, "32Mi")
	}
	check("spec.edge.resources", p.Edge.Resources, "64Mi")
	return problems
}

// missing are problems of the spec with the Kubernetes cluster.
func (p *Plan) missing(facts Facts) []Problem {
	var problems []Problem
	for _, region := range p.Edge.Regions {
		if region.Pinned && !slices.Contains(facts.Regions, region.Name) {
			problems = append(problems, Problem{v1alpha1.ReasonRegionNotFound, fmt.Sprintf(
				"spec.edge.regions: no node has the label %s=%s: label a node, or use one of [%s]",
				LabelRegion, region.Name, strings.Join(facts.Regions, ", "))})
		}
	}
	for field, class := range p.storageClasses() {
		if class != "" && !slices.Contains(facts.StorageClasses, class) {
			problems = append(problems, Problem{v1alpha1.ReasonStorageClassNotFound, fmt.Sprintf(
				"%s.storageClassName %s does not exist: use one of [%s]",
				field, class, strings.Join(facts.StorageClasses, ", "))})
		}
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Message, b.Message) })
	return problems
}

func (p *Plan) storageClasses() map[string]string {
	classes := map[string]string{"spec.edge.storage": p.Edge.Storage.ClassName}
	if m := p.Database.Managed; m != nil {
		classes["spec.database.managed.storage"] = m.Storage.ClassName
	}
	for _, store := range p.Redis.Stores {
		if store.Storage != nil {
			classes["spec.redis.managed."+string(store.Name)+".storage"] = store.Storage.ClassName
		}
	}
	return classes
}

func sizeNames() string {
	names := make([]string, 0, len(profiles))
	for _, size := range Sizes() {
		names = append(names, string(size))
	}
	return strings.Join(names, ", ")
}

func secretNames(secrets []v1alpha1.SecretName) []string {
	names := make([]string, 0, len(secrets))
	for _, secret := range secrets {
		names = append(names, secret.Name)
	}
	return names
}
