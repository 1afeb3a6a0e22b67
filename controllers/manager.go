package controllers

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/apply"
	"github.com/fediflow/fediflow-operator/internal/component/catalog"
	"github.com/fediflow/fediflow-operator/internal/observe"
	"github.com/fediflow/fediflow-operator/internal/plan"
	patroni "github.com/fediflow/fediflow-operator/internal/postgres"
)

// ManagerOptions are the options without which the reconciler does not work as it should: what is
// cached, and what is not.
func ManagerOptions() ctrl.Options {
	return ctrl.Options{
		Scheme: observe.Scheme(),
		Cache:  cacheOptions(),
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	}
}

// cacheOptions keeps the cache small: of the kinds of children only our own objects, of everything
// only what a pass reads.
func cacheOptions() cache.Options {
	everything := cache.ByObject{Label: labels.Everything()}
	return cache.Options{
		DefaultLabelSelector: labels.SelectorFromSet(labels.Set{plan.LabelManagedBy: plan.ManagedBy}),
		DefaultTransform:     cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&v1alpha1.FediFlowCluster{}:    everything,
			&v1alpha1.PerformanceProfile{}: everything,
			&corev1.LimitRange{}:           everything,
			&corev1.ResourceQuota{}:        everything,
			&storagev1.StorageClass{}:      everything,
			&corev1.Node{}:                 {Label: labels.Everything(), Transform: onlyWhatIsReadOfNodes},
		},
	}
}

// onlyWhatIsReadOfNodes drops the bulk of a node, which is the list of its images.
func onlyWhatIsReadOfNodes(object any) (any, error) {
	if node, ok := object.(*corev1.Node); ok {
		node.ManagedFields, node.Annotations = nil, nil
		node.Status = corev1.NodeStatus{Allocatable: node.Status.Allocatable}
	}
	return object, nil
}

// NewReconciler works through the clients and the cache of a manager with ManagerOptions.
func NewReconciler(manager ctrl.Manager, images plan.Images) (*FediFlowClusterReconciler, error) {
	resizes, err := observe.CanResize(manager.GetConfig())
	if err != nil {
		return nil, err
	}
	writer := &apply.Writer{Client: manager.GetClient(), Live: manager.GetAPIReader()}
	return &FediFlowClusterReconciler{
		Client:     manager.GetClient(),
		Reader:     &observe.Reader{Cache: manager.GetCache(), Images: images, ReplaceToResize: !resizes},
		Writer:     writer,
		Operations: &Operations{Writer: writer, Live: manager.GetAPIReader(), HTTP: patroni.NewHTTP},
		Databases:  NewDatabases(manager.GetAPIReader()),
		Events:     manager.GetEventRecorder("fediflow-operator"),
		Metrics:    NewMetrics(manager.GetCache()),
		Components: catalog.Components(),
	}, nil
}
