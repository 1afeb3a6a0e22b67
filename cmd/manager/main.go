// Command manager runs the operator: flags and wiring, nothing else.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"

	"go.uber.org/zap/zapcore"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/controllers"
	"github.com/fediflow/fediflow-operator/internal/apply"
	"github.com/fediflow/fediflow-operator/internal/component/catalog"
	"github.com/fediflow/fediflow-operator/internal/observe"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// version is set at link time.
var version = "development"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "manager:", err)
		os.Exit(1)
	}
}

func run() error {
	metrics := flag.String("metrics-bind-address", ":8080", "address of the metrics endpoint; 0 turns it off")
	probes := flag.String("health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	elect := flag.Bool("leader-elect", false, "only one of several operators works at a time")
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.StacktraceLevel(zapcore.PanicLevel)))

	images, err := imagesFromEnvironment()
	if err != nil {
		return err
	}
	manager, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Scheme:                  newScheme(),
		Metrics:                 metricsserver.Options{BindAddress: *metrics},
		HealthProbeBindAddress:  *probes,
		LeaderElection:          *elect,
		LeaderElectionID:        "fediflow-operator.fediflow.io",
		LeaderElectionNamespace: os.Getenv("POD_NAMESPACE"),
		// Nothing runs after the manager stops: the successor need not wait for the lease to expire.
		LeaderElectionReleaseOnCancel: true,
		Cache:                         cacheOptions(),
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: []client.Object{&corev1.Secret{}}}},
	})
	if err != nil {
		return fmt.Errorf("create manager: %w", err)
	}
	if err := setup(manager, images); err != nil {
		return err
	}
	ctrl.Log.Info("starting", "version", version)
	if err := manager.Start(ctrl.SetupSignalHandler()); err != nil {
		return fmt.Errorf("run manager: %w", err)
	}
	return nil
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

func setup(manager ctrl.Manager, images plan.Images) error {
	writer := &apply.Writer{Client: manager.GetClient(), Live: manager.GetAPIReader()}
	reconciler := &controllers.FediFlowClusterReconciler{
		Client:     manager.GetClient(),
		Reader:     &observe.Reader{Cache: manager.GetCache(), Images: images},
		Writer:     writer,
		Operations: &controllers.Operations{Writer: writer, Live: manager.GetAPIReader(), HTTP: &http.Client{}},
		Events:     manager.GetEventRecorder("fediflow-operator"),
		Components: catalog.Components(),
	}
	if err := reconciler.SetupWithManager(manager); err != nil {
		return fmt.Errorf("set up controller: %w", err)
	}
	if err := manager.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("add health check: %w", err)
	}
	if err := manager.AddReadyzCheck("ping", healthz.Ping); err != nil {
		return fmt.Errorf("add readiness check: %w", err)
	}
	return nil
}

func imagesFromEnvironment() (plan.Images, error) {
	var missing []string
	get := func(name string) string {
		value := os.Getenv(name)
		if value == "" {
			missing = append(missing, name)
		}
		return value
	}
	images := plan.Images{
		Postgres:  get("RELATED_IMAGE_POSTGRES"),
		PgBouncer: get("RELATED_IMAGE_PGBOUNCER"),
		Valkey:    get("RELATED_IMAGE_VALKEY"),
		Edge:      get("RELATED_IMAGE_EDGE"),
	}
	if len(missing) > 0 {
		return plan.Images{}, fmt.Errorf("set the environment variables %v to the images this operator runs", missing)
	}
	return images, nil
}
