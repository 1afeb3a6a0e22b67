// Package observe reads the world once per pass, from the cache, into plain values.
package observe

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Reader reads the world of one cluster.
type Reader struct {
	// Cache answers without a request.
	Cache  client.Reader
	Images plan.Images
}

// childList is a kind of child and an empty list of it.
type childList struct {
	kind string
	list func() client.ObjectList
}

// childLists are all kinds of children but pods.
var childLists = []childList{
	{"ConfigMap", func() client.ObjectList { return &corev1.ConfigMapList{} }},
	{"Deployment", func() client.ObjectList { return &appsv1.DeploymentList{} }},
	{"Endpoints", func() client.ObjectList { return &corev1.EndpointsList{} }},
	{"HorizontalPodAutoscaler", func() client.ObjectList { return &autoscalingv2.HorizontalPodAutoscalerList{} }},
	{"Job", func() client.ObjectList { return &batchv1.JobList{} }},
	{"NetworkPolicy", func() client.ObjectList { return &networkingv1.NetworkPolicyList{} }},
	{"PersistentVolumeClaim", func() client.ObjectList { return &corev1.PersistentVolumeClaimList{} }},
	{"PodDisruptionBudget", func() client.ObjectList { return &policyv1.PodDisruptionBudgetList{} }},
	{"Role", func() client.ObjectList { return &rbacv1.RoleList{} }},
	{"RoleBinding", func() client.ObjectList { return &rbacv1.RoleBindingList{} }},
	{"Service", func() client.ObjectList { return &corev1.ServiceList{} }},
	{"ServiceAccount", func() client.ObjectList { return &corev1.ServiceAccountList{} }},
	{"StatefulSet", func() client.ObjectList { return &appsv1.StatefulSetList{} }},
}

// World reads the children of a cluster. Nothing in the result may be changed.
func (r *Reader) World(ctx context.Context, cluster client.ObjectKey) (component.World, error) {
	options := []client.ListOption{
		client.InNamespace(cluster.Namespace),
		client.MatchingLabels{plan.LabelCluster: cluster.Name},
		client.UnsafeDisableDeepCopy,
	}
	world := component.World{Objects: map[component.Key]runtime.Object{}}
	for _, child := range childLists {
		list := child.list()
		if err := r.Cache.List(ctx, list, options...); err != nil {
			return component.World{}, fmt.Errorf("list %s: %w", child.kind, err)
		}
		err := meta.EachListItem(list, func(object runtime.Object) error {
			accessor, err := meta.Accessor(object)
			if err != nil {
				return fmt.Errorf("read metadata of %s: %w", child.kind, err)
			}
			world.Objects[component.Key{Kind: child.kind, Name: accessor.GetName()}] = object
			return nil
		})
		if err != nil {
			return component.World{}, fmt.Errorf("list %s: %w", child.kind, err)
		}
	}
	var pods corev1.PodList
	if err := r.Cache.List(ctx, &pods, options...); err != nil {
		return component.World{}, fmt.Errorf("list Pod: %w", err)
	}
	for i := range pods.Items {
		world.Pods = append(world.Pods, &pods.Items[i])
	}
	return world, nil
}

// Facts reads what resolve needs to know of the Kubernetes cluster.
func (r *Reader) Facts(ctx context.Context) (plan.Facts, error) {
	nodes := metadataList(corev1.SchemeGroupVersion.WithKind("NodeList"))
	if err := r.Cache.List(ctx, nodes); err != nil {
		return plan.Facts{}, fmt.Errorf("list Node: %w", err)
	}
	classes := metadataList(storagev1.SchemeGroupVersion.WithKind("StorageClassList"))
	if err := r.Cache.List(ctx, classes); err != nil {
		return plan.Facts{}, fmt.Errorf("list StorageClass: %w", err)
	}
	facts := plan.Facts{Images: r.Images}
	for _, node := range nodes.Items {
		if region := node.Labels[plan.LabelRegion]; region != "" {
			facts.Regions = append(facts.Regions, region)
		}
	}
	for _, class := range classes.Items {
		facts.StorageClasses = append(facts.StorageClasses, class.Name)
	}
	slices.Sort(facts.Regions)
	facts.Regions = slices.Compact(facts.Regions)
	slices.Sort(facts.StorageClasses)
	return facts, nil
}

func metadataList(kind schema.GroupVersionKind) *metav1.PartialObjectMetadataList {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind)
	return list
}
