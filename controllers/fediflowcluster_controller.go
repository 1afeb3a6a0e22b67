// Package controllers holds the reconcilers. They read the steps of a pass aloud and leave the work
// to the packages named after the steps.
package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/apply"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/component/redis"
	"github.com/fediflow/fediflow-operator/internal/observe"
	"github.com/fediflow/fediflow-operator/internal/plan"
	"github.com/fediflow/fediflow-operator/internal/status"
)

// While something is missing, some of what it waits for sends no event: Sentinel's decisions, and
// Secrets, which are not watched.
const (
	retryWorking = 3 * time.Second
	retryStalled = 15 * time.Second
	// After an error, twice as long each time between these.
	retryFailedFirst = 100 * time.Millisecond
	retryFailedMost  = 15 * time.Second
	// retryOutdated gives the cache time to catch up.
	retryOutdated = 100 * time.Millisecond
)

// FediFlowClusterReconciler brings the world in line with FediFlowClusters.
type FediFlowClusterReconciler struct {
	Client     client.Client
	Reader     *observe.Reader
	Writer     *apply.Writer
	Operations *Operations
	Databases  *Databases
	Events     events.EventRecorder
	Metrics    *Metrics
	Components []component.Component
	Leaders    Leaders
}

// +kubebuilder:rbac:groups=fediflow.io,resources=fediflowclusters,verbs=get;list;watch
// +kubebuilder:rbac:groups=fediflow.io,resources=fediflowclusters/status,verbs=update
// +kubebuilder:rbac:groups=fediflow.io,resources=fediflowclusters/finalizers,verbs=update
// +kubebuilder:rbac:groups=apps,resources=deployments;statefulsets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=autoscaling,resources=horizontalpodautoscalers,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=networking.k8s.io,resources=networkpolicies,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=roles;rolebindings,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=configmaps;serviceaccounts;services,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups="",resources=pods/resize,verbs=patch
// The operator creates Patroni's Role and may only grant what it has itself.
// +kubebuilder:rbac:groups="",resources=endpoints,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=nodes;resourcequotas;limitranges,verbs=list;watch
// +kubebuilder:rbac:groups=fediflow.io,resources=performanceprofiles,verbs=get;list;watch
// +kubebuilder:rbac:groups=storage.k8s.io,resources=storageclasses,verbs=list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile is one pass: observe, resolve, render, apply, assess, record.
func (r *FediFlowClusterReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	cluster := &v1alpha1.FediFlowCluster{}
	if err := r.Client.Get(ctx, request.NamespacedName, cluster); err != nil {
		if apierrors.IsNotFound(err) {
			r.Databases.Forget(request.NamespacedName)
			r.Leaders.forget(request.NamespacedName)
			r.Metrics.forget(request.NamespacedName)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if cluster.DeletionTimestamp != nil {
		return ctrl.Result{}, nil
	}
	r.Metrics.know(request.NamespacedName)
	pass, passErr := r.pass(ctx, cluster)
	problems, passErr := apply.Split(passErr)
	pass.Problems = append(pass.Problems, problems...)
	if passErr != nil {
		pass.Failure = "trying again: " + strings.ReplaceAll(passErr.Error(), "\n", "; ")
	}
	recorded, err := r.record(ctx, cluster, pass)
	if err := errors.Join(passErr, err); err != nil {
		return ctrl.Result{}, err
	}
	if recorded == outdated {
		return ctrl.Result{RequeueAfter: retryOutdated}, nil
	}
	return next(cluster, pass.Due), nil
}

// next is when to look again although nothing was heard. due is when something will happen by time
// alone.
func next(cluster *v1alpha1.FediFlowCluster, due time.Time) ctrl.Result {
	switch {
	case meta.IsStatusConditionTrue(cluster.Status.Conditions, v1alpha1.ConditionStalled):
		return ctrl.Result{RequeueAfter: retryStalled}
	case meta.IsStatusConditionTrue(cluster.Status.Conditions, v1alpha1.ConditionReady):
		if due.IsZero() {
			return ctrl.Result{}
		}
		return ctrl.Result{RequeueAfter: max(time.Until(due), retryWorking)}
	}
	return ctrl.Result{RequeueAfter: retryWorking}
}

// pass does everything but record. What it found out before an error is in the result.
func (r *FediFlowClusterReconciler) pass(ctx context.Context, cluster *v1alpha1.FediFlowCluster) (status.Pass, error) {
	pass := status.Pass{Generation: cluster.Generation}
	facts, err := r.Reader.Facts(ctx, cluster)
	if err != nil {
		return pass, err
	}
	world, err := r.Reader.World(ctx, client.ObjectKeyFromObject(cluster))
	if err != nil {
		return pass, err
	}
	facts = world.Complete(facts)
	resolved, problems := plan.Resolve(cluster, facts)
	if len(problems) > 0 {
		pass.Problems = problems
		return pass, nil
	}
	pass.Plan = &resolved
	pass.Shortfalls = resolved.Shortfalls(facts)
	world.Masters = r.Operations.Masters(ctx, resolved, world)
	volumes := r.volumes(resolved, world)
	// A full disk is helped first.
	growErr := r.Operations.grow(ctx, volumes)
	world.Growing = component.GrowingSets(volumes)
	certificates, applyErr := r.certificates(ctx, resolved)
	resolved.Certificates = certificates.Certificates
	written := 0
	if applyErr == nil {
		written, applyErr = r.apply(ctx, cluster, resolved, world)
	}
	pass.Expires = certificates.Expires
	pass.Wake(certificates.Due)
	if written > 0 {
		// The world was seen before these writes.
		pass.Unsettled = fmt.Sprintf("%d objects were just changed", written)
	}
	pass.Healths = withVolumes(r.assess(resolved, world), resolved, volumes)
	pass.Database, pass.Redis = postgres.Status(resolved, world), redis.Status(resolved, world)
	if pass.Database != nil {
		pass.Database.LastFailover = postgres.WithPods(r.Leaders.Last(client.ObjectKeyFromObject(cluster)), resolved, world)
	}
	requested := r.request(cluster, resolved, world, &pass)
	declared := r.Databases.Look(cluster, resolved, world) //nolint:contextcheck // what it begins outlives the pass
	pass.Database = withObjects(pass.Database, declared)
	if applyErr != nil {
		return pass, errors.Join(growErr, applyErr)
	}
	err = errors.Join(growErr, r.Operations.Run(ctx, resolved, world, requested))
	if r.Operations.behind(resolved, world) {
		pass.Wake(time.Now().Add(retryStalled))
	}
	return pass, err
}

// volumes are those of all components.
func (r *FediFlowClusterReconciler) volumes(p plan.Plan, world component.World) []component.Volume {
	var volumes []component.Volume
	for _, c := range r.Components {
		volumes = append(volumes, component.Volumes(c.Render(p).Objects, world)...)
	}
	return volumes
}

// withVolumes adds to healths what is to be said of volumes.
func withVolumes(healths []component.Health, p plan.Plan, volumes []component.Volume) []component.Health {
	for i, health := range healths {
		healths[i] = health.WithVolumes(slices.DeleteFunc(slices.Clone(volumes), func(v component.Volume) bool {
			return p.Short(v.Set) != health.Name
		}))
	}
	return healths
}

// request judges the switchover that was asked for, if any.
func (r *FediFlowClusterReconciler) request(cluster *v1alpha1.FediFlowCluster, p plan.Plan, world component.World, pass *status.Pass) postgres.Handover {
	now := time.Now()
	judged, handover := postgres.Requested(cluster.Annotations[plan.AnnotationSwitchover], now, p, world)
	if judged == nil {
		return handover
	}
	pass.Database.Switchover = judged
	if judged.State == v1alpha1.SwitchoverPending {
		pass.Wake(later(handover.Due, now.Add(retryWorking)))
	}
	return handover
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// apply writes the objects of every component whose gate is open, and prunes. It returns how many
// objects it wrote.
func (r *FediFlowClusterReconciler) apply(ctx context.Context, cluster *v1alpha1.FediFlowCluster, p plan.Plan, world component.World) (int, error) {
	contents := make([]component.Rendered, len(r.Components))
	var rendered []component.Object
	for i, c := range r.Components {
		contents[i] = c.Render(p)
		rendered = append(rendered, contents[i].Objects...)
	}
	// One component's trouble is no other's.
	var errs []error
	written := 0
	write := func(objects []component.Object) {
		more, err := r.Writer.Objects(ctx, cluster, world, objects)
		written, errs = written+more, append(errs, err)
	}
	// Services first and ungated: pods of other components look their names up when they start.
	for _, content := range contents {
		write(component.Services(content.Objects))
	}
	for i, c := range r.Components {
		if c.Gate != nil && !c.Gate(p, world).Open {
			continue
		}
		if err := r.Writer.Secrets(ctx, world, contents[i].Secrets); err != nil {
			errs = append(errs, err)
			continue
		}
		write(component.WithoutServices(contents[i].Objects))
	}
	if err := errors.Join(errs...); err != nil {
		return written, err
	}
	keys, err := apply.Keys(rendered)
	if err != nil {
		return written, err
	}
	return written, r.Writer.Prune(ctx, cluster, world, keys)
}

func (r *FediFlowClusterReconciler) assess(p plan.Plan, world component.World) []component.Health {
	var healths []component.Health
	for _, c := range r.Components {
		found := c.Assess(p, world)
		if c.Gate != nil {
			if gate := c.Gate(p, world); !gate.Open {
				found = component.Held(found, gate.Message)
			}
		}
		healths = append(healths, found...)
	}
	return healths
}

// outcome of a record.
type outcome int

const (
	upToDate outcome = iota
	// outdated: the cluster changed since it was read. The pass must be repeated, because no event
	// tells when the cache has caught up with a status.
	outdated
)

// record writes status once, if it changed, and tells of a transition.
func (r *FediFlowClusterReconciler) record(ctx context.Context, cluster *v1alpha1.FediFlowCluster, pass status.Pass) (outcome, error) {
	if len(pass.Problems) == 0 && len(pass.Healths) == 0 {
		return upToDate, nil
	}
	old := cluster.Status
	cluster.Status = status.New(old, pass)
	if equality.Semantic.DeepEqual(old, cluster.Status) {
		return upToDate, nil
	}
	err := r.Client.Status().Update(ctx, cluster)
	switch {
	case apierrors.IsConflict(err):
		return outdated, nil
	case apierrors.IsNotFound(err):
		return upToDate, nil
	case err != nil:
		return upToDate, fmt.Errorf("write status: %w", err)
	}
	if change := status.PrimaryChange(old, cluster.Status); change != nil {
		r.Metrics.primaryChanged(client.ObjectKeyFromObject(cluster))
		r.tell(cluster, change)
	}
	r.tell(cluster, status.CertificateRenewal(old, cluster.Status))
	r.tell(cluster, status.Transition(old, cluster.Status))
	return upToDate, nil
}

func (r *FediFlowClusterReconciler) tell(cluster *v1alpha1.FediFlowCluster, event *status.Event) {
	if event == nil {
		return
	}
	kind := corev1.EventTypeNormal
	if event.Warning {
		kind = corev1.EventTypeWarning
	}
	r.Events.Eventf(cluster, nil, kind, event.Reason, "Reconcile", "%s", event.Message)
}
