package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

func TestAPlanThatCannotRunIsRefusedWithWhatToWrite(t *testing.T) {
	tests := map[string]struct {
		fragment string
		reason   string
		says     []string
	}{
		"a size that is unknown": {
			"profile: {size: Huge}", v1alpha1.ReasonInvalidSpec,
			[]string{`spec.profile.size "Huge"`, "use one of Development, Small, Medium, Large, XLarge"},
		},
		"more replicas at least than at most": {
			"api: {autoscaling: {minReplicas: 9, maxReplicas: 8}}", v1alpha1.ReasonInvalidSpec,
			[]string{"spec.api.autoscaling", "minReplicas 9", "maxReplicas 8", "set both, or lower minReplicas"},
		},
		"more replicas at least than the profile has at most": {
			"api: {autoscaling: {minReplicas: 11}}", v1alpha1.ReasonInvalidSpec,
			[]string{"minReplicas 11", "maxReplicas 10"},
		},
		"one member that waits for a standby": {
			"database: {managed: {instances: 1, durability: Synchronous}}", v1alpha1.ReasonInvalidSpec,
			[]string{"spec.database.managed", "instances 2 or more, or durability Asynchronous"},
		},
		"an API without room for Node": {
			"api: {resources: {memory: 319Mi}}", v1alpha1.ReasonInvalidSpec,
			[]string{"spec.api.resources.memory 319Mi is too small: use 320Mi or more"},
		},
		"a database that would not start": {
			"database: {managed: {resources: {memory: 255Mi}}}", v1alpha1.ReasonInvalidSpec,
			[]string{"spec.database.managed.resources.memory 255Mi is too small: use 256Mi or more"},
		},
		"a pooler that would not start": {
			"pooler: {resources: {memory: 31Mi}}", v1alpha1.ReasonInvalidSpec,
			[]string{"spec.pooler.resources.memory 31Mi is too small: use 32Mi or more"},
		},
		"a queue that would not start": {
			"redis: {managed: {queue: {resources: {memory: 31Mi}}}}", v1alpha1.ReasonInvalidSpec,
			[]string{"spec.redis.managed.queue.resources.memory 31Mi is too small: use 32Mi or more"},
		},
		"a cache that would not start": {
			"redis: {managed: {cache: {resources: {memory: 31Mi}}}}", v1alpha1.ReasonInvalidSpec,
			[]string{"spec.redis.managed.cache.resources.memory 31Mi is too small: use 32Mi or more"},
		},
		"an edge that would not start": {
			"edge: {resources: {memory: 63Mi}}", v1alpha1.ReasonInvalidSpec,
			[]string{"spec.edge.resources.memory 63Mi is too small: use 64Mi or more"},
		},
		"negative memory": {
			"edge: {resources: {memory: -1Gi}}", v1alpha1.ReasonInvalidSpec,
			[]string{"spec.edge.resources.memory -1Gi is too small"},
		},
		"no processor": {
			`api: {resources: {cpu: "0"}}`, v1alpha1.ReasonInvalidSpec,
			[]string{"spec.api.resources.cpu 0 is not a positive number of cores: use for example 100m"},
		},
		"a database volume of no size": {
			`database: {managed: {storage: {size: "0"}}}`, v1alpha1.ReasonInvalidSpec,
			[]string{"spec.database.managed.storage.size 0 is not a positive number of bytes: use for example 1Gi"},
		},
		"a queue volume of less than that": {
			"redis: {managed: {queue: {storage: {size: -5Gi}}}}", v1alpha1.ReasonInvalidSpec,
			[]string{"spec.redis.managed.queue.storage.size -5Gi is not a positive number of bytes: use for example 1Gi"},
		},
		"an edge volume of no size": {
			`edge: {storage: {size: "0"}}`, v1alpha1.ReasonInvalidSpec,
			[]string{"spec.edge.storage.size 0 is not a positive number of bytes: use for example 1Gi"},
		},
		"more clients than a pooler has memory for": {
			"api: {autoscaling: {maxReplicas: 1000}}", v1alpha1.ReasonInvalidSpec,
			[]string{"spec.pooler.resources.memory 64 MiB is too small for 25100 clients: use 408Mi or more, or lower spec.api.autoscaling.maxReplicas"},
		},
		"more connections than the database has memory for": {
			"pooler: {replicas: 50}", v1alpha1.ReasonInvalidSpec,
			[]string{"spec.database.managed.resources.memory 512 MiB is too small for the 780 connections of 50 pooler pods: use 3120Mi or more, or lower spec.pooler.replicas"},
		},
		"a ceiling that is too low": {
			"profile: {size: Small, ceiling: {cpu: 1}}", v1alpha1.ReasonInvalidSpec,
			[]string{"spec.profile.ceiling", "raise it to cpu 1760m and memory", "or choose a smaller profile"},
		},
		"a profile that does not exist": {
			"profile: {size: \"\", ref: tiny}", v1alpha1.ReasonProfileNotFound,
			[]string{"spec.profile.ref: there is no PerformanceProfile tiny", "use size or activeUsers", "stays as it is"},
		},
		"a region without nodes": {
			"edge: {regions: [{name: us-east}, {name: mars}]}", v1alpha1.ReasonRegionNotFound,
			[]string{"spec.edge.regions", "topology.kubernetes.io/region=mars", "label a node, or use one of [eu-west, us-east]"},
		},
		"a class of database volumes that does not exist": {
			"database: {managed: {storage: {storageClassName: gold}}}", v1alpha1.ReasonStorageClassNotFound,
			[]string{"spec.database.managed.storage.storageClassName gold does not exist: use one of [fast, slow]"},
		},
		"a class of queue volumes that does not exist": {
			"redis: {managed: {queue: {storage: {storageClassName: gold}}}}", v1alpha1.ReasonStorageClassNotFound,
			[]string{"spec.redis.managed.queue.storage.storageClassName gold does not exist: use one of [fast, slow]"},
		},
		"a class of edge volumes that does not exist": {
			"edge: {storage: {storageClassName: gold}}", v1alpha1.ReasonStorageClassNotFound,
			[]string{"spec.edge.storage.storageClassName gold does not exist: use one of [fast, slow]"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, problems := Resolve(testCluster(t, v1alpha1.SizeSmall, test.fragment), testFacts)
			if len(problems) != 1 || problems[0].Reason != test.reason {
				t.Fatalf("problems: %v", problems)
			}
			for _, says := range test.says {
				if !strings.Contains(problems[0].Message, says) {
					t.Errorf("%q does not say %q", problems[0].Message, says)
				}
			}
		})
	}
}

func TestTheLeastMemoryIsEnough(t *testing.T) {
	mustResolve(t, testCluster(t, v1alpha1.SizeDevelopment, `
api: {resources: {memory: 320Mi}}
database: {managed: {resources: {memory: 256Mi}}}
pooler: {resources: {memory: 32Mi}}
redis: {managed: {queue: {resources: {memory: 32Mi}}, cache: {resources: {memory: 32Mi}}}}
edge: {resources: {memory: 64Mi}}`), testFacts)
}

func TestAllProblemsAreToldAtOnceAndAlwaysInTheSameOrder(t *testing.T) {
	cluster := testCluster(t, v1alpha1.SizeSmall, `
api: {autoscaling: {minReplicas: 2, maxReplicas: 1}}
database: {managed: {storage: {storageClassName: gold}}}
redis: {managed: {queue: {storage: {storageClassName: silver}}}}
edge: {storage: {storageClassName: tin}, regions: [{name: mars}, {name: moon}]}`)
	_, first := Resolve(cluster, testFacts)
	if len(first) != 6 {
		t.Fatalf("%d problems: %v", len(first), first)
	}
	for range 20 {
		if _, again := Resolve(cluster, testFacts); !slices.Equal(first, again) {
			t.Fatalf("now %v, before %v", again, first)
		}
	}
}

func TestSafetyAnUnknownSizeNeverFallsBackToAnother(t *testing.T) {
	p, problems := Resolve(testCluster(t, "small", ""), testFacts)
	if len(problems) != 1 || fmt.Sprint(p) != fmt.Sprint(Plan{}) {
		t.Errorf("plan %+v, problems %v", p, problems)
	}
}

func TestRegionsWithoutAnEntryNeedNoLabels(t *testing.T) {
	facts := testFacts
	facts.Regions, facts.StorageClasses = nil, nil
	p := mustResolve(t, testCluster(t, v1alpha1.SizeMedium, ""), facts)
	if regions := p.Edge.Regions; len(regions) != 1 || regions[0].Name != DefaultRegion || regions[0].Pinned {
		t.Errorf("regions: %+v", regions)
	}
}
