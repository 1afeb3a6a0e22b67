package status

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// Event tells of a transition.
type Event struct {
	Reason, Message string
	Warning         bool
}

// Transition is the event for the change from one status to the next, or nil where the cluster is
// in the same condition as before or the database only goes on as it was.
func Transition(old, current v1alpha1.FediFlowClusterStatus) *Event {
	before := meta.FindStatusCondition(old.Conditions, v1alpha1.ConditionReady)
	now := meta.FindStatusCondition(current.Conditions, v1alpha1.ConditionReady)
	stalled := meta.IsStatusConditionTrue(current.Conditions, v1alpha1.ConditionStalled)
	wasStalled := meta.IsStatusConditionTrue(old.Conditions, v1alpha1.ConditionStalled)
	if now == nil || before != nil && before.Reason == now.Reason && stalled == wasStalled {
		return nil
	}
	return &Event{Reason: now.Reason, Message: now.Message, Warning: stalled}
}

// PrimaryChange is the event for a change of the database's primary, or nil.
func PrimaryChange(old, current v1alpha1.FediFlowClusterStatus) *Event {
	if current.Database == nil || current.Database.LastFailover == nil {
		return nil
	}
	now := current.Database.LastFailover
	if old.Database != nil && old.Database.LastFailover != nil {
		before := old.Database.LastFailover
		if before.To == now.To && before.Time.Equal(&now.Time) {
			return nil
		}
	}
	message := fmt.Sprintf("PostgreSQL primary changed from %s to %s: %s", now.From, now.To, now.Cause)
	if now.Duration != "" {
		message += fmt.Sprintf(", %s without a primary", now.Duration)
	}
	return &Event{Reason: "PrimaryChanged", Warning: now.Cause != v1alpha1.FailoverPlanned, Message: message}
}

// CertificateRenewal is the event for new certificates in place of others, or nil.
func CertificateRenewal(old, current v1alpha1.FediFlowClusterStatus) *Event {
	if old.CertificateExpires == nil || current.CertificateExpires == nil || old.CertificateExpires.Equal(current.CertificateExpires) {
		return nil
	}
	return &Event{Reason: "CertificateRenewed",
		Message: "certificates of the database path are now valid until " + current.CertificateExpires.UTC().Format("2006-01-02")}
}
