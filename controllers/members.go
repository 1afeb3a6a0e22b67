package controllers

import (
	"context"
	"errors"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/component/postgres"
	"github.com/fediflow/fediflow-operator/internal/observe"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// grow asks for the sizes of the plan.
func (o *Operations) grow(ctx context.Context, volumes []component.Volume) error {
	var errs []error
	for _, volume := range volumes {
		if volume.ToGrow() {
			errs = append(errs, o.Writer.GrowVolume(ctx, volume.Claim, volume.Want))
		}
	}
	return errors.Join(errs...)
}

// changeMembers takes the next step to fewer members, or back to those that were there before.
func (o *Operations) changeMembers(ctx context.Context, p plan.Plan, world component.World) error {
	for _, volume := range postgres.Returning(p, world) {
		if err := o.Writer.ReuseVolume(ctx, volume); err != nil {
			return err
		}
	}
	departure := postgres.NextDeparture(p, world)
	if departure.Member == "" || departure.Obstacle != "" {
		return nil
	}
	if departure.Handover.From != "" {
		return o.handOver(ctx, p, world, departure.Handover)
	}
	// What is cached may be out of date.
	live, err := (&observe.Reader{Cache: o.Live}).World(ctx, client.ObjectKey{Namespace: p.Namespace, Name: string(p.Name)})
	if err != nil {
		return err
	}
	volume := live.Volume(component.DataVolume, departure.Member)
	if volume == nil || postgres.NextDeparture(p, live) != departure {
		return nil
	}
	log.FromContext(ctx).Info("retire", "member", departure.Member)
	return o.Writer.RetireVolume(ctx, volume)
}
