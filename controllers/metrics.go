package controllers

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// Metrics tells scrapers what the statuses of all clusters tell people. It reads them from the cache
// at each scrape: what is gone leaves no series behind.
type Metrics struct {
	clusters client.Reader
	// primaryChanges are those that this operator saw, by namespace and name.
	primaryChanges *prometheus.CounterVec
}

// ofCluster are the labels of every metric.
var ofCluster = []string{"namespace", "name"}

func metric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("fediflow_"+name, help, append(slices.Clip(ofCluster), labels...), nil)
}

var (
	clusterReady = metric("cluster_ready",
		"Whether the condition Ready of the cluster is True.")
	clusterStalled = metric("cluster_stalled",
		"Whether the condition Stalled of the cluster is True: it waits for a human.")
	componentReady = metric("component_ready",
		"Ready pods of a component.", "component")
	componentDesired = metric("component_desired",
		"Pods of a component that are asked for.", "component")
	databaseMembers = metric("database_members",
		"Members of the managed database by their role.", "role")
	databaseTimeline = metric("database_timeline",
		"Timeline of the managed database; it grows by one with every promotion.")
	certificateExpiry = metric("certificate_expiry_timestamp_seconds",
		"When the first certificate of the database path expires.")
)

// memberRoles are counted even where nobody has them: that there is no standby is what one looks for.
var memberRoles = []v1alpha1.DatabaseMemberRole{
	v1alpha1.RolePrimary, v1alpha1.RoleSyncStandby, v1alpha1.RoleReplica, v1alpha1.RoleUnknown,
}

// scrapePatience is how long a scrape waits for a cache that is being filled.
const scrapePatience = 5 * time.Second

// NewMetrics reads clusters from a cache.
func NewMetrics(clusters client.Reader) *Metrics {
	return &Metrics{clusters: clusters, primaryChanges: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fediflow_database_primary_changes_total",
		Help: "Changes of the managed database's primary, planned or not, that this operator saw.",
	}, ofCluster)}
}

// Describe names every metric.
func (m *Metrics) Describe(descriptions chan<- *prometheus.Desc) {
	for _, description := range []*prometheus.Desc{
		clusterReady, clusterStalled, componentReady, componentDesired,
		databaseMembers, databaseTimeline, certificateExpiry,
	} {
		descriptions <- description
	}
	m.primaryChanges.Describe(descriptions)
}

// Collect answers a scrape.
func (m *Metrics) Collect(metrics chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapePatience)
	defer cancel()
	var clusters v1alpha1.FediFlowClusterList
	if err := m.clusters.List(ctx, &clusters); err != nil {
		// No series would look like no clusters.
		metrics <- prometheus.NewInvalidMetric(clusterReady, err)
		return
	}
	for i := range clusters.Items {
		collectCluster(&clusters.Items[i], metrics)
	}
	m.primaryChanges.Collect(metrics)
}

func collectCluster(cluster *v1alpha1.FediFlowCluster, metrics chan<- prometheus.Metric) {
	gauge := func(description *prometheus.Desc, value float64, labels ...string) {
		metrics <- prometheus.MustNewConstMetric(description, prometheus.GaugeValue, value,
			append([]string{cluster.Namespace, cluster.Name}, labels...)...)
	}
	status := &cluster.Status
	gauge(clusterReady, truth(status, v1alpha1.ConditionReady))
	gauge(clusterStalled, truth(status, v1alpha1.ConditionStalled))
	for _, c := range status.Components {
		gauge(componentReady, float64(c.Ready), c.Name)
		gauge(componentDesired, float64(c.Desired), c.Name)
	}
	if expires := status.CertificateExpires; expires != nil {
		gauge(certificateExpiry, float64(expires.Unix()))
	}
	if status.Database == nil {
		return
	}
	if status.Database.Timeline > 0 {
		gauge(databaseTimeline, float64(status.Database.Timeline))
	}
	members := map[v1alpha1.DatabaseMemberRole]int{}
	for _, member := range status.Database.Members {
		members[member.Role]++
	}
	for _, role := range memberRoles {
		gauge(databaseMembers, float64(members[role]), string(role))
	}
}

func truth(status *v1alpha1.FediFlowClusterStatus, condition string) float64 {
	if meta.IsStatusConditionTrue(status.Conditions, condition) {
		return 1
	}
	return 0
}

// know starts a cluster's counter, so that its first change is an increase.
func (m *Metrics) know(cluster client.ObjectKey) { m.changesOf(cluster) }

func (m *Metrics) primaryChanged(cluster client.ObjectKey) { m.changesOf(cluster).Inc() }

func (m *Metrics) changesOf(cluster client.ObjectKey) prometheus.Counter {
	return m.primaryChanges.WithLabelValues(cluster.Namespace, cluster.Name)
}

// forget drops what was counted for a cluster that is gone.
func (m *Metrics) forget(cluster client.ObjectKey) {
	m.primaryChanges.DeleteLabelValues(cluster.Namespace, cluster.Name)
}
