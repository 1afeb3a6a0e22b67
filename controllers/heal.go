package controllers

import (
	"context"
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/plan"
	patroni "github.com/fediflow/fediflow-operator/internal/postgres"
)

// healDatabase helps a member that does not follow the primary by itself.
func (o *Operations) healDatabase(ctx context.Context, p plan.Plan, world component.World) error {
	if p.Database.Managed == nil {
		return nil
	}
	now := time.Now()
	remedy := postgres.Heal(o.lost.see(now, p, world), now, p, world)
	switch remedy.Action {
	case postgres.RemedyRestart:
		log.FromContext(ctx).Info("restart a member that does not follow", "member", remedy.Pod.Name)
		return o.Writer.DeletePod(ctx, remedy.Pod)
	case postgres.RemedyReinitialize:
		log.FromContext(ctx).Info("reinitialise a member that cannot follow", "member", remedy.Pod.Name)
		o.lost.forget(p, remedy.Pod.UID)
		return o.patroni(ctx, p, world, remedy.Pod.Name, func(client patroni.Client) error { return client.Reinitialize(ctx) })
	case postgres.RemedyNone:
	}
	return nil
}

// lostMembers remembers since when members do not follow. It is safe for concurrent use; after a
// restart of the operator the time begins anew.
type lostMembers struct {
	mutex sync.Mutex
	since map[client.ObjectKey]map[postgres.Lost]time.Time
}

func (l *lostMembers) see(now time.Time, p plan.Plan, world component.World) map[postgres.Lost]time.Time {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.since == nil {
		l.since = map[client.ObjectKey]map[postgres.Lost]time.Time{}
	}
	key := client.ObjectKey{Namespace: p.Namespace, Name: string(p.Name)}
	found := postgres.NotFollowing(l.since[key], now, p, world)
	if l.since[key] = found; len(found) == 0 {
		delete(l.since, key)
	}
	return maps.Clone(found)
}

// forget gives a member time anew.
func (l *lostMembers) forget(p plan.Plan, member types.UID) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	maps.DeleteFunc(l.since[client.ObjectKey{Namespace: p.Namespace, Name: string(p.Name)}],
		func(lost postgres.Lost, _ time.Time) bool { return lost.Pod == member })
}
