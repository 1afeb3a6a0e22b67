package controllers

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fediflow/fediflow-operator/internal/apply"
	"github.com/fediflow/fediflow-operator/internal/certs"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/plan"
	patroni "github.com/fediflow/fediflow-operator/internal/postgres"
)

// certificates keeps the certificates of a cluster. Without them nothing is applied: what pods show
// and trust is part of what they are made of.
func (r *FediFlowClusterReconciler) certificates(ctx context.Context, p plan.Plan) (apply.Certificates, error) {
	if err := r.Writer.RequireSecrets(ctx, p.Namespace, p.RequiredSecrets()); err != nil {
		return apply.Certificates{}, err
	}
	return r.Writer.Certificates(ctx, p, time.Now())
}

// showCertificates asks the members that do not show the current certificate to read theirs again.
// The kubelet brings it to them about a minute after it was renewed. Poolers are replaced instead.
func (o *Operations) showCertificates(ctx context.Context, p plan.Plan, world component.World) error {
	want := p.Certificates.Shown[plan.Postgres]
	for _, pod := range behind(p, world, &o.shown) {
		err := o.patroni(ctx, p, world, pod.Name, func(member patroni.Client) error {
			shown, err := member.Certificate(ctx)
			if err != nil {
				return err
			}
			if certs.Digest(shown) == want {
				o.shown.set(pod, want)
				return nil
			}
			log.FromContext(ctx).Info("reload for a renewed certificate", "member", pod.Name)
			return member.Reload(ctx)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// behind says whether a member does not show the current certificate yet, as far as is known.
func (o *Operations) behind(p plan.Plan, world component.World) bool {
	return len(behind(p, world, &o.shown)) > 0
}

// behind are the members that can show a certificate and are not known to show the current one.
func behind(p plan.Plan, world component.World, shown *shownCertificates) []*corev1.Pod {
	if p.Database.Managed == nil {
		return nil
	}
	set := world.StatefulSet(p.Name.Component(plan.Postgres))
	var pods []*corev1.Pod
	for _, pod := range postgres.Pods(p, world) {
		current := set != nil && component.ResourcesOnly(set, pod)
		if current && component.IsReady(pod) && shown.get(pod) != p.Certificates.Shown[plan.Postgres] {
			pods = append(pods, pod)
		}
	}
	return pods
}

// shownCertificates are the digests of the certificates that pods were seen to show. It is safe for
// concurrent use; after a restart of the operator each pod is asked once.
type shownCertificates struct {
	mutex sync.Mutex
	seen  map[client.ObjectKey]sighting
}

// sighting is of one pod among those that have its name one after the other.
type sighting struct {
	pod    types.UID
	digest string
}

func (s *shownCertificates) get(pod *corev1.Pod) string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	seen := s.seen[client.ObjectKeyFromObject(pod)]
	if seen.pod != pod.UID {
		return ""
	}
	return seen.digest
}

func (s *shownCertificates) set(pod *corev1.Pod, digest string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.seen == nil {
		s.seen = map[client.ObjectKey]sighting{}
	}
	s.seen[client.ObjectKeyFromObject(pod)] = sighting{pod.UID, digest}
}
