package catalog

import (
	"maps"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/component"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func TestEveryObjectAndPodHasTheLabelsOfItsComponent(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		check := func(what string, name plan.ComponentName, have map[string]string) {
			t.Helper()
			want := map[string]string{
				"fediflow.io/cluster":          "fediflow",
				"app.kubernetes.io/component":  string(name),
				"app.kubernetes.io/name":       "fediflow",
				"app.kubernetes.io/part-of":    "fediflow",
				"app.kubernetes.io/managed-by": "fediflow-operator",
			}
			if !labels.SelectorFromSet(want).Matches(labels.Set(have)) {
				t.Errorf("%s has labels %v", what, have)
			}
		}
		for _, c := range children(t, p) {
			check(c.String(), c.component, c.GetLabels())
		}
		for _, w := range workloads(t, p) {
			check("pods of "+w.String(), w.component, w.template.Labels)
			for _, claim := range w.claims() {
				check("volumes of "+w.String(), w.component, claim.Labels)
			}
		}
	})
}

func TestEveryObjectIsInTheNamespaceUnderALegalNameOfItsOwn(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		seen := map[string]bool{}
		for _, c := range children(t, p) {
			if c.GetNamespace() != p.Namespace {
				t.Errorf("%s is in namespace %q", c, c.GetNamespace())
			}
			if problems := validation.IsDNS1123Label(c.GetName()); len(problems) > 0 {
				t.Errorf("%s: %v", c, problems)
			}
			if seen[c.String()] {
				t.Errorf("%s is rendered twice", c)
			}
			seen[c.String()] = true
		}
	})
}

func TestLabelsAndAnnotationsOfTheResourceAreNotCopied(t *testing.T) {
	marked := sample(t)
	marked.Labels = map[string]string{"argocd.argoproj.io/instance": "marker"}
	marked.Annotations = map[string]string{"example.edu/marker": "marker"}
	if string(everything(t, resolve(t, marked))) != string(everything(t, resolve(t, sample(t)))) {
		t.Error("metadata of the resource changes what is rendered")
	}
}

func TestTheAPIDeploymentNeverSetsReplicas(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, deployment := range only[*appsv1.Deployment](children(t, p)) {
			autoscaled := deployment.Name == "fediflow-api"
			if set := deployment.Spec.Replicas != nil; set == autoscaled {
				t.Errorf("Deployment %s sets replicas: %t", deployment.Name, set)
			}
		}
	})
}

func TestNothingSetsReplicasOfWhatAnAutoscalerOwns(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		all := children(t, p)
		for _, autoscaler := range only[*autoscalingv2.HorizontalPodAutoscaler](all) {
			target := autoscaler.Spec.ScaleTargetRef
			i := slices.IndexFunc(all, func(c child) bool { return c.kind == target.Kind && c.GetName() == target.Name })
			if i < 0 {
				t.Errorf("%s targets %s %s, which is not rendered", autoscaler.Name, target.Kind, target.Name)
				continue
			}
			if deployment, ok := all[i].Object.(*appsv1.Deployment); !ok || deployment.Spec.Replicas != nil {
				t.Errorf("%s sets replicas", all[i])
			}
		}
	})
}

func TestTheSampleScalesTheAPIFrom3To50At70PercentCPUAnd80PercentMemory(t *testing.T) {
	all := only[*autoscalingv2.HorizontalPodAutoscaler](children(t, resolve(t, sample(t))))
	if len(all) != 1 {
		t.Fatalf("%d autoscalers are rendered", len(all))
	}
	autoscaler := all[0]
	if autoscaler.Name != "fediflow-api" {
		t.Errorf("it is called %s", autoscaler.Name)
	}
	want := autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "fediflow-api"}
	if autoscaler.Spec.ScaleTargetRef != want {
		t.Errorf("it scales %v", autoscaler.Spec.ScaleTargetRef)
	}
	if *autoscaler.Spec.MinReplicas != 3 || autoscaler.Spec.MaxReplicas != 50 {
		t.Errorf("it scales from %d to %d", *autoscaler.Spec.MinReplicas, autoscaler.Spec.MaxReplicas)
	}
	utilization := map[corev1.ResourceName]int32{}
	for _, metric := range autoscaler.Spec.Metrics {
		if metric.Type != autoscalingv2.ResourceMetricSourceType || metric.Resource.Target.Type != autoscalingv2.UtilizationMetricType {
			t.Fatalf("metric %v is no utilisation of a resource", metric)
		}
		utilization[metric.Resource.Name] = *metric.Resource.Target.AverageUtilization
	}
	if len(utilization) != 2 || utilization[corev1.ResourceCPU] != 70 || utilization[corev1.ResourceMemory] != 80 {
		t.Errorf("it keeps utilisation at %v", utilization)
	}
}

func TestDeploymentsRollWithSurgeAndWithoutUnavailability(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, deployment := range only[*appsv1.Deployment](children(t, p)) {
			strategy := deployment.Spec.Strategy
			if strategy.Type != appsv1.RollingUpdateDeploymentStrategyType || strategy.RollingUpdate == nil {
				t.Errorf("%s has strategy %v", deployment.Name, strategy)
				continue
			}
			if surge, unavailable := strategy.RollingUpdate.MaxSurge.String(), strategy.RollingUpdate.MaxUnavailable.String(); surge == "0" || unavailable != "0" {
				t.Errorf("%s rolls with surge %s and unavailability %s", deployment.Name, surge, unavailable)
			}
		}
	})
}

func TestEveryStatefulSetIsOnDeleteAndParallel(t *testing.T) {
	forEachStatefulSet(t, func(t *testing.T, set *appsv1.StatefulSet) {
		t.Helper()
		if set.Spec.UpdateStrategy.Type != appsv1.OnDeleteStatefulSetStrategyType {
			t.Errorf("%s is updated by %q", set.Name, set.Spec.UpdateStrategy.Type)
		}
		if set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement {
			t.Errorf("%s is managed by %q", set.Name, set.Spec.PodManagementPolicy)
		}
	})
}

func TestDataVolumesAreNeverDeletedWithTheStatefulSet(t *testing.T) {
	forEachStatefulSet(t, func(t *testing.T, set *appsv1.StatefulSet) {
		t.Helper()
		policy := set.Spec.PersistentVolumeClaimRetentionPolicy
		deletes := policy != nil && (policy.WhenDeleted != appsv1.RetainPersistentVolumeClaimRetentionPolicyType ||
			policy.WhenScaled != appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
		isEdge := set.Labels[plan.LabelComponent] == string(plan.Edge)
		for _, claim := range set.Spec.VolumeClaimTemplates {
			if isData := claim.Name == component.DataVolume; isData == isEdge {
				t.Errorf("%s has a volume %s", set.Name, claim.Name)
			}
		}
		if deletes != isEdge {
			t.Errorf("%s deletes its volumes: %t", set.Name, deletes)
		}
	})
}

// A volume claim template cannot change: no setting but its size and class may be in it.
func TestAResizedDatabaseVolumeChangesNoPod(t *testing.T) {
	resized := minimal(v1alpha1.SizeSmall)
	storage := resolve(t, minimal(v1alpha1.SizeMedium)).Database.Managed.Storage.Size
	resized.Spec.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{Storage: &v1alpha1.StorageSpec{Size: &storage}}}
	before, after := templates(t, minimal(v1alpha1.SizeSmall)), templates(t, resized)
	if len(before) == 0 || len(before) != len(after) {
		t.Fatalf("%d and %d templates", len(before), len(after))
	}
	for name, template := range before {
		if after[name] != template {
			t.Errorf("%s: a larger volume changes the pods", name)
		}
	}
}

func TestOnlyPatronisStateOutlivesTheCluster(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		var kept []string
		for _, c := range children(t, p) {
			if c.lifetime == component.WithData {
				kept = append(kept, c.String())
			}
		}
		slices.Sort(kept)
		want := []string{"Service fediflow-postgres-config", "Service fediflow-postgres-failover", "Service fediflow-postgres-sync"}
		if p.Database.Managed == nil {
			want = nil
		}
		if !slices.Equal(kept, want) {
			t.Errorf("%v outlive the cluster", kept)
		}
	})
}

func TestEveryReplicatedWorkloadHasOneDisruptionBudgetThatLetsOnePodGo(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		all := workloads(t, p)
		budgets := only[*policyv1.PodDisruptionBudget](children(t, p))
		for _, budget := range budgets {
			least, most := budget.Spec.MinAvailable, budget.Spec.MaxUnavailable
			instances := int32(0)
			if p.Database.Managed != nil {
				instances = p.Database.Managed.Instances
			}
			ok := most != nil && most.String() == "1" && least == nil
			switch {
			case budget.Name == p.Name.PostgresPrimary(): // it goes when another took over
				ok = least != nil && least.IntVal == 1 && most == nil
			case budget.Name == p.Name.Component(plan.Postgres) && instances > 1: // of the standbys, one
				ok = least != nil && least.IntVal == instances-2 && most == nil
			}
			if !ok {
				t.Errorf("budget %s is %v", budget.Name, budget.Spec)
			}
		}
		for _, w := range all {
			for _, role := range []string{"", "replica", "primary"} {
				count := 0
				for _, budget := range budgets {
					if w.protectedBy(t, budget, role) {
						count++
					}
				}
				if want := map[bool]int{true: 1}[w.replicated()]; count != want {
					t.Errorf("%s in the role %q has %d disruption budgets", w, role, count)
				}
			}
		}
		for _, budget := range budgets {
			if n := selected(all, budget.Spec.Selector.MatchLabels); n != 1 {
				t.Errorf("budget %s is of %d workloads", budget.Name, n)
			}
		}
	})
}

// protectedBy says whether a budget is of the workload's pods while they have the role that an
// engine gave them.
func (w workload) protectedBy(t *testing.T, budget *policyv1.PodDisruptionBudget, role string) bool {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(budget.Spec.Selector)
	if err != nil {
		t.Fatal(err)
	}
	labelled := labels.Set(maps.Clone(w.template.Labels))
	if role != "" {
		labelled[plan.LabelRole] = role
	}
	return selector.Matches(labelled)
}

func selected(all []workload, selector map[string]string) int {
	count := 0
	for _, w := range all {
		if w.selectedBy(selector) {
			count++
		}
	}
	return count
}

func forEachStatefulSet(t *testing.T, test func(t *testing.T, set *appsv1.StatefulSet)) {
	t.Helper()
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, set := range only[*appsv1.StatefulSet](children(t, p)) {
			test(t, set)
		}
	})
}
