package plan

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

func baseFigures(figures v1alpha1.PerformanceProfileSpec) map[string]float64 {
	all := map[string]float64{}
	collect(all, "base", reflect.ValueOf(figures))
	return all
}

func TestMoreUsersNeverMakeAnythingSmaller(t *testing.T) {
	users := rapid.Int64Range(1, 1_000_000)
	near := rapid.Int64Range(0, 20)
	rapid.Check(t, func(t *rapid.T) {
		few := users.Draw(t, "users")
		many := few + near.Draw(t, "a few more")
		if rapid.Bool().Draw(t, "many more") {
			many = max(few, users.Draw(t, "other users"))
		}
		small, large := baseFigures(ForUsers(few)), baseFigures(ForUsers(many))
		if len(small) != 28 {
			t.Fatalf("%d figures", len(small))
		}
		for name, value := range small {
			if large[name] < value {
				t.Errorf("%s: %v for %d users, %v for %d", name, value, few, large[name], many)
			}
		}
	})
}

func TestEveryNumberOfUsersHasAPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		users := rapid.Int32Range(1, 1_000_000).Draw(t, "users")
		cluster := testCluster(t, "", "")
		cluster.Spec.Profile.ActiveUsers = &users
		for _, gap := range budgetGaps(mustResolve(t, cluster, testFacts)) {
			t.Error(gap)
		}
	})
}

func TestANamedSizeIsItsNumberOfUsers(t *testing.T) {
	for _, size := range Sizes() {
		named, known := BuiltIn(size)
		if got := ForUsers(Users(size)); !known || !equality.Semantic.DeepEqual(got, named) {
			t.Errorf("%s is\n%+v\nand for %d users\n%+v", size, named, Users(size), got)
		}
	}
	if Users("Huge") != 0 {
		t.Error("an unknown size has users")
	}
	if _, known := BuiltIn("Huge"); known {
		t.Error("an unknown size has figures")
	}
}

func TestBelowTenUsersItIsDevelopment(t *testing.T) {
	development, _ := BuiltIn(v1alpha1.SizeDevelopment)
	for users := range int64(10) {
		if !equality.Semantic.DeepEqual(ForUsers(users), development) {
			t.Errorf("%d users: %+v", users, ForUsers(users))
		}
	}
}

func TestMembersWithDataChangeInNumberOnlyAtANamedSize(t *testing.T) {
	for users, want := range map[int64]int32{99: 1, 100: 3, 99_999: 3, 100_000: 5, 1_000_000: 5} {
		if got := ForUsers(users).Postgres.Replicas; got != want {
			t.Errorf("%d users: %d members, not %d", users, got, want)
		}
	}
}

// A preset that is handed out by reference was changed for all clusters by one.
func TestSafetyBuiltInFiguresCannotBeChanged(t *testing.T) {
	figures, _ := BuiltIn(v1alpha1.SizeSmall)
	figures.API.MaxReplicas = 1
	figures.Postgres.Memory.SetMilli(1)
	again, _ := BuiltIn(v1alpha1.SizeSmall)
	if again.API.MaxReplicas != 10 || again.Postgres.Memory.String() != "512Mi" {
		t.Errorf("%+v", again)
	}
	facts := testFacts
	facts.Profile = &again
	cluster := testCluster(t, "", "profile: {ref: mine, availability: Single}")
	mustResolve(t, cluster, facts)
	if again.Postgres.Replicas != 3 {
		t.Error("resolving changed the PerformanceProfile that was observed")
	}
}

// withoutSource is a plan without the words for where its figures come from.
func withoutSource(p Plan) Plan {
	figures := make([]Figure, 0, len(p.Figures))
	for _, figure := range p.Figures {
		figure.Reason = strings.ReplaceAll(figure.Reason, p.Profile, "profile")
		figures = append(figures, figure)
	}
	p.Figures, p.Profile = figures, ""
	return p
}

// referring is the cluster with a reference to figures in place of its size.
func referring(cluster *v1alpha1.FediFlowCluster, figures v1alpha1.PerformanceProfileSpec) (*v1alpha1.FediFlowCluster, Facts) {
	cluster = cluster.DeepCopy()
	cluster.Spec.Profile.Size, cluster.Spec.Profile.ActiveUsers, cluster.Spec.Profile.Ref = "", nil, "exported"
	facts := testFacts
	facts.Profile = &figures
	return cluster, facts
}

func TestResolvingAResolvedPlanChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cluster, p := acceptable(t)
		again, facts := referring(cluster, p.Base)
		if got := mustResolve(t, again, facts); !equality.Semantic.DeepEqual(withoutSource(got), withoutSource(p)) {
			t.Errorf("first\n%+v\nthen\n%+v", withoutSource(p), withoutSource(got))
		}
	})
}

func TestABuiltInProfileThatIsExportedAndReferredToIsTheSame(t *testing.T) {
	for _, size := range Sizes() {
		built, _ := BuiltIn(size)
		text, err := yaml.Marshal(built)
		if err != nil {
			t.Fatal(err)
		}
		var exported v1alpha1.PerformanceProfileSpec
		if err := yaml.UnmarshalStrict(text, &exported); err != nil {
			t.Fatal(err)
		}
		cluster := testCluster(t, size, "")
		want := withoutSource(mustResolve(t, cluster, testFacts))
		again, facts := referring(cluster, exported)
		got := withoutSource(mustResolve(t, again, facts))
		if asJSON(t, got) != asJSON(t, want) {
			t.Errorf("%s: exported\n%s\nbuilt in\n%s", size, asJSON(t, got), asJSON(t, want))
		}
	}
}

// asJSON compares quantities by what they say, not by how they are held.
func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestSafetyWithoutItsProfileNothingIsPlanned(t *testing.T) {
	p, problems := Resolve(testCluster(t, "", "profile: {ref: gone}"), testFacts)
	if len(problems) != 1 || problems[0].Reason != v1alpha1.ReasonProfileNotFound || asJSON(t, p) != asJSON(t, Plan{}) {
		t.Errorf("%+v, %v", p, problems)
	}
}

func TestAProfileWithSentinelsThatCannotRunIsRefused(t *testing.T) {
	figures, _ := BuiltIn(v1alpha1.SizeSmall)
	figures.Sentinel = stateful(3, "0", "1Mi", "0")
	cluster, facts := referring(testCluster(t, "", ""), figures)
	_, problems := Resolve(cluster, facts)
	want := []string{
		"PerformanceProfile exported: spec.sentinel.memory 1Mi is too small: use 32Mi or more",
		"PerformanceProfile exported: spec.sentinel.cpu 0 is not a positive number of cores: use for example 100m",
		"PerformanceProfile exported: spec.sentinel.storage 0 is not a positive number of bytes: use for example 1Gi",
	}
	if len(problems) != len(want) {
		t.Fatalf("%v", problems)
	}
	for i, problem := range problems {
		if problem.Message != want[i] || problem.Reason != v1alpha1.ReasonInvalidSpec {
			t.Errorf("%+v", problem)
		}
	}
}

func TestAvailabilitySingleHasOneOfEverythingAndStillScales(t *testing.T) {
	for _, size := range Sizes() {
		p := mustResolve(t, testCluster(t, size, "profile: {size: "+string(size)+", availability: Single}"), testFacts)
		for _, row := range p.Rows() {
			if row.Replicas != 1 {
				t.Errorf("%s: %d of %s", size, row.Replicas, row.Name)
			}
		}
		if built, _ := BuiltIn(size); p.Zonal || p.API.Autoscaling.MaxReplicas != built.API.MaxReplicas ||
			p.Database.Managed.Durability != v1alpha1.DurabilityAsynchronous {
			t.Errorf("%s: %+v, %s", size, p.API.Autoscaling, p.Database.Managed.Durability)
		}
	}
}

func TestAvailabilityZonalHasThreeOfEverythingThatHoldsData(t *testing.T) {
	for _, size := range Sizes() {
		cluster := testCluster(t, size, "profile: {size: "+string(size)+", availability: Zonal}")
		if size == v1alpha1.SizeDevelopment {
			// Three poolers for writes and three for reads are more than its smallest database has memory for.
			set(t, &cluster.Spec, "database.managed.resources.memory", "320Mi")
		}
		p := mustResolve(t, cluster, testFacts)
		counts := map[string]int32{
			"postgres": p.Database.Managed.Instances, "queue": p.Redis.Stores[0].Replicas,
			"sentinel": p.Redis.Sentinels.Replicas, "pooler": p.Pooler.Replicas, "api": p.API.Autoscaling.MinReplicas,
		}
		for name, count := range counts {
			if count < 3 {
				t.Errorf("%s: %d of %s", size, count, name)
			}
		}
		if !p.Zonal || p.API.Autoscaling.MaxReplicas < 3 || p.Database.Managed.Durability != v1alpha1.DurabilitySynchronous {
			t.Errorf("%s: zonal %t, at most %d", size, p.Zonal, p.API.Autoscaling.MaxReplicas)
		}
	}
	facts := testFacts
	facts.Zones = []string{"a", "b"}
	_, problems := Resolve(testCluster(t, "", "profile: {size: Small, availability: Zonal}"), facts)
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "needs nodes in 3 zones, and there are [a, b]: label nodes with topology.kubernetes.io/zone") {
		t.Errorf("%v", problems)
	}
}

func TestDurabilityIsWhatIsClosestToTheDatabase(t *testing.T) {
	const synchronous, asynchronous = v1alpha1.DurabilitySynchronous, v1alpha1.DurabilityAsynchronous
	tests := map[string]struct {
		fragment string
		want     v1alpha1.Durability
		reason   string
	}{
		"a standby":               {"profile: {size: Small}", synchronous, "there is a standby"},
		"no standby":              {"profile: {size: Development}", asynchronous, "there is no standby"},
		"the intent":              {"profile: {size: Small, durability: Asynchronous}", asynchronous, "set by spec.profile.durability"},
		"a field over the intent": {"{profile: {size: Small, durability: Asynchronous}, database: {managed: {durability: Synchronous}}}", synchronous, "set by spec.database.managed.durability"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := mustResolve(t, testCluster(t, "", test.fragment), testFacts)
			figure, _ := p.Figure("postgres.durability")
			if p.Database.Managed.Durability != test.want || !strings.Contains(figure.Reason, test.reason) {
				t.Errorf("%s: %s", p.Database.Managed.Durability, figure.Reason)
			}
		})
	}
	_, problems := Resolve(testCluster(t, "", "profile: {size: Development, durability: Synchronous}"), testFacts)
	if len(problems) != 1 || !strings.Contains(problems[0].Message, "durability Synchronous needs a standby") {
		t.Errorf("%v", problems)
	}
}
