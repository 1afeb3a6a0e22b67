package plan

import "github.com/fediflow/fediflow-operator/api/v1alpha1"

// The application's own pool settings, from the platform's design.
const (
	apiPoolMin           = 2
	apiPoolMax           = 20
	poolIdleMilliseconds = 30_000
	poolConnectionMillis = 2_000
	statementMillis      = 30_000
	// nodeNativeMiB is what Node and its libraries hold beside the JavaScript heap: 130 to 150 MiB
	// were measured with the reference server under load.
	nodeNativeMiB = 150
	// nodeThreads is Node's own default; more help only beside more than four cores.
	nodeThreads = 4
)

func resolveAPI(l *ledger, spec *v1alpha1.FediFlowClusterSpec, profile v1alpha1.AutoscaledProfile) APIPlan {
	api := orEmpty(spec.API)
	scaling := orEmpty(api.Autoscaling)
	const field = "spec.api.autoscaling."
	plan := APIPlan{
		Autoscaling: Autoscaling{
			MinReplicas:    pick(l, "api.minReplicas", field+"minReplicas", scaling.MinReplicas, profile.MinReplicas),
			MaxReplicas:    pick(l, "api.maxReplicas", field+"maxReplicas", scaling.MaxReplicas, profile.MaxReplicas),
			CPUUtilization: pick(l, "api.cpuUtilization", field+"cpuUtilization", scaling.CPUUtilization, profile.CPUUtilization),
			MemoryUtilization: pick(l, "api.memoryUtilization", field+"memoryUtilization",
				scaling.MemoryUtilization, profile.MemoryUtilization),
		},
		Resources: l.resources("api", "spec.api.resources", api.Resources, profile.CPU, profile.Memory),
		Pool: ClientPool{
			Min: apiPoolMin, Max: apiPoolMax,
			IdleMilliseconds:       poolIdleMilliseconds,
			ConnectionMilliseconds: poolConnectionMillis,
			StatementMilliseconds:  statementMillis,
		},
	}
	memory := plan.Resources.Memory.Value() / mebibyte
	plan.HeapMiB = memory - nodeNativeMiB
	l.record("api.heap_mib", plan.HeapMiB, "memory %d MiB − %d MiB that Node holds beside the heap", memory, nodeNativeMiB)
	plan.Threads = max(nodeThreads, plan.Resources.CPU.Value())
	l.record("api.threads", plan.Threads, "one for each core of the request, and at least Node's default of %d", nodeThreads)
	l.record("api.processes", 1, "one Node process a pod: the autoscaler adds pods")
	l.record("api.pool_min", apiPoolMin, "kept open when idle, for each of the two pools (primary, replicas)")
	l.record("api.pool_max", apiPoolMax, "for each of the two pools of a pod; the pooler shares server connections between pods")
	l.record("api.pool_idle_ms", poolIdleMilliseconds, "idle connections above the minimum are closed")
	l.record("api.pool_connection_ms", poolConnectionMillis, "longest wait for a connection, so that overload is seen and not hidden")
	l.record("api.statement_ms", statementMillis, "longest statement of a request")
	return plan
}

func resolveMigration(l *ledger, spec *v1alpha1.FediFlowClusterSpec) MigrationPlan {
	preDeploy := orEmpty(orEmpty(spec.Migrations).PreDeploy)
	if preDeploy.Command == nil {
		return MigrationPlan{Command: []string{"node", "migrate.js", "up"}}
	}
	l.overrides = append(l.overrides, "spec.migrations.preDeploy.command")
	return MigrationPlan{Command: preDeploy.Command}
}
