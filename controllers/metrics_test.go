package controllers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// scrape is what a scraper is told of a namespace, by name and the labels that are left.
func scrape(t *testing.T, metrics *Metrics, namespace string) map[string]float64 {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(metrics)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			name, ours := []string{family.GetName()}, false
			for _, label := range metric.GetLabel() {
				switch label.GetName() {
				case "namespace":
					ours = label.GetValue() == namespace
				case "name":
				default:
					name = append(name, label.GetValue())
				}
			}
			if ours {
				series[strings.Join(name, " ")] = metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
			}
		}
	}
	return series
}

func (p *platform) scraped(t *testing.T) map[string]float64 {
	t.Helper()
	return scrape(t, current.reconciler.Metrics, p.namespace)
}

func TestMetricsSayWhatTheStatusSays(t *testing.T) {
	p := newPlatform(t, small)
	p.waitApplied(t)
	p.waitFor(t, "scraped", func(*v1alpha1.FediFlowCluster) bool {
		return p.scraped(t)["fediflow_component_desired postgres"] == 3
	})
	if before := p.scraped(t); before["fediflow_cluster_ready"] != 0 || before["fediflow_component_ready postgres"] != 0 {
		t.Errorf("before anything runs: %v", before)
	}
	p.waitReady(t)
	p.waitFor(t, "scraped", func(*v1alpha1.FediFlowCluster) bool { return p.scraped(t)["fediflow_cluster_ready"] == 1 })
	have := p.scraped(t)
	for name, want := range map[string]float64{
		"fediflow_cluster_stalled":                0,
		"fediflow_component_ready postgres":       3,
		"fediflow_component_ready api":            2,
		"fediflow_database_members Primary":       1,
		"fediflow_database_members SyncStandby":   2,
		"fediflow_database_members Replica":       0,
		"fediflow_database_members Unknown":       0,
		"fediflow_database_primary_changes_total": 0,
	} {
		if value, found := have[name]; !found || value != want {
			t.Errorf("%s is %v, %t, and should be %v", name, value, found, want)
		}
	}
	if expiry := have["fediflow_certificate_expiry_timestamp_seconds"]; int64(expiry) != p.cluster(t).Status.CertificateExpires.Unix() {
		t.Errorf("certificates expire at %v", expiry)
	}
}

func TestAScrapeAsksTheAPIServerNothing(t *testing.T) {
	p := newPlatform(t, small)
	p.waitReady(t)
	p.quiet(t)
	before := current.wire.mark()
	for range 10 {
		if len(p.scraped(t)) == 0 {
			t.Fatal("nothing is scraped")
		}
	}
	current.wire.mutex.Lock()
	defer current.wire.mutex.Unlock()
	for _, request := range current.wire.requests[before:] {
		if strings.HasSuffix(request.path, "/fediflowclusters") {
			t.Errorf("%s", request)
		}
	}
}

func TestAClusterThatIsGoneLeavesNoSeriesBehind(t *testing.T) {
	p := newPlatform(t, small)
	p.waitApplied(t)
	p.waitFor(t, "scraped", func(*v1alpha1.FediFlowCluster) bool { return len(p.scraped(t)) > 10 })
	if err := admin.Delete(t.Context(), p.cluster(t)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "forgotten", func() (bool, string) {
		left := p.scraped(t)
		return len(left) == 0, fmt.Sprint(left)
	})
}

// listing is a cache that holds these clusters, or cannot be read.
type listing struct {
	client.Reader

	clusters []v1alpha1.FediFlowCluster
	err      error
}

func (l listing) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if clusters, ok := list.(*v1alpha1.FediFlowClusterList); ok {
		clusters.Items = l.clusters
	}
	return l.err
}

func TestChangesOfThePrimaryAreCountedByCluster(t *testing.T) {
	metrics := NewMetrics(listing{})
	one, other := client.ObjectKey{Namespace: "one", Name: "fediflow"}, client.ObjectKey{Namespace: "other", Name: "fediflow"}
	metrics.know(one)
	metrics.know(other)
	metrics.primaryChanged(one)
	metrics.primaryChanged(one)
	metrics.know(one)
	const name = "fediflow_database_primary_changes_total"
	if a, b := scrape(t, metrics, "one"), scrape(t, metrics, "other"); a[name] != 2 || b[name] != 0 || len(b) != 1 {
		t.Errorf("%v, %v", a, b)
	}
	metrics.forget(one)
	if left := scrape(t, metrics, "one"); len(left) != 0 {
		t.Errorf("what is gone left %v", slices.Collect(maps.Keys(left)))
	}
}

// Missing is not empty.
func TestACacheThatCannotBeReadFailsTheScrape(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(NewMetrics(listing{err: errors.New("not yet")}))
	if _, err := registry.Gather(); err == nil {
		t.Error("it looks as if there were no clusters")
	}
}

// An external database has no members, and nothing must look like one that lost them.
func TestADatabaseElsewhereHasNoSeries(t *testing.T) {
	cluster := v1alpha1.FediFlowCluster{}
	cluster.Namespace, cluster.Name = "social", "fediflow"
	for name := range scrape(t, NewMetrics(listing{clusters: []v1alpha1.FediFlowCluster{cluster}}), "social") {
		if strings.Contains(name, "database") {
			t.Errorf("%s is told", name)
		}
	}
}
