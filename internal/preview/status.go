package preview

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// mostEvents are as many events as a status shows.
const mostEvents = 5

// PrintStatus writes what a cluster is doing, from its status and its events.
func PrintStatus(out io.Writer, cluster *v1alpha1.FediFlowCluster, events []corev1.Event, now time.Time) error {
	p := &printer{table: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	p.say("%s/%s", cluster.Namespace, cluster.Name)
	p.conditions(cluster, now)
	p.components(&cluster.Status)
	p.database(cluster.Status.Database)
	p.redis(cluster.Status.Redis)
	p.plan(cluster.Status.Plan)
	p.events(events, now)
	return write(p.table.Flush())
}

// conditionWords say what the two values of a condition mean.
var conditionWords = map[string]map[metav1.ConditionStatus]string{
	v1alpha1.ConditionReady:       {metav1.ConditionTrue: "ready", metav1.ConditionFalse: "not ready"},
	v1alpha1.ConditionReconciling: {metav1.ConditionTrue: "the operator is working"},
	v1alpha1.ConditionStalled:     {metav1.ConditionTrue: "a human must act"},
	v1alpha1.ConditionSchedulable: {metav1.ConditionTrue: "there is room", metav1.ConditionFalse: "there is no room"},
}

func (p *printer) conditions(cluster *v1alpha1.FediFlowCluster, now time.Time) {
	status := &cluster.Status
	switch {
	case cluster.DeletionTimestamp != nil:
		p.say("  is being deleted")
	case len(status.Conditions) == 0:
		p.say("  no operator has looked at it yet")
	case status.ObservedGeneration < cluster.Generation:
		p.say("  the operator has not looked at the latest change of the spec yet")
	}
	for i := range status.Conditions {
		c := &status.Conditions[i]
		words := conditionWords[c.Type][c.Status]
		if words == "" {
			words = fmt.Sprintf("%s is %s", c.Type, c.Status)
		}
		p.say("  %s\tfor %s\t%s: %s", words, age(c.LastTransitionTime.Time, now), c.Reason, c.Message)
	}
}

func age(since, now time.Time) string { return duration.HumanDuration(now.Sub(since)) }

func (p *printer) components(status *v1alpha1.FediFlowClusterStatus) {
	if len(status.Components) == 0 {
		return
	}
	p.say("\nCOMPONENT\tREADY\tSTATE\tMESSAGE")
	for _, c := range status.Components {
		p.say("%s\t%d/%d\t%s\t%s", c.Name, c.Ready, c.Desired, c.State, orDash(c.Message))
	}
	if status.Edge != "" {
		p.say("edge, all regions\t%s", status.Edge)
	}
}

func (p *printer) database(database *v1alpha1.DatabaseStatus) {
	if database == nil {
		return
	}
	p.say("\nDATABASE MEMBER\tROLE\tSTATE\tTIMELINE\tLAG, when last recorded")
	for _, m := range database.Members {
		lag, timeline := "-", "-"
		if m.LagBytes != nil {
			lag = resource.NewQuantity(*m.LagBytes, resource.BinarySI).String()
		}
		if m.Timeline > 0 {
			timeline = strconv.FormatInt(m.Timeline, 10)
		}
		p.say("%s\t%s\t%s\t%s\t%s", m.Name, m.Role, orDash(m.State), timeline, lag)
	}
	if database.Primary == "" {
		p.say("there is no primary at the moment")
	}
}

func (p *printer) redis(stores []v1alpha1.RedisStoreStatus) {
	if len(stores) == 0 {
		return
	}
	p.say("\nREDIS STORE\tMASTER")
	for _, store := range stores {
		p.say("%s\t%s", store.Name, orDash(store.Master))
	}
}

func (p *printer) plan(plan *v1alpha1.PlanStatus) {
	if plan == nil {
		return
	}
	p.say("\nPLAN: %s\tCPU\tMEMORY\tSTORAGE", plan.Profile)
	for _, row := range []struct {
		name   string
		totals *v1alpha1.ResourceTotals
	}{{"scaled down", plan.Minimum}, {"scaled up", plan.Maximum}} {
		if row.totals != nil {
			p.say("%s\t%s\t%s\t%s", row.name, row.totals.CPU, row.totals.Memory, orDash(row.totals.Storage))
		}
	}
	p.list("Overrides", plan.Overrides)
	p.list("Cut down", plan.Clamped)
}

func (p *printer) events(events []corev1.Event, now time.Time) {
	if len(events) == 0 {
		return
	}
	events = slices.SortedFunc(slices.Values(events), func(a, b corev1.Event) int { return lastSeen(&b).Compare(lastSeen(&a)) })
	p.say("\nLATEST EVENTS")
	for i := range events[:min(len(events), mostEvents)] {
		e := &events[i]
		p.say("%s ago\t%s\t%s\t%s", age(lastSeen(e), now), e.Type, e.Reason, strings.ReplaceAll(e.Message, "\n", " "))
	}
}

// lastSeen is when an event happened last, whichever of its three ways says so.
func lastSeen(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	}
	return e.EventTime.Time
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
