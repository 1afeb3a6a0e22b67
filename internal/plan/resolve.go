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
	source, base, problem := figures(spec.Profile, facts)
	if problem != nil {
		return Plan{}, []Problem{*problem}
	}
	l := &ledger{source: source}
	base = available(base, spec.Profile.Availability)
	p := Plan{
		Namespace:   cluster.Namespace,
		Name:        ClusterName(cluster.Name),
		Domain:      spec.Domain,
		Image:       spec.Image,
		PullSecrets: secretNames(spec.ImagePullSecrets),
		Zonal:       spec.Profile.Availability == v1alpha1.AvailabilityZonal,
		Profile:     source,
		Base:        base,
		Migration:   resolveMigration(l, spec),
		Resize:      ResizeInPlace,
	}
	if facts.ReplaceToResize {
		p.Resize = ResizeByReplacement
	}
	if spec.TLS != nil {
		p.TLS.GivenSecret = spec.TLS.CertificateSecret.Name
	}
	p.Database = resolveDatabase(l, p.Name, spec, base.Postgres, facts)
	p.Database.Indexes = resolveIndexes(orEmpty(spec.Database).Indexes)
	p.Redis = resolveRedis(l, p.Name, spec, base, facts)
	p.Pooler = resolvePooler(l, spec, base.Pooler, facts)
	p.Pooler.Accesses, p.Pooler.ReadAccess = accesses(p.Database), readAccess(p.Database)
	p.Edge = resolveEdge(l, spec, base.Edge, facts)
	p.API = resolveAPI(l, spec, base.API)
	explicit := orEmpty(orEmpty(spec.Database).Managed).Parameters
	problems := append(p.contradictions(), p.declarationProblems()...)
	if managed := p.Database.Managed; managed != nil {
		problems = append(problems, refusedParameters(explicit, managed.Resources.Memory.Value()/mebibyte)...)
	}
	problems = append(problems, p.fitCeiling(l, spec.Profile.Ceiling)...)
	if len(problems) == 0 {
		problems = p.closeBudget(l)
	}
	if managed := p.Database.Managed; managed != nil && len(problems) == 0 {
		managed.Parameters = resolveParameters(l, managed)
		managed.Parameters["max_connections"] = fmt.Sprint(managed.MaxConnections)
		mergeParameters(l, managed.Parameters, explicit)
	}
	slices.Sort(l.overrides)
	p.Overrides, p.Figures, p.Clamped = l.overrides, l.figures, l.clamped
	return p, slices.Concat(problems, p.missing(facts))
}

// figures are what the profile stands for, and where they come from in words.
func figures(profile v1alpha1.ProfileSpec, facts Facts) (string, v1alpha1.PerformanceProfileSpec, *Problem) {
	switch {
	case profile.ActiveUsers != nil:
		return fmt.Sprintf("%d active users", *profile.ActiveUsers), ForUsers(int64(*profile.ActiveUsers)), nil
	case profile.Ref != "":
		if facts.Profile == nil {
			return "", v1alpha1.PerformanceProfileSpec{}, &Problem{v1alpha1.ReasonProfileNotFound, fmt.Sprintf(
				"spec.profile.ref: there is no PerformanceProfile %s: create it, or use size or activeUsers; "+
					"until then everything stays as it is",
				profile.Ref)}
		}
		return "PerformanceProfile " + profile.Ref, *facts.Profile.DeepCopy(), nil
	}
	base, known := BuiltIn(profile.Size)
	if !known {
		return "", base, &Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
			"spec.profile.size %q is unknown: use one of %s", profile.Size, sizeNames())}
	}
	return "size " + string(profile.Size), base, nil
}

// available changes how many there are of everything, as far as that is intended.
func available(base v1alpha1.PerformanceProfileSpec, intent v1alpha1.Availability) v1alpha1.PerformanceProfileSpec {
	members := []*int32{&base.Postgres.Replicas, &base.Queue.Replicas, &base.Sentinel.Replicas}
	servers := []*int32{&base.Pooler.Replicas, &base.Cache.Replicas, &base.Edge.Replicas, &base.API.MinReplicas}
	switch intent {
	case v1alpha1.AvailabilitySingle:
		for _, replicas := range slices.Concat(members, servers) {
			*replicas = 1
		}
	case v1alpha1.AvailabilityZonal:
		for _, replicas := range append(members, &base.Pooler.Replicas, &base.API.MinReplicas) {
			*replicas = max(*replicas, zonesForAvailability)
		}
		base.API.MaxReplicas = max(base.API.MaxReplicas, base.API.MinReplicas)
	}
	return base
}

// zonesForAvailability is the fewest zones of which one may be lost and a majority stays.
const zonesForAvailability = 3

// contradictions are problems of the spec with itself that single-field validation cannot see.
func (p *Plan) contradictions() []Problem {
	var problems []Problem
	if a := p.API.Autoscaling; a.MinReplicas > a.MaxReplicas {
		problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
			"spec.api.autoscaling: minReplicas %d is larger than maxReplicas %d: set both, or lower minReplicas",
			a.MinReplicas, a.MaxReplicas)})
	}
	if m := p.Database.Managed; m != nil && m.Target == 1 && m.Durability.Synchronous() {
		problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec,
			"spec.database.managed: durability Synchronous needs a standby: use instances 2 or more, or durability Asynchronous"})
	}
	return append(problems, p.tooSmall()...)
}

// tooSmall are figures with which the programs would not start.
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
	checkStorage := func(field string, s Storage) {
		if s.Size.Sign() <= 0 {
			problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
				"%s %s is not a positive number of bytes: use for example 1Gi", field, s.Size.String())})
		}
	}
	check("spec.api.resources", p.API.Resources, "320Mi")
	if m := p.Database.Managed; m != nil {
		check("spec.database.managed.resources", m.Resources, "256Mi")
		checkStorage("spec.database.managed.storage.size", m.Storage)
	}
	check("spec.pooler.resources", p.Pooler.Resources, "32Mi")
	for _, store := range p.Redis.Stores {
		check("spec.redis.managed."+string(store.Name)+".resources", store.Resources, "32Mi")
		if store.Storage != nil {
			checkStorage("spec.redis.managed."+string(store.Name)+".storage.size", *store.Storage)
		}
	}
	// Only a profile has figures of the Sentinels.
	check(p.Profile+": spec.sentinel", p.Redis.Sentinels.Resources, "32Mi")
	checkStorage(p.Profile+": spec.sentinel.storage", p.Redis.Sentinels.Storage)
	check("spec.edge.resources", p.Edge.Resources, "64Mi")
	checkStorage("spec.edge.storage.size", p.Edge.Storage)
	return problems
}

// missing are problems of the spec with the Kubernetes cluster.
func (p *Plan) missing(facts Facts) []Problem {
	var problems []Problem
	if p.Zonal && len(facts.Zones) < zonesForAvailability {
		problems = append(problems, Problem{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
			"spec.profile.availability Zonal needs nodes in %d zones, and there are [%s]: label nodes with %s, or leave availability out",
			zonesForAvailability, strings.Join(facts.Zones, ", "), LabelZone)})
	}
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
	names := make([]string, 0, len(anchors))
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
