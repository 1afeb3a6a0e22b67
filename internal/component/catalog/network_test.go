package catalog

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

// The pods of the migration listen nowhere.
func TestEveryPodThatListensIsFencedByANetworkPolicy(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		policies := only[*networkingv1.NetworkPolicy](children(t, p))
		for _, w := range workloads(t, p) {
			listening := ports(w)
			if len(listening) == 0 && w.component != plan.Migration {
				t.Errorf("%s listens nowhere", w)
			}
			for _, port := range listening {
				if len(rulesFor(policies, w, port)) == 0 {
					t.Errorf("%s: no policy says who may reach port %d", w, port)
				}
			}
		}
	})
}

func TestOnlyTheEdgeIsOpenToEverybody(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		policies := only[*networkingv1.NetworkPolicy](children(t, p))
		var open []int32
		for _, w := range workloads(t, p) {
			for _, port := range ports(w) {
				isOpen := slices.ContainsFunc(rulesFor(policies, w, port), func(r networkingv1.NetworkPolicyIngressRule) bool { return len(r.From) == 0 })
				if isOpen && w.component != plan.Edge {
					t.Errorf("%s: everybody may reach port %d", w, port)
				}
				if isOpen {
					open = append(open, port)
				}
			}
		}
		slices.Sort(open)
		if open = slices.Compact(open); !slices.Equal(open, []int32{8080}) {
			t.Errorf("everybody may reach ports %v of the edge", open)
		}
	})
}

func TestPoliciesAdmitTheClusterItselfAndTheOperatorOfAnyNamespace(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, policy := range only[*networkingv1.NetworkPolicy](children(t, p)) {
			if !slices.Equal(policy.Spec.PolicyTypes, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}) {
				t.Errorf("%s is of types %v", policy.Name, policy.Spec.PolicyTypes)
			}
			for _, rule := range policy.Spec.Ingress {
				if len(rule.Ports) == 0 {
					t.Errorf("%s admits to every port", policy.Name)
				}
				for _, peer := range rule.From {
					checkPeer(t, policy.Name, peer)
				}
			}
		}
	})
}

// Scrapers live in other namespaces: an administrator's label lets them in, to the metrics and no further.
func TestOnlyMetricsAreOpenToNamespacesWithTheLabelForIt(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, policy := range only[*networkingv1.NetworkPolicy](children(t, p)) {
			for _, rule := range policy.Spec.Ingress {
				var named []int32
				for _, port := range rule.Ports {
					named = append(named, port.Port.IntVal)
				}
				scraped := slices.ContainsFunc(rule.From, isScraper)
				if metrics := slices.Contains(named, plan.ExporterPort); scraped != metrics || metrics && (len(named) != 1 || len(rule.From) != 1) {
					t.Errorf("%s admits %v to %v", policy.Name, rule.From, named)
				}
			}
		}
	})
}

func isScraper(peer networkingv1.NetworkPolicyPeer) bool {
	return peer.PodSelector == nil && peer.IPBlock == nil && peer.NamespaceSelector != nil &&
		peer.NamespaceSelector.MatchLabels["fediflow.io/metrics"] == "enabled"
}

func checkPeer(t *testing.T, policy string, peer networkingv1.NetworkPolicyPeer) {
	t.Helper()
	if isScraper(peer) {
		return
	}
	if peer.PodSelector == nil || peer.IPBlock != nil {
		t.Errorf("%s admits %v", policy, peer)
		return
	}
	elsewhere := peer.NamespaceSelector != nil
	cluster, name := peer.PodSelector.MatchLabels[plan.LabelCluster], peer.PodSelector.MatchLabels[plan.LabelName]
	if !elsewhere && cluster != "fediflow" || elsewhere && name != "fediflow-operator" {
		t.Errorf("%s admits %v", policy, peer)
	}
}

func TestEveryServiceWithASelectorNamesPortsOfThePodsItSelects(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		all := workloads(t, p)
		for _, service := range only[*corev1.Service](children(t, p)) {
			if len(service.Spec.Selector) == 0 {
				continue
			}
			served := false
			for _, w := range all {
				// Patroni adds the role label to its own pods.
				selector := map[string]string{}
				for key, value := range service.Spec.Selector {
					if key != plan.LabelRole {
						selector[key] = value
					}
				}
				if !w.selectedBy(selector) {
					continue
				}
				served = true
				for _, port := range service.Spec.Ports {
					if !slices.Contains(portNames(w), port.TargetPort.StrVal) {
						t.Errorf("Service %s: %s has no port %s", service.Name, w, port.TargetPort.StrVal)
					}
				}
			}
			if !served {
				t.Errorf("Service %s selects %v, which no pod has", service.Name, service.Spec.Selector)
			}
		}
	})
}

func TestStatefulSetsAreNamedByAHeadlessServiceWhoseNamesExistBeforeReadiness(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		services := map[string]*corev1.Service{}
		for _, service := range only[*corev1.Service](children(t, p)) {
			services[service.Name] = service
		}
		for _, w := range workloads(t, p) {
			name := w.serviceName()
			if name == "" {
				continue
			}
			service := services[name]
			if service == nil || service.Spec.ClusterIP != corev1.ClusterIPNone || !service.Spec.PublishNotReadyAddresses || !w.selectedBy(service.Spec.Selector) {
				t.Errorf("%s has the Service %s: %v", w, name, service)
			}
		}
	})
}

// rulesFor are the rules that admit somebody to a port of a workload.
func rulesFor(policies []*networkingv1.NetworkPolicy, w workload, port int32) []networkingv1.NetworkPolicyIngressRule {
	var rules []networkingv1.NetworkPolicyIngressRule
	for _, policy := range policies {
		if !w.selectedBy(policy.Spec.PodSelector.MatchLabels) {
			continue
		}
		for _, rule := range policy.Spec.Ingress {
			for _, open := range rule.Ports {
				if open.Port != nil && open.Port.IntVal == port {
					rules = append(rules, rule)
				}
			}
		}
	}
	return rules
}

func ports(w workload) []int32 {
	var all []int32
	for _, c := range w.containers() {
		for _, port := range c.Ports {
			all = append(all, port.ContainerPort)
		}
	}
	return all
}

func portNames(w workload) []string {
	var all []string
	for _, c := range w.containers() {
		for _, port := range c.Ports {
			all = append(all, port.Name)
		}
	}
	return all
}
