package plan

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

func TestEverySizeIsCompleteByItself(t *testing.T) {
	if len(Sizes()) != len(anchors) {
		t.Fatalf("%d sizes are listed, %d have figures", len(Sizes()), len(anchors))
	}
	for _, size := range Sizes() {
		t.Run(string(size), func(t *testing.T) {
			p := mustResolve(t, testCluster(t, size, ""), testFacts)
			if len(p.Overrides) != 0 {
				t.Errorf("overrides without an explicit field: %v", p.Overrides)
			}
			for _, row := range p.Rows() {
				if row.Replicas < 1 || row.Resources.CPU.Sign() <= 0 || row.Resources.Memory.Sign() <= 0 {
					t.Errorf("%s has no figures: %+v", row.Name, row)
				}
			}
		})
	}
}

func TestEveryFigureGrowsOrStaysFromSizeToSize(t *testing.T) {
	sizes := Sizes()
	for i := 1; i < len(sizes); i++ {
		small := figuresOf(t, sizes[i-1])
		large := figuresOf(t, sizes[i])
		if len(small) < 40 {
			t.Fatalf("only %d figures were found in a plan", len(small))
		}
		for _, name := range slices.Sorted(maps.Keys(small)) {
			// More pooler pods share the connections that the database has memory for.
			if name == "plan.Pooler.PoolSize" || name == "plan.Pooler.ReserveSize" {
				continue
			}
			if value, found := large[name]; !found || value < small[name] {
				t.Errorf("%s: %v in %s, %v in %s", name, small[name], sizes[i-1], large[name], sizes[i])
			}
		}
	}
}

func TestNoTwoSizesAreEqual(t *testing.T) {
	sizes := Sizes()
	for i := 1; i < len(sizes); i++ {
		if maps.Equal(figuresOf(t, sizes[i-1]), figuresOf(t, sizes[i])) {
			t.Errorf("%s and %s have the same figures", sizes[i-1], sizes[i])
		}
	}
}

func TestFromSmallOnEveryStoreOfRecordHasThreeMembers(t *testing.T) {
	for _, size := range Sizes()[1:] {
		p := mustResolve(t, testCluster(t, size, ""), testFacts)
		if p.Database.Managed.Instances < 3 || p.Database.Managed.Durability != v1alpha1.DurabilitySynchronous {
			t.Errorf("%s: %d database members, %s", size, p.Database.Managed.Instances, p.Database.Managed.Durability)
		}
		if queue := p.Redis.Stores[0]; queue.Name != Queue || queue.Replicas < 3 || queue.Storage == nil {
			t.Errorf("%s: queue %+v", size, queue)
		}
	}
}

func TestSentinelsCanOutvoteTheLossOfOne(t *testing.T) {
	for _, size := range Sizes() {
		sentinels := mustResolve(t, testCluster(t, size, ""), testFacts).Redis.Sentinels
		if 2*sentinels.Quorum <= sentinels.Replicas {
			t.Errorf("%s: %d of %d Sentinels is no majority", size, sentinels.Quorum, sentinels.Replicas)
		}
		if sentinels.Replicas > 1 && sentinels.Quorum > sentinels.Replicas-1 {
			t.Errorf("%s: the loss of one of %d Sentinels stops failover", size, sentinels.Replicas)
		}
	}
}

// TestSafetyMembersWithDataAreKept: which members hold the newest data only the engine knows.
func TestSafetyMembersWithDataAreKept(t *testing.T) {
	facts := testFacts
	facts.Members = map[string]int32{
		"fediflow-postgres": 3, "fediflow-redis-queue": 3, "fediflow-redis-sentinel": 3, "other-postgres": 9,
	}
	p := mustResolve(t, testCluster(t, v1alpha1.SizeDevelopment, ""), facts)
	if m := p.Database.Managed; m.Instances != 3 || m.Kept != 2 {
		t.Errorf("database: %d members, %d kept", m.Instances, m.Kept)
	}
	if queue := p.Redis.Stores[0]; queue.Replicas != 3 || queue.Kept != 2 {
		t.Errorf("queue: %d members, %d kept", queue.Replicas, queue.Kept)
	}
	if s := p.Redis.Sentinels; s.Replicas != 3 || s.Quorum != 2 {
		t.Errorf("Sentinels: %d with a quorum of %d", s.Replicas, s.Quorum)
	}
	if p.Database.Managed.Durability != v1alpha1.DurabilitySynchronous {
		t.Error("kept standbys do not make writes safe")
	}
	p = mustResolve(t, testCluster(t, v1alpha1.SizeXLarge, ""), facts)
	if m := p.Database.Managed; m.Instances != 5 || m.Kept != 0 {
		t.Errorf("a larger wish: %d members, %d kept", m.Instances, m.Kept)
	}
}

// TestSafetyMembersAreRemovedOnlyWhereTheSpecSaysSo: and retired ones come back only to a primary, so
// that none of them leads with old data.
func TestSafetyMembersAreRemovedOnlyWhereTheSpecSaysSo(t *testing.T) {
	const two = "database: {managed: {instances: 2}}"
	for name, test := range map[string]struct {
		fragment                string
		members, retired        int32
		instances, target, kept int32
	}{
		"a new database":                       {two, 0, 0, 2, 2, 0},
		"fewer than there are":                 {two, 4, 0, 4, 2, 0},
		"fewer by the profile":                 {"", 4, 0, 4, 4, 1},
		"what was asked for is reached":        {two, 2, 2, 2, 2, 0},
		"the profile asks for retired ones":    {"", 2, 1, 2, 3, 0},
		"more than there ever were":            {"database: {managed: {instances: 5}}", 2, 1, 2, 5, 0},
		"all of them are back":                 {"database: {managed: {instances: 5}}", 3, 0, 5, 5, 0},
		"a number is no longer asked for":      {"", 3, 2, 3, 3, 0},
		"one, and retired ones beyond":         {"database: {managed: {instances: 1}}", 1, 4, 1, 1, 0},
		"fewer, with retired ones beyond them": {"database: {managed: {instances: 1}}", 3, 4, 3, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			facts := testFacts
			facts.Members = map[string]int32{"fediflow-postgres": test.members}
			facts.Retired = map[string]int32{"fediflow-postgres": test.retired}
			p := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, test.fragment), facts)
			m := p.Database.Managed
			if m.Instances != test.instances || m.Target != test.target || m.Kept != test.kept {
				t.Errorf("%d instances on their way to %d, %d kept", m.Instances, m.Target, m.Kept)
			}
			if figure, _ := p.Figure("postgres.replicas"); figure.Value != text(m.Instances) {
				t.Errorf("what is told is %s: %s", figure.Value, figure.Reason)
			}
		})
	}
}

func TestWritesAndReadsStopRelyingOnTheLastStandbyBeforeItGoes(t *testing.T) {
	facts := testFacts
	facts.Members = map[string]int32{"fediflow-postgres": 2}
	p := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, "database: {managed: {instances: 1}}"), facts)
	if m := p.Database.Managed; m.Durability != v1alpha1.DurabilityAsynchronous || m.Instances != 2 {
		t.Errorf("%d members, durability %s", m.Instances, m.Durability)
	}
	if p.Pooler.ReadAccess != ReadWrite || len(p.Pooler.Accesses) != 2 {
		t.Errorf("reads go through %s of %v", p.Pooler.ReadAccess, p.Pooler.Accesses)
	}
	facts.Members = map[string]int32{"fediflow-postgres": 1}
	if after := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, "database: {managed: {instances: 1}}"), facts); after.Database.Managed.MaxConnections != p.Database.Managed.MaxConnections {
		t.Errorf("the last member restarts for max_connections %d", after.Database.Managed.MaxConnections)
	}
	facts.Members = map[string]int32{"fediflow-postgres": 2}
	if _, problems := Resolve(testCluster(t, v1alpha1.SizeSmall,
		"{profile: {size: Small, durability: Synchronous}, database: {managed: {instances: 1}}}"), facts); len(problems) != 1 {
		t.Errorf("Synchronous without a standby: %v", problems)
	}
}

// TestSafetyWALIsCappedByTheVolumeThereIs: one that could not grow must not be filled.
func TestSafetyWALIsCappedByTheVolumeThereIs(t *testing.T) {
	capped := func(capacity string) string {
		facts := testFacts
		if capacity != "" {
			facts.Capacities = map[string]resource.Quantity{"fediflow-postgres": resource.MustParse(capacity)}
		}
		p := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, "database: {managed: {storage: {size: 100Gi}}}"), facts)
		return p.Database.Managed.Parameters["max_slot_wal_keep_size"]
	}
	for capacity, want := range map[string]string{"": "20480MB", "5Gi": "1024MB", "100Gi": "20480MB", "500Gi": "20480MB"} {
		if have := capped(capacity); have != want {
			t.Errorf("with %q: %s, not %s", capacity, have, want)
		}
	}
}

func figuresOf(t *testing.T, size v1alpha1.ProfileSize) map[string]float64 {
	t.Helper()
	figures := map[string]float64{}
	collect(figures, "plan", reflect.ValueOf(mustResolve(t, testCluster(t, size, ""), testFacts)))
	return figures
}

// collect finds every number of a plan by its path.
func collect(figures map[string]float64, path string, v reflect.Value) {
	if quantity, ok := reflect.TypeAssert[resource.Quantity](v); ok {
		figures[path] = quantity.AsApproximateFloat64()
		return
	}
	switch v.Kind() {
	case reflect.Int32, reflect.Int64:
		figures[path] = float64(v.Int())
	case reflect.Pointer:
		if !v.IsNil() {
			collect(figures, path, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			collect(figures, path+"."+v.Type().Field(i).Name, v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			collect(figures, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			number, err := strconv.ParseFloat(strings.TrimSuffix(v.MapIndex(key).String(), "MB"), 64)
			if err == nil {
				figures[path+"."+key.String()] = number
			}
		}
	default:
	}
}
