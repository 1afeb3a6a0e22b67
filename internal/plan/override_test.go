package plan

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// explicitField is a field that wins over every profile.
type explicitField struct {
	field, fragment string
	read            func(Plan) any
	want            string
}

var explicitFields = []explicitField{
	{
		"spec.api.autoscaling.minReplicas", "api: {autoscaling: {minReplicas: 2}}",
		func(p Plan) any { return p.API.Autoscaling.MinReplicas }, "2",
	},
	{
		"spec.api.autoscaling.maxReplicas", "api: {autoscaling: {maxReplicas: 77}}",
		func(p Plan) any { return p.API.Autoscaling.MaxReplicas }, "77",
	},
	{
		"spec.api.autoscaling.cpuUtilization", "api: {autoscaling: {cpuUtilization: 55}}",
		func(p Plan) any { return p.API.Autoscaling.CPUUtilization }, "55",
	},
	{
		"spec.api.autoscaling.memoryUtilization", "api: {autoscaling: {memoryUtilization: 66}}",
		func(p Plan) any { return p.API.Autoscaling.MemoryUtilization }, "66",
	},
	{
		"spec.api.resources.cpu", "api: {resources: {cpu: 333m}}",
		func(p Plan) any { return p.API.Resources.CPU }, "333m",
	},
	{
		"spec.api.resources.memory", "api: {resources: {memory: 777Mi}}",
		func(p Plan) any { return p.API.Resources.Memory }, "777Mi",
	},
	{
		"spec.migrations.preDeploy.command", "migrations: {preDeploy: {command: [rake, db:migrate]}}",
		func(p Plan) any { return p.Migration.Command }, "[rake db:migrate]",
	},
	{
		"spec.database.managed.instances", "database: {managed: {instances: 7}}",
		func(p Plan) any { return p.Database.Managed.Instances }, "7",
	},
	{
		"spec.database.managed.durability", "database: {managed: {durability: Asynchronous}}",
		func(p Plan) any { return p.Database.Managed.Durability }, "Asynchronous",
	},
	{
		"spec.database.managed.maximumLag", "database: {managed: {durability: Asynchronous, maximumLag: 3Mi}}",
		func(p Plan) any { return p.Database.Managed.MaximumLagBytes }, "3145728",
	},
	{
		"spec.database.managed.heartbeat", "database: {managed: {heartbeat: Frugal}}",
		func(p Plan) any { return p.Database.Managed.Heartbeat.Interval }, "10",
	},
	{
		"spec.database.managed.storage.size", "database: {managed: {storage: {size: 33Gi}}}",
		func(p Plan) any { return p.Database.Managed.Storage.Size }, "33Gi",
	},
	{
		"spec.database.managed.storage.storageClassName", "database: {managed: {storage: {storageClassName: fast}}}",
		func(p Plan) any { return p.Database.Managed.Storage.ClassName }, "fast",
	},
	{
		"spec.database.managed.resources.cpu", "database: {managed: {resources: {cpu: 333m}}}",
		func(p Plan) any { return p.Database.Managed.Resources.CPU }, "333m",
	},
	{
		"spec.database.managed.resources.memory", "database: {managed: {resources: {memory: 777Mi}}}",
		func(p Plan) any { return p.Database.Managed.Resources.Memory }, "777Mi",
	},
	{
		"spec.pooler.replicas", "pooler: {replicas: 4}",
		func(p Plan) any { return p.Pooler.Replicas }, "4",
	},
	{
		"spec.pooler.resources.cpu", "pooler: {resources: {cpu: 333m}}",
		func(p Plan) any { return p.Pooler.Resources.CPU }, "333m",
	},
	{
		"spec.pooler.resources.memory", "pooler: {resources: {memory: 777Mi}}",
		func(p Plan) any { return p.Pooler.Resources.Memory }, "777Mi",
	},
	{
		"spec.redis.managed.queue.replicas", "redis: {managed: {queue: {replicas: 5}}}",
		func(p Plan) any { return p.Redis.Stores[0].Replicas }, "5",
	},
	{
		"spec.redis.managed.queue.storage.size", "redis: {managed: {queue: {storage: {size: 33Gi}}}}",
		func(p Plan) any { return p.Redis.Stores[0].Storage.Size }, "33Gi",
	},
	{
		"spec.redis.managed.queue.storage.storageClassName", "redis: {managed: {queue: {storage: {storageClassName: fast}}}}",
		func(p Plan) any { return p.Redis.Stores[0].Storage.ClassName }, "fast",
	},
	{
		"spec.redis.managed.queue.resources.cpu", "redis: {managed: {queue: {resources: {cpu: 333m}}}}",
		func(p Plan) any { return p.Redis.Stores[0].Resources.CPU }, "333m",
	},
	{
		"spec.redis.managed.queue.resources.memory", "redis: {managed: {queue: {resources: {memory: 777Mi}}}}",
		func(p Plan) any { return p.Redis.Stores[0].Resources.Memory }, "777Mi",
	},
	{
		"spec.redis.managed.cache.replicas", "redis: {managed: {cache: {replicas: 5}}}",
		func(p Plan) any { return p.Redis.Stores[1].Replicas }, "5",
	},
	{
		"spec.redis.managed.cache.resources.cpu", "redis: {managed: {cache: {resources: {cpu: 333m}}}}",
		func(p Plan) any { return p.Redis.Stores[1].Resources.CPU }, "333m",
	},
	{
		"spec.redis.managed.cache.resources.memory", "redis: {managed: {cache: {resources: {memory: 777Mi}}}}",
		func(p Plan) any { return p.Redis.Stores[1].Resources.Memory }, "777Mi",
	},
	{
		"spec.edge.serviceType", "edge: {serviceType: LoadBalancer}",
		func(p Plan) any { return p.Edge.ServiceType }, "LoadBalancer",
	},
	{
		"spec.edge.resources.cpu", "edge: {resources: {cpu: 333m}}",
		func(p Plan) any { return p.Edge.Resources.CPU }, "333m",
	},
	{
		"spec.edge.resources.memory", "edge: {resources: {memory: 777Mi}}",
		func(p Plan) any { return p.Edge.Resources.Memory }, "777Mi",
	},
	{
		"spec.edge.storage.size", "edge: {storage: {size: 33Gi}}",
		func(p Plan) any { return p.Edge.Storage.Size }, "33Gi",
	},
	{
		"spec.edge.storage.storageClassName", "edge: {storage: {storageClassName: fast}}",
		func(p Plan) any { return p.Edge.Storage.ClassName }, "fast",
	},
	{
		"spec.edge.regions", "edge: {regions: [{name: us-east}]}",
		func(p Plan) any { return p.Edge.Regions[0].Name }, "us-east",
	},
	{
		"spec.edge.regions[us-east].replicas", "edge: {regions: [{name: us-east, replicas: 7}]}",
		func(p Plan) any { return p.Edge.Regions[0].Replicas }, "7",
	},
}

// notFigures are fields that replace nothing that a profile derives.
var notFigures = []string{
	"spec.domain", "spec.image", "spec.imagePullSecrets", "spec.imagePullSecrets[us-east].name", "spec.profile.size",
	"spec.profile.activeUsers", "spec.profile.ref", "spec.profile.availability", "spec.profile.durability",
	"spec.profile.ceiling.cpu", "spec.profile.ceiling.memory",
	"spec.edge.regions[us-east].name",
	"spec.database.external.host", "spec.database.external.port", "spec.database.external.database",
	"spec.database.external.credentialsSecret.name", "spec.tls.certificateSecret.name",
	"spec.database.indexes", "spec.database.indexes[us-east].name", "spec.database.indexes[us-east].table",
	"spec.database.indexes[us-east].schema", "spec.database.indexes[us-east].columns",
	"spec.database.indexes[us-east].columns[us-east].name", "spec.database.indexes[us-east].columns[us-east].order",
	"spec.database.indexes[us-east].unique", "spec.database.indexes[us-east].method",
	// Each parameter is listed by its own name: TestADeclaredParameterWinsAndIsListed.
	"spec.database.managed.parameters", "spec.database.managed.extensions",
	"spec.database.managed.roles", "spec.database.managed.roles[us-east].name",
	"spec.database.managed.roles[us-east].passwordSecret.name", "spec.database.managed.roles[us-east].passwordSecret.key",
	"spec.database.managed.roles[us-east].inherit", "spec.database.managed.roles[us-east].memberOf",
	"spec.database.managed.roles[us-east].connectionLimit",
}

func TestAnExplicitFieldWinsOverEverySizeAndIsListed(t *testing.T) {
	for _, test := range explicitFields {
		t.Run(test.field, func(t *testing.T) {
			for _, size := range Sizes() {
				p := mustResolve(t, testCluster(t, size, test.fragment), testFacts)
				if got := text(test.read(p)); got != test.want {
					t.Errorf("%s: %s, not %s", size, got, test.want)
				}
				if !slices.Contains(p.Overrides, test.field) || !slices.IsSorted(p.Overrides) {
					t.Errorf("%s: overrides are %v", size, p.Overrides)
				}
			}
		})
	}
}

func TestEveryFieldOfTheSpecIsKnownToTheseTests(t *testing.T) {
	known := slices.Clone(notFigures)
	for _, test := range explicitFields {
		known = append(known, test.field)
	}
	got := leaves("spec", reflect.TypeFor[v1alpha1.FediFlowClusterSpec]())
	slices.Sort(got)
	slices.Sort(known)
	if !slices.Equal(got, known) {
		t.Errorf("fields of the spec:\n%s\nfields in the tables:\n%s", strings.Join(got, "\n"), strings.Join(known, "\n"))
	}
}

// leaves are the paths of all fields; the key of list items is us-east, as in the table.
func leaves(path string, typ reflect.Type) []string {
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct:
		return append(leaves(path+"[us-east]", typ.Elem()), path)
	case typ.Kind() != reflect.Struct, typ == reflect.TypeFor[resource.Quantity]():
		return []string{path}
	}
	var paths []string
	for field := range typ.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		paths = append(paths, leaves(strings.TrimSuffix(path+"."+name, "."), field.Type)...) // an embedded field has no name
	}
	return paths
}
