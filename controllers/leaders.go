package controllers

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Leaders follow the leader locks of all clusters, renewal by renewal, to tell how long there was
// no primary. What is known is lost with the process; nothing but status depends on it.
type Leaders struct {
	mutex     sync.Mutex
	tenures   map[types.NamespacedName]postgres.Tenure
	failovers map[types.NamespacedName]*v1alpha1.FailoverStatus
}

// Last is the last failover of a cluster that was seen, or nil.
func (l *Leaders) Last(cluster types.NamespacedName) *v1alpha1.FailoverStatus {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	return l.failovers[cluster]
}

// Handler takes in every change of Patroni's Endpoints, and asks for a pass after a failover.
func (l *Leaders) Handler() handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { l.see(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { l.see(ctx, e.ObjectNew, q) },
	}
}

func (l *Leaders) see(ctx context.Context, object client.Object, queue workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	for _, request := range clusterOf(ctx, object) {
		if l.record(request.NamespacedName, object.GetName(), object.GetAnnotations(), time.Now()) {
			queue.Add(request)
		}
	}
}

// record says whether the lock has another holder.
func (l *Leaders) record(cluster types.NamespacedName, name string, annotations map[string]string, now time.Time) bool {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.tenures == nil {
		l.tenures = map[types.NamespacedName]postgres.Tenure{}
		l.failovers = map[types.NamespacedName]*v1alpha1.FailoverStatus{}
	}
	names := plan.ClusterName(cluster.Name)
	switch name {
	case names.Component(plan.Postgres):
		next, failover := l.tenures[cluster].See(annotations, now)
		l.tenures[cluster] = next
		if failover != nil {
			l.failovers[cluster] = failover
			return true
		}
	case names.PostgresFailover():
		l.tenures[cluster] = l.tenures[cluster].Ask(annotations)
	}
	return false
}

// forget is for a cluster that is gone.
func (l *Leaders) forget(cluster types.NamespacedName) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	delete(l.tenures, cluster)
	delete(l.failovers, cluster)
}
