package plan

import (
	"strings"
	"testing"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

func BenchmarkResolve(b *testing.B) {
	run := func(name string, cluster *v1alpha1.FediFlowCluster) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, problems := Resolve(cluster, testFacts); len(problems) > 0 {
					b.Fatal(problems)
				}
			}
		})
	}
	for _, size := range Sizes() {
		run(string(size), testCluster(b, size, ""))
	}
	users := testCluster(b, "", "profile: {activeUsers: 54321}")
	run("users", users)
	run("every field set", testCluster(b, "", strings.TrimSpace(`
profile: {activeUsers: 54321, availability: Zonal, durability: Synchronous, ceiling: {cpu: 500, memory: 2Ti}}
api: {autoscaling: {minReplicas: 5, maxReplicas: 60, cpuUtilization: 60, memoryUtilization: 70}, resources: {cpu: 1, memory: 1Gi}}
migrations: {preDeploy: {command: [node, migrate.js, up]}}
database: {managed: {instances: 3, durability: Synchronous, storage: {size: 500Gi, storageClassName: fast}, resources: {cpu: 6, memory: 32Gi}}}
pooler: {replicas: 4, resources: {cpu: 500m, memory: 512Mi}}
redis:
  managed:
    queue: {replicas: 3, storage: {size: 20Gi, storageClassName: fast}, resources: {cpu: 1, memory: 4Gi}}
    cache: {replicas: 2, resources: {cpu: 1, memory: 8Gi}}
edge:
  serviceType: LoadBalancer
  storage: {size: 100Gi, storageClassName: slow}
  resources: {cpu: 2, memory: 1Gi}
  regions: [{name: eu-west, replicas: 3}, {name: us-east, replicas: 2}]`)))
}
