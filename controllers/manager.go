package controllers

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/apply"
	"github.com/fediflow/fediflow-operator/internal/component/catalog"
	"github.com/fediflow/fediflow-operator/internal/observe"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// ManagerOptions are the options without which the reconciler does not work as it should: what is
// cached, and what is not.
func ManagerOptions() ctrl.Options {
	return ctrl.Options{
		Scheme: newScheme(),
		Cache:  cacheOptions(),
		Client: client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	}
}

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
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

// firstMinorWithResize is the Kubernetes 1.x in which pods can be resized in place for good.
const firstMinorWithResize = 35

// canResize asks the API server for its version.
func canResize(manager ctrl.Manager) (bool, error) {
	client, err := discovery.NewDiscoveryClientForConfig(manager.GetConfig())
	if err != nil {
		return false, fmt.Errorf("make discovery client: %w", err)
	}
	info, err := client.ServerVersion()
	if err != nil {
		return false, fmt.Errorf("ask for the version of Kubernetes: %w", err)
	}
	minor, err := strconv.Atoi(strings.TrimRight(info.Minor, "+"))
	if err != nil {
		return false, fmt.Errorf("read the version of Kubernetes: %w", err)
	}
	return minor >= firstMinorWithResize, nil
}

// NewReconciler works through the clients and the cache of a manager with ManagerOptions.
func NewReconciler(manager ctrl.Manager, images plan.Images) (*FediFlowClusterReconciler, error) {
	resizes, err := canResize(manager)
	if err != nil {
		return nil, err
	}
	writer := &apply.Writer{Client: manager.GetClient(), Live: manager.GetAPIReader()}
	return &FediFlowClusterReconciler{
		Client:     manager.GetClient(),
		Reader:     &observe.Reader{Cache: manager.GetCache(), Images: images, ReplaceToResize: !resizes},
		Writer:     writer,
		Operations: &Operations{Writer: writer, Live: manager.GetAPIReader(), HTTP: &http.Client{}},
		Databases:  NewDatabases(manager.GetAPIReader()),
		Events:     manager.GetEventRecorder("fediflow-operator"),
		Components: catalog.Components(),
	}, nil
}
