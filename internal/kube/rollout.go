package kube

import (
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"
)

// RoutedSeconds after a pod became ready, every node routes to it.
const RoutedSeconds = 2

// SurgeOnly replaces pods with no loss of capacity.
func SurgeOnly() *acapps.DeploymentStrategyApplyConfiguration {
	return acapps.DeploymentStrategy().
		WithType(appsv1.RollingUpdateDeploymentStrategyType).
		WithRollingUpdate(acapps.RollingUpdateDeployment().
			WithMaxSurge(intstr.FromString("25%")).
			WithMaxUnavailable(intstr.FromInt32(0)))
}

// OnDelete leaves it to the operator when each pod goes.
func OnDelete() *acapps.StatefulSetUpdateStrategyApplyConfiguration {
	return acapps.StatefulSetUpdateStrategy().WithType(appsv1.OnDeleteStatefulSetStrategyType)
}

// SleepBeforeStop keeps a pod serving while Services stop routing to it.
func SleepBeforeStop(seconds int64) *accore.LifecycleApplyConfiguration {
	return accore.Lifecycle().WithPreStop(accore.LifecycleHandler().
		WithSleep(accore.SleepAction().WithSeconds(seconds)))
}

// BeforeStop runs a command in the container before it is told to stop.
func BeforeStop(command ...string) *accore.LifecycleApplyConfiguration {
	return accore.Lifecycle().WithPreStop(accore.LifecycleHandler().
		WithExec(accore.ExecAction().WithCommand(command...)))
}
