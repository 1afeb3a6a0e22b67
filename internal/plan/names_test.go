package plan

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// The longest names that the CRD admits.
var (
	longestCluster = strings.Repeat("c", 26)
	longestRegion  = strings.Repeat("r", 20)
)

func TestEveryNameIsLegalForTheLongestClusterAndRegion(t *testing.T) {
	longest := map[reflect.Type]reflect.Value{
		reflect.TypeFor[ComponentName](): reflect.ValueOf(Migration),
		reflect.TypeFor[Access]():        reflect.ValueOf(ReadWrite),
		reflect.TypeFor[StoreName]():     reflect.ValueOf(Queue),
		// A region; the hash of a Job is shorter.
		reflect.TypeFor[string](): reflect.ValueOf(longestRegion),
	}
	cluster := reflect.ValueOf(ClusterName(longestCluster))
	checked := 0
	for i := range cluster.NumMethod() {
		method, name := cluster.Method(i), cluster.Type().Method(i).Name
		if method.Type().Out(0).Kind() != reflect.String {
			continue
		}
		var arguments []reflect.Value
		for argument := range method.Type().Ins() {
			value, ok := longest[argument]
			if !ok {
				t.Fatalf("%s takes a %s: add its longest value to this test", name, argument)
			}
			arguments = append(arguments, value)
		}
		spelt := method.Call(arguments)[0].String()
		for _, complaint := range validation.IsDNS1035Label(spelt) {
			t.Errorf("%s: %s: %s", name, spelt, complaint)
		}
		checked++
	}
	if checked < 15 {
		t.Errorf("only %d names were checked", checked)
	}
}

// A StatefulSet's controller labels its pods with its name, a hyphen and ten characters.
func TestNamesOfStatefulSetsLeaveRoomForTheirPodsLabels(t *testing.T) {
	name := ClusterName(longestCluster)
	for _, set := range []string{
		name.Component(Postgres), name.RedisStore(Queue), name.RedisSentinel(), name.EdgeRegion(longestRegion),
	} {
		if len(set) > 52 {
			t.Errorf("%s has %d characters", set, len(set))
		}
		for _, complaint := range validation.IsDNS1123Label(Member(set, 49)) {
			t.Errorf("pod of %s: %s", set, complaint)
		}
	}
}

func TestLabelsIdentifyTheClusterAndTheComponent(t *testing.T) {
	labels := ClusterName(longestCluster).Labels(Postgres)
	for key, value := range labels {
		for _, complaint := range append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...) {
			t.Errorf("%s=%s: %s", key, value, complaint)
		}
	}
	for _, key := range []string{
		"app.kubernetes.io/name", "app.kubernetes.io/component", "app.kubernetes.io/part-of",
		"app.kubernetes.io/managed-by", "fediflow.io/cluster",
	} {
		if labels[key] == "" {
			t.Errorf("no label %s", key)
		}
	}
	for key, value := range ClusterName(longestCluster).Selector(Postgres) {
		if labels[key] != value {
			t.Errorf("the selector's %s=%s is not among the labels", key, value)
		}
	}
}

func TestAddressesNameEveryMember(t *testing.T) {
	p := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, ""), testFacts)
	queue := []string{
		"fediflow-redis-queue-0.fediflow-redis-queue.social.svc",
		"fediflow-redis-queue-1.fediflow-redis-queue.social.svc",
		"fediflow-redis-queue-2.fediflow-redis-queue.social.svc",
	}
	if got := p.StoreHosts(p.Redis.Stores[0]); fmt.Sprint(got) != fmt.Sprint(queue) {
		t.Errorf("members of the queue: %v", got)
	}
	if got := p.SentinelAddresses(); len(got) != 3 ||
		got[2] != "fediflow-redis-sentinel-2.fediflow-redis-sentinel.social.svc:26379" {
		t.Errorf("Sentinels: %v", got)
	}
}

func TestTheDatabaseIsWhereTheSpecSays(t *testing.T) {
	external := `
imagePullSecrets: [{name: registry}]
database: {external: {host: db.example.edu, port: 5433, database: social, credentialsSecret: {name: db-login}}}`
	tests := map[string]struct {
		fragment         string
		access           Access
		host             string
		port             int32
		database, secret string
		required         []string
	}{
		"writes":    {"", ReadWrite, "fediflow-postgres", 5432, "fediflow", "fediflow-postgres-credentials", []string{}},
		"reads":     {"", ReadOnly, "fediflow-postgres-ro", 5432, "fediflow", "fediflow-postgres-credentials", []string{}},
		"elsewhere": {external, ReadWrite, "db.example.edu", 5433, "social", "db-login", []string{"registry", "db-login"}},
		"elsewhere by default": {
			"database: {external: {host: db, credentialsSecret: {name: login}}}",
			ReadOnly, "db", 5432, "fediflow", "login", []string{"login"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p := mustResolve(t, testCluster(t, v1alpha1.SizeSmall, test.fragment), testFacts)
			host, port := p.DatabaseServer(test.access)
			if host != test.host || port != test.port {
				t.Errorf("%s:%d", host, port)
			}
			if p.DatabaseName() != test.database || p.DatabaseSecret() != test.secret {
				t.Errorf("database %s, Secret %s", p.DatabaseName(), p.DatabaseSecret())
			}
			if got := p.RequiredSecrets(); fmt.Sprint(got) != fmt.Sprint(test.required) {
				t.Errorf("Secrets that must exist: %v", got)
			}
		})
	}
}
