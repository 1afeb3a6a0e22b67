package plan

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"pgregory.net/rapid"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

func TestTotalsAreSumsOverAllPods(t *testing.T) {
	p := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, ""), testFacts)
	least, most := p.Minimum(), p.Maximum()
	// postgres 3, queue 3, cache 1, sentinel 3, poolers 2 × 2, edge 1, api 2 to 10.
	if least.Pods != 17 || most.Pods != 25 {
		t.Errorf("%d to %d pods", least.Pods, most.Pods)
	}
	if least.CPU.String() != "1760m" || most.CPU.String() != "3760m" {
		t.Errorf("cpu %s to %s", least.CPU.String(), most.CPU.String())
	}
	if least.Memory.String() != "3488Mi" || most.Memory.String() != "6560Mi" {
		t.Errorf("memory %s to %s", least.Memory.String(), most.Memory.String())
	}
	if least.Storage.String() != "42368Mi" || most.Storage.Cmp(least.Storage) != 0 {
		t.Errorf("storage %s to %s", least.Storage.String(), most.Storage.String())
	}
}

func TestACeilingCutsTheAutoscalersMaximumAndNothingElse(t *testing.T) {
	free := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, ""), testFacts)
	p := mustResolve(t, testCluster(t, "", "profile: {size: Small, ceiling: {cpu: 3100m, memory: 6Gi}}"), testFacts)
	// 1260m and 250m for each API pod.
	if p.API.Autoscaling.MaxReplicas != 7 || p.API.Autoscaling.MinReplicas != free.API.Autoscaling.MinReplicas {
		t.Errorf("%+v", p.API.Autoscaling)
	}
	if len(p.Clamped) != len(free.Clamped)+1 || !strings.HasPrefix(p.Clamped[0], "api.maxReplicas 10 → 7: ") {
		t.Errorf("%v", p.Clamped)
	}
	if least, before := p.Minimum(), free.Minimum(); least.CPU.Cmp(before.CPU) != 0 || least.Memory.Cmp(before.Memory) != 0 {
		t.Errorf("the minimum is %+v", least)
	}
	roomy := mustResolve(t, testCluster(t, "", "profile: {size: Small, ceiling: {cpu: 100}}"), testFacts)
	if roomy.API.Autoscaling.MaxReplicas != 10 || len(roomy.Clamped) != len(free.Clamped) {
		t.Errorf("%v", roomy.Clamped)
	}
}

func TestEveryAcceptedPlanIsBelowItsCeiling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cluster, p := acceptable(t)
		most, ceiling := p.Maximum(), cluster.Spec.Profile.Ceiling
		if !within(most.CPU, ceiling.CPU) || !within(most.Memory, ceiling.Memory) {
			t.Errorf("cpu %s and memory %s are above %+v", most.CPU.String(), most.Memory.String(), ceiling)
		}
	})
}

func TestTheCeilingThatARefusalNamesFitsExactly(t *testing.T) {
	for _, size := range Sizes() {
		cluster := testCluster(t, "", "profile: {size: "+string(size)+", ceiling: {cpu: 1m, memory: 1Mi}}")
		_, problems := Resolve(cluster, testFacts)
		if len(problems) != 1 {
			t.Fatalf("%s: %v", size, problems)
		}
		remedy(t, cluster, problems[0])
		p := mustResolve(t, cluster, testFacts)
		if least, ceiling := p.Minimum(), cluster.Spec.Profile.Ceiling; least.CPU.Cmp(*ceiling.CPU) != 0 || least.Memory.Cmp(*ceiling.Memory) != 0 {
			t.Errorf("%s: %+v for %+v", size, ceiling, least)
		}
	}
}

func node(cpu, memory string) Node {
	return Node{Name: "node", CPU: resource.MustParse(cpu), Memory: resource.MustParse(memory)}
}

func list(name corev1.ResourceName, value string) corev1.ResourceList {
	return corev1.ResourceList{name: resource.MustParse(value)}
}

func TestShortfallsSayWhatIsMissing(t *testing.T) {
	quota := func(name corev1.ResourceName, value string) Facts {
		return Facts{Quotas: []Quota{{Name: "team", Hard: list(name, value)}}}
	}
	most := func(name corev1.ResourceName, value string) Facts {
		return Facts{Limits: []Limit{{Name: "team", Max: list(name, value)}}}
	}
	least := func(name corev1.ResourceName, value string) Facts {
		return Facts{Limits: []Limit{{Name: "team", Min: list(name, value)}}}
	}
	tests := map[string]struct {
		facts Facts
		want  []string
	}{
		"nothing is known":         {Facts{}, nil},
		"all fits exactly":         {Facts{Nodes: []Node{node("1760m", "3488Mi")}}, nil},
		"the processor is too few": {Facts{Nodes: []Node{node("1", "8Gi")}}, []string{"all 1 nodes together have cpu 1 and memory 8Gi, and the plan needs cpu 1760m and memory 3488Mi"}},
		"memory is too little":     {Facts{Nodes: []Node{node("4", "1Gi"), node("4", "1Gi")}}, []string{"all 2 nodes together have cpu 8 and memory 2Gi, and the plan needs cpu 1760m and memory 3488Mi"}},
		"one pod is too large for any": {
			Facts{Nodes: slices.Repeat([]Node{node("1", "448Mi")}, 9)},
			[]string{"no node has room for one pod of postgres with cpu 260m and memory 576Mi"},
		},
		"a node with memory and another with processors": {
			Facts{Nodes: []Node{node("240m", "64Gi"), node("64", "64Mi")}},
			[]string{
				"no node has room for one pod of api with cpu 250m and memory 384Mi",
				"no node has room for one pod of postgres with cpu 260m and memory 576Mi",
			},
		},
		"a quota of pods":          {quota(corev1.ResourcePods, "16"), []string{"ResourceQuota team allows pods 16, and the plan needs 17"}},
		"a quota of processors":    {quota(corev1.ResourceRequestsCPU, "1"), []string{"ResourceQuota team allows requests.cpu 1, and the plan needs 1760m"}},
		"the same by its old name": {quota(corev1.ResourceCPU, "1"), []string{"ResourceQuota team allows cpu 1, and the plan needs 1760m"}},
		"a quota of memory":        {quota(corev1.ResourceLimitsMemory, "1Gi"), []string{"ResourceQuota team allows limits.memory 1Gi, and the plan needs 3488Mi"}},
		"a quota of storage":       {quota(corev1.ResourceRequestsStorage, "10Gi"), []string{"ResourceQuota team allows requests.storage 10Gi, and the plan needs 42368Mi"}},
		"a quota of something":     {quota(corev1.ResourceServices, "0"), nil},
		"a quota that suffices":    {quota(corev1.ResourcePods, "17"), nil},
		"a limit that is too low":  {most(corev1.ResourceMemory, "448Mi"), []string{"LimitRange team allows memory up to 448Mi, and postgres needs 512Mi"}},
		"a limit that is too high": {least(corev1.ResourceCPU, "20m"), []string{
			"LimitRange team demands cpu of 20m or more, and postgres (sidecar) has 10m",
			"LimitRange team demands cpu of 20m or more, and redis-sentinel has 10m",
		}},
		"limits that suffice": {most(corev1.ResourceMemory, "512Mi"), nil},
	}
	p := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, ""), testFacts)
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := p.Shortfalls(test.facts); !slices.Equal(got, test.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestShortfallsAreAlwaysToldInTheSameOrder(t *testing.T) {
	p := mustResolve(t, testCluster(t, v1alpha1.SizeLarge, ""), testFacts)
	facts := Facts{
		Nodes:  []Node{node("1", "1Gi")},
		Quotas: []Quota{{Name: "team", Hard: corev1.ResourceList{"pods": resource.MustParse("1"), "cpu": resource.MustParse("1"), "memory": resource.MustParse("1")}}},
		Limits: []Limit{{Name: "team", Max: corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("1Gi")}}},
	}
	first := p.Shortfalls(facts)
	if len(first) < 6 {
		t.Fatalf("%q", first)
	}
	for range 20 {
		if again := p.Shortfalls(facts); !slices.Equal(again, first) {
			t.Fatalf("now %q, before %q", again, first)
		}
	}
}
