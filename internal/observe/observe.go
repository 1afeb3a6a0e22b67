// Package observe reads the world once per pass, from the cache, into plain values.
package observe

import (
	"context"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Reader reads the world of one cluster.
type Reader struct {
	// Cache answers without a request; a client that asks the API server will do.
	Cache  client.Reader
	Images plan.Images
	// ReplaceToResize is set where Kubernetes cannot resize pods in place.
	ReplaceToResize bool
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
		client.MatchingLabels{plan.LabelCluster: cluster.Name, plan.LabelManagedBy: plan.ManagedBy},
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
	var nodes corev1.NodeList
	if err := r.Cache.List(ctx, &nodes, client.UnsafeDisableDeepCopy); err != nil {
		return component.World{}, fmt.Errorf("list Node: %w", err)
	}
	for i := range nodes.Items {
		if nodes.Items[i].Spec.Unschedulable {
			world.Cordoned = append(world.Cordoned, nodes.Items[i].Name)
		}
	}
	var classes storagev1.StorageClassList
	if err := r.Cache.List(ctx, &classes, client.UnsafeDisableDeepCopy); err != nil {
		return component.World{}, fmt.Errorf("list StorageClass: %w", err)
	}
	for i := range classes.Items {
		if expands := classes.Items[i].AllowVolumeExpansion; expands != nil && *expands {
			world.Expandable = append(world.Expandable, classes.Items[i].Name)
		}
	}
	return world, nil
}

// Facts reads what resolve needs to know of the Kubernetes cluster and of a namespace in it. Nothing
// in the result may be changed.
func (r *Reader) Facts(ctx context.Context, cluster *v1alpha1.FediFlowCluster) (plan.Facts, error) {
	facts := plan.Facts{Images: r.Images, ReplaceToResize: r.ReplaceToResize}
	var nodes corev1.NodeList
	var classes storagev1.StorageClassList
	var quotas corev1.ResourceQuotaList
	var limits corev1.LimitRangeList
	here := client.InNamespace(cluster.Namespace)
	for kind, read := range map[string]func() error{
		"Node":          func() error { return r.Cache.List(ctx, &nodes, client.UnsafeDisableDeepCopy) },
		"StorageClass":  func() error { return r.Cache.List(ctx, &classes, client.UnsafeDisableDeepCopy) },
		"ResourceQuota": func() error { return r.Cache.List(ctx, &quotas, here, client.UnsafeDisableDeepCopy) },
		"LimitRange":    func() error { return r.Cache.List(ctx, &limits, here, client.UnsafeDisableDeepCopy) },
	} {
		if err := read(); err != nil {
			return plan.Facts{}, fmt.Errorf("list %s: %w", kind, err)
		}
	}
	addNodes(&facts, nodes.Items)
	for i := range classes.Items {
		facts.StorageClasses = append(facts.StorageClasses, classes.Items[i].Name)
	}
	slices.Sort(facts.StorageClasses)
	addQuotas(&facts, quotas.Items, limits.Items)
	profile, err := r.profile(ctx, cluster.Spec.Profile.Ref)
	facts.Profile = profile
	return facts, err
}

func addNodes(facts *plan.Facts, nodes []corev1.Node) {
	for i := range nodes {
		node := &nodes[i]
		if region := node.Labels[plan.LabelRegion]; region != "" {
			facts.Regions = append(facts.Regions, region)
		}
		if zone := node.Labels[plan.LabelZone]; zone != "" {
			facts.Zones = append(facts.Zones, zone)
		}
		if !node.Spec.Unschedulable {
			facts.Nodes = append(facts.Nodes, plan.Node{
				Name: node.Name, CPU: *node.Status.Allocatable.Cpu(), Memory: *node.Status.Allocatable.Memory(),
			})
		}
	}
	slices.Sort(facts.Regions)
	slices.Sort(facts.Zones)
	facts.Regions, facts.Zones = slices.Compact(facts.Regions), slices.Compact(facts.Zones)
	slices.SortFunc(facts.Nodes, func(a, b plan.Node) int { return strings.Compare(a.Name, b.Name) })
}

func addQuotas(facts *plan.Facts, quotas []corev1.ResourceQuota, limits []corev1.LimitRange) {
	for i := range quotas {
		facts.Quotas = append(facts.Quotas, plan.Quota{Name: quotas[i].Name, Hard: quotas[i].Spec.Hard})
	}
	for i := range limits {
		for _, limit := range limits[i].Spec.Limits {
			if limit.Type == corev1.LimitTypeContainer {
				facts.Limits = append(facts.Limits, plan.Limit{Name: limits[i].Name, Min: limit.Min, Max: limit.Max})
			}
		}
	}
}

// profile reads a PerformanceProfile; nil where there is none.
func (r *Reader) profile(ctx context.Context, name string) (*v1alpha1.PerformanceProfileSpec, error) {
	if name == "" {
		return nil, nil //nolint:nilnil // a spec without a reference is as good as one to nothing
	}
	var profile v1alpha1.PerformanceProfile
	err := r.Cache.Get(ctx, client.ObjectKey{Name: name}, &profile)
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // resolve says what to do about it
	}
	if err != nil {
		return nil, fmt.Errorf("read PerformanceProfile %s: %w", name, err)
	}
	return &profile.Spec, nil
}
