package controllers

import (
	"net/http"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
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
			&v1alpha1.FediFlowCluster{}: everything,
			&corev1.Node{}:              everything,
			&storagev1.StorageClass{}:   everything,
		},
	}
}

// NewReconciler works through the clients and the cache of a manager with ManagerOptions.
func NewReconciler(manager ctrl.Manager, images plan.Images) *FediFlowClusterReconciler {
	writer := &apply.Writer{Client: manager.GetClient(), Live: manager.GetAPIReader()}
	return &FediFlowClusterReconciler{
		Client:     manager.GetClient(),
		Reader:     &observe.Reader{Cache: manager.GetCache(), Images: images},
		Writer:     writer,
		Operations: &Operations{Writer: writer, Live: manager.GetAPIReader(), HTTP: &http.Client{}},
		Events:     manager.GetEventRecorder("fediflow-operator"),
		Components: catalog.Components(),
	}
}
