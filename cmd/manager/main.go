// Command manager runs the operator: flags and wiring, nothing else.
package main

import (
	"flag"
	"fmt"
	"os"

	"go.uber.org/zap/zapcore"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fediflow/fediflow-operator/controllers"
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
	metricsAddress := flag.String("metrics-bind-address", ":8080", "address of the metrics endpoint; 0 turns it off")
	probes := flag.String("health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	elect := flag.Bool("leader-elect", false, "only one of several operators works at a time")
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.StacktraceLevel(zapcore.PanicLevel)))

	images, err := imagesFromEnvironment()
	if err != nil {
		return err
	}
	options := controllers.ManagerOptions()
	options.Metrics = metricsserver.Options{BindAddress: *metricsAddress}
	options.HealthProbeBindAddress = *probes
	options.LeaderElection = *elect
	options.LeaderElectionID = "fediflow-operator.fediflow.io"
	options.LeaderElectionNamespace = os.Getenv("POD_NAMESPACE")
	// Nothing runs after the manager stops: the successor need not wait for the lease to expire.
	options.LeaderElectionReleaseOnCancel = true
	manager, err := ctrl.NewManager(ctrl.GetConfigOrDie(), options)
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

func setup(manager ctrl.Manager, images plan.Images) error {
	reconciler, err := controllers.NewReconciler(manager, images)
	if err != nil {
		return err
	}
	if err := reconciler.SetupWithManager(manager); err != nil {
		return err
	}
	if err := metrics.Registry.Register(reconciler.Metrics); err != nil {
		return fmt.Errorf("register metrics: %w", err)
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
	images, missing := plan.ImagesFrom(os.Getenv)
	if len(missing) > 0 {
		return plan.Images{}, fmt.Errorf("set the environment variables %v to the images this operator runs", missing)
	}
	return images, nil
}
