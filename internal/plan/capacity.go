package plan

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// Node is what a node has for pods.
type Node struct {
	Name        string
	CPU, Memory resource.Quantity
}

// Quota is a ResourceQuota of the cluster's namespace.
type Quota struct {
	Name string
	Hard corev1.ResourceList
}

// Limit is one container limit of a LimitRange of the cluster's namespace.
type Limit struct {
	Name     string
	Min, Max corev1.ResourceList
}

// Totals are sums over pods.
type Totals struct {
	Pods                 int64
	CPU, Memory, Storage resource.Quantity
}

// Minimum is what is requested with every autoscaled role at its minimum.
func (p *Plan) Minimum() Totals { return p.totals(func(row Row) int32 { return row.Replicas }) }

// Maximum is what is requested with every autoscaled role at its maximum.
func (p *Plan) Maximum() Totals {
	return p.totals(func(row Row) int32 { return max(row.Replicas, row.MaxReplicas) })
}

func (p *Plan) totals(count func(Row) int32) Totals {
	var sum Totals
	for _, row := range p.Rows() {
		replicas := count(row)
		sum.Pods += int64(replicas)
		add(&sum.CPU, row.Pod().CPU, replicas)
		add(&sum.Memory, row.Pod().Memory, replicas)
		if row.Storage != nil {
			add(&sum.Storage, row.Storage.Size, replicas)
		}
	}
	return sum
}

func add(sum *resource.Quantity, each resource.Quantity, count int32) {
	all := each.DeepCopy()
	all.Mul(int64(count))
	sum.Add(all)
}

// fitCeiling cuts the autoscaler's maximum down until everything fits below the ceiling.
func (p *Plan) fitCeiling(l *ledger, ceiling *v1alpha1.CeilingSpec) []Problem {
	if ceiling == nil {
		return nil
	}
	scaling := &p.API.Autoscaling
	asked := scaling.MaxReplicas
	fits := func(replicas int) bool {
		scaling.MaxReplicas = int32(replicas) //nolint:gosec // at most what was asked for
		most := p.Maximum()
		return within(most.CPU, ceiling.CPU) && within(most.Memory, ceiling.Memory)
	}
	if fits(int(asked)) {
		return nil
	}
	// More pods never need less.
	least := int(scaling.MinReplicas)
	more := sort.Search(int(asked)-least, func(i int) bool { return !fits(least + i + 1) })
	if !fits(least + more) {
		least := p.Minimum()
		return []Problem{{v1alpha1.ReasonInvalidSpec, fmt.Sprintf(
			"spec.profile.ceiling is below what the plan needs at least: raise it to cpu %s and memory %s, or choose a smaller profile",
			least.CPU.String(), least.Memory.String())}}
	}
	l.amend("api.maxReplicas", scaling.MaxReplicas, "cut down to fit spec.profile.ceiling")
	l.clamp("api.maxReplicas %d → %d: more pods do not fit spec.profile.ceiling", asked, scaling.MaxReplicas)
	return nil
}

func within(value resource.Quantity, bound *resource.Quantity) bool {
	return bound == nil || value.Cmp(*bound) <= 0
}

// Shortfalls say what nodes, quotas and limits lack for the plan at its minimum: pods would stay
// Pending. Requests of other workloads are not known here.
func (p *Plan) Shortfalls(facts Facts) []string {
	shortfalls := p.nodeShortfalls(facts.Nodes)
	least := p.Minimum()
	for _, quota := range facts.Quotas {
		for name, needed := range map[corev1.ResourceName]resource.Quantity{
			corev1.ResourcePods:            *resource.NewQuantity(least.Pods, resource.DecimalSI),
			corev1.ResourceCPU:             least.CPU,
			corev1.ResourceRequestsCPU:     least.CPU,
			corev1.ResourceMemory:          least.Memory,
			corev1.ResourceRequestsMemory:  least.Memory,
			corev1.ResourceLimitsMemory:    least.Memory,
			corev1.ResourceRequestsStorage: least.Storage,
		} {
			if hard, ok := quota.Hard[name]; ok && needed.Cmp(hard) > 0 {
				shortfalls = append(shortfalls, fmt.Sprintf("ResourceQuota %s allows %s %s, and the plan needs %s",
					quota.Name, name, hard.String(), needed.String()))
			}
		}
	}
	shortfalls = append(shortfalls, p.limitShortfalls(facts.Limits)...)
	slices.Sort(shortfalls)
	return shortfalls
}

func (p *Plan) nodeShortfalls(nodes []Node) []string {
	if len(nodes) == 0 {
		return nil
	}
	var have Totals
	for _, node := range nodes {
		have.CPU.Add(node.CPU)
		have.Memory.Add(node.Memory)
	}
	var shortfalls []string
	least := p.Minimum()
	if least.CPU.Cmp(have.CPU) > 0 || least.Memory.Cmp(have.Memory) > 0 {
		shortfalls = append(shortfalls, fmt.Sprintf(
			"all %d nodes together have cpu %s and memory %s, and the plan needs cpu %s and memory %s",
			len(nodes), have.CPU.String(), have.Memory.String(), least.CPU.String(), least.Memory.String()))
	}
	for _, row := range p.Rows() {
		r := row.Pod()
		if !slices.ContainsFunc(nodes, func(n Node) bool { return r.CPU.Cmp(n.CPU) <= 0 && r.Memory.Cmp(n.Memory) <= 0 }) {
			shortfalls = append(shortfalls, fmt.Sprintf("no node has room for one pod of %s with cpu %s and memory %s",
				row.Name, r.CPU.String(), r.Memory.String()))
		}
	}
	return shortfalls
}

func (p *Plan) limitShortfalls(limits []Limit) []string {
	var shortfalls []string
	for _, limit := range limits {
		for _, row := range p.Rows() {
			shortfalls = append(shortfalls, limit.refusals(row.Name, row.Resources)...)
			if !row.Sidecar.Memory.IsZero() {
				shortfalls = append(shortfalls, limit.refusals(row.Name+" (sidecar)", row.Sidecar)...)
			}
		}
	}
	return shortfalls
}

// refusals say why a container is not admitted.
func (l Limit) refusals(name string, r Resources) []string {
	var refusals []string
	for kind, value := range map[corev1.ResourceName]resource.Quantity{
		corev1.ResourceCPU: r.CPU, corev1.ResourceMemory: r.Memory,
	} {
		if most, ok := l.Max[kind]; ok && value.Cmp(most) > 0 {
			refusals = append(refusals, fmt.Sprintf("LimitRange %s allows %s up to %s, and %s needs %s",
				l.Name, kind, most.String(), name, value.String()))
		}
		if least, ok := l.Min[kind]; ok && value.Cmp(least) < 0 {
			refusals = append(refusals, fmt.Sprintf("LimitRange %s demands %s of %s or more, and %s has %s",
				l.Name, kind, least.String(), name, value.String()))
		}
	}
	return refusals
}

// Figure returns a figure by its name.
func (p *Plan) Figure(name string) (Figure, bool) {
	index := slices.IndexFunc(p.Figures, func(f Figure) bool { return strings.EqualFold(f.Name, name) })
	if index < 0 {
		return Figure{}, false
	}
	return p.Figures[index], true
}
