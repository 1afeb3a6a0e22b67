package controllers

import (
	"context"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// SetupWithManager starts the watches.
func (r *FediFlowClusterReconciler) SetupWithManager(manager ctrl.Manager) error {
	toCluster := handler.EnqueueRequestsFromMapFunc(clusterOf)
	toAll := handler.EnqueueRequestsFromMapFunc(r.allClusters)
	b := ctrl.NewControllerManagedBy(manager).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 4,
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](
				retryFailedFirst, retryFailedMost),
		}).
		For(&v1alpha1.FediFlowCluster{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, requestChange())))
	for _, kind := range childKinds() {
		b = b.Watches(kind, toCluster, builder.WithPredicates(significantChange()))
	}
	b = b.
		Watches(&corev1.Endpoints{}, r.Leaders.Handler()). //nolint:staticcheck // Patroni's state is in Endpoints
		Watches(&corev1.Node{}, toAll, builder.WithPredicates(nodeChange())).
		Watches(&storagev1.StorageClass{}, toAll, builder.WithPredicates(classChange())).
		Watches(&corev1.ResourceQuota{}, handler.EnqueueRequestsFromMapFunc(r.clustersBeside), builder.WithPredicates(quotaChange())).
		Watches(&corev1.LimitRange{}, handler.EnqueueRequestsFromMapFunc(r.clustersBeside)).
		Watches(&v1alpha1.PerformanceProfile{}, handler.EnqueueRequestsFromMapFunc(r.clustersOfProfile),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesRawSource(source.Channel(r.Databases.Wanted, &handler.EnqueueRequestForObject{}))
	if err := manager.Add(r.Databases); err != nil {
		return fmt.Errorf("add the work in databases: %w", err)
	}
	if err := b.Complete(r); err != nil {
		return fmt.Errorf("start the FediFlowCluster controller: %w", err)
	}
	return nil
}

// childKinds are all kinds of children.
func childKinds() []client.Object {
	return []client.Object{
		&appsv1.Deployment{}, &appsv1.StatefulSet{}, &autoscalingv2.HorizontalPodAutoscaler{}, &batchv1.Job{},
		&corev1.ConfigMap{}, &corev1.PersistentVolumeClaim{}, &corev1.Pod{}, &corev1.Service{},
		&corev1.Endpoints{}, //nolint:staticcheck // Patroni's state is in Endpoints
		&corev1.ServiceAccount{}, &networkingv1.NetworkPolicy{}, &policyv1.PodDisruptionBudget{},
		&rbacv1.Role{}, &rbacv1.RoleBinding{},
	}
}

// clusterOf maps a child to its cluster by label: pods belong to their controllers, and Patroni's
// Endpoints to nobody.
func clusterOf(_ context.Context, object client.Object) []reconcile.Request {
	name := object.GetLabels()[plan.LabelCluster]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: object.GetNamespace(), Name: name}}}
}

func (r *FediFlowClusterReconciler) allClusters(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.clustersWhere(ctx, func(*v1alpha1.FediFlowCluster) bool { return true })
}

// clustersBeside are the clusters in the namespace of an object.
func (r *FediFlowClusterReconciler) clustersBeside(ctx context.Context, object client.Object) []reconcile.Request {
	return r.clustersWhere(ctx, func(cluster *v1alpha1.FediFlowCluster) bool { return cluster.Namespace == object.GetNamespace() })
}

// clustersOfProfile are the clusters that refer to a PerformanceProfile.
func (r *FediFlowClusterReconciler) clustersOfProfile(ctx context.Context, profile client.Object) []reconcile.Request {
	return r.clustersWhere(ctx, func(cluster *v1alpha1.FediFlowCluster) bool { return cluster.Spec.Profile.Ref == profile.GetName() })
}

func (r *FediFlowClusterReconciler) clustersWhere(ctx context.Context, condition func(*v1alpha1.FediFlowCluster) bool) []reconcile.Request {
	var clusters v1alpha1.FediFlowClusterList
	if err := r.Client.List(ctx, &clusters); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "list FediFlowClusters")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(clusters.Items))
	for i := range clusters.Items {
		if !condition(&clusters.Items[i]) {
			continue
		}
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&clusters.Items[i])})
	}
	return requests
}

// significantChange ignores updates that change nothing a pass looks at, such as the renewal of the
// leader lock every few seconds and an autoscaler's current metrics.
func significantChange() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return !equality.Semantic.DeepEqual(significant(e.ObjectOld), significant(e.ObjectNew))
	}}
}

// significant is what a pass looks at.
func significant(object client.Object) any {
	type general struct {
		labels     map[string]string
		generation int64
		deleting   bool
		content    any
	}
	g := general{object.GetLabels(), object.GetGeneration(), object.GetDeletionTimestamp() != nil, nil}
	switch o := object.(type) {
	case *corev1.Endpoints: //nolint:staticcheck // Patroni's state is in Endpoints
		a := o.Annotations
		g.content = []string{a["leader"], a["sync_standby"], a["config"]}
	case *corev1.Pod:
		g.content = []any{o.Status.Phase, o.Status.PodIP, conditions(o), o.Status.InitContainerStatuses,
			o.Status.ContainerStatuses, postgres.WithoutPosition(o.Annotations)}
	case *autoscalingv2.HorizontalPodAutoscaler:
		g.content = o.Spec
	case *appsv1.Deployment:
		g.content = []any{o.Annotations, o.Status}
	case *appsv1.StatefulSet:
		g.content = []any{o.Annotations, o.Status}
	case *batchv1.Job:
		g.content = []any{o.Annotations, o.Status}
	case *policyv1.PodDisruptionBudget:
		g.content = o.Spec
	case *corev1.PersistentVolumeClaim:
		g.content = []any{o.Spec.Resources, o.Status.Phase, o.Status.Capacity, o.Status.AllocatedResourceStatuses, claimConditions(o)}
	default:
		g.content = object.GetResourceVersion()
	}
	return []any{g.labels, g.generation, g.deleting, g.content}
}

// conditions without the times of probes.
func conditions(pod *corev1.Pod) map[corev1.PodConditionType]string {
	states := map[corev1.PodConditionType]string{}
	for _, condition := range pod.Status.Conditions {
		states[condition.Type] = string(condition.Status) + condition.Reason + condition.Message
	}
	return states
}

// claimConditions without their times.
func claimConditions(claim *corev1.PersistentVolumeClaim) map[corev1.PersistentVolumeClaimConditionType]string {
	states := map[corev1.PersistentVolumeClaimConditionType]string{}
	for _, condition := range claim.Status.Conditions {
		states[condition.Type] = string(condition.Status) + condition.Reason + condition.Message
	}
	return states
}

// nodeChange ignores heartbeats: only what resolve knows of a node counts.
func nodeChange() predicate.Predicate {
	known := func(object client.Object) any {
		node, ok := object.(*corev1.Node)
		if !ok {
			return nil
		}
		return []any{node.Labels[plan.LabelRegion], node.Labels[plan.LabelZone], node.Spec.Unschedulable,
			node.Status.Allocatable.Cpu().MilliValue(), node.Status.Allocatable.Memory().Value()}
	}
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return !equality.Semantic.DeepEqual(known(e.ObjectOld), known(e.ObjectNew))
	}}
}

// requestChange notices a new request in an annotation.
func requestChange() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.GetAnnotations()[plan.AnnotationSwitchover] != e.ObjectNew.GetAnnotations()[plan.AnnotationSwitchover]
	}}
}

// quotaChange ignores what is used up: only the bounds count.
func quotaChange() predicate.Predicate {
	bounds := func(object client.Object) any {
		quota, ok := object.(*corev1.ResourceQuota)
		if !ok {
			return nil
		}
		return quota.Spec.Hard
	}
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return !equality.Semantic.DeepEqual(bounds(e.ObjectOld), bounds(e.ObjectNew))
	}}
}

// classChange notices when volumes of a StorageClass can grow from now on, or no longer.
func classChange() predicate.Predicate {
	expands := func(object client.Object) bool {
		class, ok := object.(*storagev1.StorageClass)
		return ok && class.AllowVolumeExpansion != nil && *class.AllowVolumeExpansion
	}
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool { return expands(e.ObjectOld) != expands(e.ObjectNew) }}
}
