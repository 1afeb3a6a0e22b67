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
)

func resolveAPI(o *overrides, spec *v1alpha1.FediFlowClusterSpec, size profile) APIPlan {
	api := orEmpty(spec.API)
	scaling := orEmpty(api.Autoscaling)
	const field = "spec.api.autoscaling"
	plan := APIPlan{
		Autoscaling: Autoscaling{
			MinReplicas:       pick(o, field+".minReplicas", scaling.MinReplicas, size.api.replicas),
			MaxReplicas:       pick(o, field+".maxReplicas", scaling.MaxReplicas, size.apiMax),
			CPUUtilization:    pick(o, field+".cpuUtilization", scaling.CPUUtilization, 70),
			MemoryUtilization: pick(o, field+".memoryUtilization", scaling.MemoryUtilization, 80),
		},
		Resources: o.resources("spec.api.resources", api.Resources, size.api),
		Pool: ClientPool{
			Min: apiPoolMin, Max: apiPoolMax,
			IdleMilliseconds:       poolIdleMilliseconds,
			ConnectionMilliseconds: poolConnectionMillis,
			StatementMilliseconds:  statementMillis,
		},
	}
	plan.HeapMiB = plan.Resources.Memory.Value()/mebibyte - nodeNativeMiB
	return plan
}

func resolveMigration(o *overrides, spec *v1alpha1.FediFlowClusterSpec) MigrationPlan {
	preDeploy := orEmpty(orEmpty(spec.Migrations).PreDeploy)
	if preDeploy.Command == nil {
		return MigrationPlan{Command: []string{"node", "migrate.js", "up"}}
	}
	o.fields = append(o.fields, "spec.migrations.preDeploy.command")
	return MigrationPlan{Command: preDeploy.Command}
}
