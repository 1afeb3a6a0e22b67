// Package status turns the health of components into the status of a cluster: kstatus conditions,
// component states and printer columns. It is pure.
package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/database"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// Pass is what one pass found out.
type Pass struct {
	// Generation is the generation of the spec that the pass worked on.
	Generation int64
	// Problems stop the pass; with any, the fields below may be empty.
	Problems []plan.Problem
	// Unsettled says why what was seen cannot be what the spec asks for; it is empty where it can.
	Unsettled string
	// Failure is the error after which the pass is tried again; it is empty where there was none.
	Failure string
	Plan    *plan.Plan
	// Shortfalls are what nodes and quotas lack for the plan.
	Shortfalls []string
	Healths    []component.Health
	Database   *v1alpha1.DatabaseStatus
	Redis      []v1alpha1.RedisStoreStatus
	// Expires is when the first certificate does; zero where that is not known.
	Expires time.Time
	// Due is when something happens by time alone; zero where nothing does.
	Due time.Time
}

// Wake makes the next pass happen no later than at this time.
func (p *Pass) Wake(at time.Time) {
	if !at.IsZero() && (p.Due.IsZero() || at.Before(p.Due)) {
		p.Due = at
	}
}

// New is the status of a cluster after a pass. What the pass did not find out stays as it was.
func New(old v1alpha1.FediFlowClusterStatus, pass Pass) v1alpha1.FediFlowClusterStatus {
	status := *old.DeepCopy()
	status.ObservedGeneration = pass.Generation
	if pass.Plan != nil {
		status.Plan = planStatus(*pass.Plan)
		meta.SetStatusCondition(&status.Conditions, schedulable(pass))
		if !pass.Expires.IsZero() {
			status.CertificateExpires = &metav1.Time{Time: pass.Expires}
		}
	}
	if len(pass.Healths) > 0 {
		status.Database, status.Redis = withHistory(old.Database, pass.Database), pass.Redis
		status.Components = nil
		for _, health := range pass.Healths {
			status.Components = append(status.Components, health.ComponentStatus)
		}
		setAsDeclared(&status, pass.Generation)
		status.API = ratio(pass.Healths, string(plan.API))
		status.Edge = ratio(pass.Healths, string(plan.Edge))
	}
	setConditions(&status, pass)
	return status
}

// withHistory keeps the last failover that was seen, and notices one that nobody saw.
func withHistory(old, current *v1alpha1.DatabaseStatus) *v1alpha1.DatabaseStatus {
	if old == nil || current == nil {
		return current
	}
	known := current.DeepCopy()
	if known.LastFailover == nil || old.LastFailover != nil && old.LastFailover.Time.After(known.LastFailover.Time.Time) {
		known.LastFailover = old.LastFailover
	}
	told := known.LastFailover != nil && known.LastFailover.To == known.Primary
	if old.Primary != "" && known.Primary != "" && old.Primary != known.Primary && !told {
		known.LastFailover = &v1alpha1.FailoverStatus{
			From: old.Primary, To: known.Primary, Time: known.PrimarySince, Cause: v1alpha1.FailoverUnseen,
		}
	}
	return known
}

// verdict is the content of the three kstatus conditions.
type verdict struct {
	ready, stalled  bool
	reason, message string
}

func judge(pass Pass) verdict {
	v := judgeSeen(pass)
	switch {
	case pass.Failure == "":
	case v.ready:
		v = verdict{reason: v1alpha1.ReasonProgressing, message: pass.Failure}
	default:
		v.message += "; " + pass.Failure
	}
	return v
}

// judgeSeen judges what the pass saw, whether it came to its end or not.
func judgeSeen(pass Pass) verdict {
	if len(pass.Problems) > 0 {
		var messages []string
		for _, problem := range pass.Problems {
			if !slices.Contains(messages, problem.Message) {
				messages = append(messages, problem.Message)
			}
		}
		return verdict{stalled: true, reason: pass.Problems[0].Reason, message: strings.Join(messages, "; ")}
	}
	var first *component.Health
	for i := range pass.Healths {
		health := &pass.Healths[i]
		if health.State == v1alpha1.StateReady {
			continue
		}
		if first == nil || health.NeedsHuman && !first.NeedsHuman {
			first = health
		}
	}
	if first == nil && pass.Unsettled != "" && pass.Failure == "" {
		return verdict{reason: v1alpha1.ReasonProgressing, message: pass.Unsettled}
	}
	if first == nil {
		return verdict{ready: true, reason: v1alpha1.ReasonReady, message: "every component is ready"}
	}
	return verdict{stalled: first.NeedsHuman, reason: first.Reason, message: Describe(first.ComponentStatus)}
}

// Describe is one line about a component, for people.
func Describe(c v1alpha1.ComponentStatus) string {
	return fmt.Sprintf("%s %d/%d: %s", c.Name, c.Ready, c.Desired, c.Message)
}

func setConditions(status *v1alpha1.FediFlowClusterStatus, pass Pass) {
	v := judge(pass)
	set := func(kind string, value bool) {
		state := metav1.ConditionFalse
		if value {
			state = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kind, Status: state, Reason: v.reason, Message: v.message, ObservedGeneration: pass.Generation,
		})
	}
	setOrRemove := func(kind string, present bool) {
		if present {
			set(kind, true)
		} else {
			meta.RemoveStatusCondition(&status.Conditions, kind)
		}
	}
	set(v1alpha1.ConditionReady, v.ready)
	setOrRemove(v1alpha1.ConditionStalled, v.stalled)
	setOrRemove(v1alpha1.ConditionReconciling, !v.ready && !v.stalled)
}

// schedulable says whether nodes and quotas have room for the plan.
func schedulable(pass Pass) metav1.Condition {
	condition := metav1.Condition{
		Type: v1alpha1.ConditionSchedulable, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonFits,
		Message: "nodes and quotas have room for the plan at its minimum", ObservedGeneration: pass.Generation,
	}
	if len(pass.Shortfalls) > 0 {
		condition.Status, condition.Reason = metav1.ConditionFalse, v1alpha1.ReasonInsufficientCapacity
		condition.Message = strings.Join(pass.Shortfalls, "; ")
	}
	return condition
}

// setAsDeclared says whether everything declared inside the database is there; it is absent where
// nothing is declared.
func setAsDeclared(status *v1alpha1.FediFlowClusterStatus, generation int64) {
	var objects database.Objects
	if d := status.Database; d != nil {
		objects = database.Objects{Indexes: d.Indexes, Extensions: d.Extensions, Roles: d.Roles}
	}
	if objects.Empty() {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionDatabaseAsDeclared)
		return
	}
	condition := metav1.Condition{
		Type: v1alpha1.ConditionDatabaseAsDeclared, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAsDeclared,
		Message: "indexes, extensions and roles are as declared", ObservedGeneration: generation,
	}
	if lines := objects.Unsettled(); len(lines) > 0 {
		condition.Status, condition.Reason = metav1.ConditionFalse, v1alpha1.ReasonNotAsDeclared
		condition.Message = strings.Join(lines, "; ")
	}
	meta.SetStatusCondition(&status.Conditions, condition)
}

// ratio is ready/desired over all parts of a component.
func ratio(healths []component.Health, name string) string {
	var ready, desired int32
	for _, health := range healths {
		if health.Name == name || strings.HasPrefix(health.Name, name+"-") {
			ready += health.Ready
			desired += health.Desired
		}
	}
	return fmt.Sprintf("%d/%d", ready, desired)
}

func planStatus(p plan.Plan) *v1alpha1.PlanStatus {
	least, most := totals(p.Minimum()), totals(p.Maximum())
	status := &v1alpha1.PlanStatus{
		Profile: p.Profile, Overrides: p.Overrides, Clamped: p.Clamped, Minimum: &least, Maximum: &most,
	}
	for _, row := range p.Rows() {
		each := row.Pod()
		figures := v1alpha1.PlanComponent{
			Name: row.Name, Replicas: row.Replicas, MaxReplicas: row.MaxReplicas,
			CPU: each.CPU.String(), Memory: each.Memory.String(),
		}
		if row.Storage != nil {
			figures.Storage = row.Storage.Size.String()
		}
		status.Components = append(status.Components, figures)
	}
	for _, line := range p.Budget {
		status.Budget = append(status.Budget, v1alpha1.BudgetLine{Name: line.Name, Used: line.Used, Available: line.Available})
	}
	return status
}

func totals(t plan.Totals) v1alpha1.ResourceTotals {
	return v1alpha1.ResourceTotals{CPU: t.CPU.String(), Memory: t.Memory.String(), Storage: t.Storage.String()}
}
