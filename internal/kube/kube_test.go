package kube

import (
	"encoding/json"
	"maps"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	acnet "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

var p = plan.Plan{Name: "fediflow", Namespace: "social"}

func text(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func TestHashTellsTextsApartAndDoesNotJoinThem(t *testing.T) {
	seen := map[string][]string{}
	for _, texts := range [][]string{{}, {""}, {"", ""}, {"a"}, {"a", ""}, {"", "a"}, {"ab"}, {"a", "b"}, {"b", "a"}} {
		hash := Hash(texts...)
		if other, ok := seen[hash]; ok || len(hash) != 10 {
			t.Errorf("%q and %q have hash %s", texts, other, hash)
		}
		seen[hash] = texts
		if Hash(texts...) != hash {
			t.Errorf("%q has two hashes", texts)
		}
	}
}

// The hash is in names and annotations of running clusters: another algorithm restarts them all.
func TestHashIsTheSameInEveryVersion(t *testing.T) {
	if have := Hash("fediflow", "operator"); have != "d46536cc81" {
		t.Errorf("Hash is %s", have)
	}
	if have := HashMap(map[string]string{"a": "1", "b": "2"}); have != "37664b1930" {
		t.Errorf("HashMap is %s", have)
	}
}

func TestHashMapDependsOnKeysAndValuesNotOnOrder(t *testing.T) {
	want := HashMap(map[string]string{"a": "1", "b": "2", "c": "3"})
	for range 20 {
		if HashMap(map[string]string{"c": "3", "b": "2", "a": "1"}) != want {
			t.Fatal("order changes the hash")
		}
	}
	for _, other := range []map[string]string{nil, {"a": "1"}, {"a": "2", "b": "1", "c": "3"}, {"1": "a", "2": "b", "3": "c"}} {
		if HashMap(other) == want {
			t.Errorf("%v has the same hash", other)
		}
	}
}

// One caller's extra labels must not be in the next caller's map.
func TestLabelsAreFreshMaps(t *testing.T) {
	extra := map[string]string{"extra": "1"}
	Labels(p, plan.API, extra)["later"] = "1"
	SelectorLabels(p, plan.API, extra)["later"] = "1"
	if !maps.Equal(extra, map[string]string{"extra": "1"}) {
		t.Errorf("the argument is %v", extra)
	}
	if labels := Labels(p, plan.API, nil); labels["later"] != "" || labels["extra"] != "" {
		t.Errorf("the next labels are %v", labels)
	}
}

func TestSelectorIsAPartOfTheLabels(t *testing.T) {
	labels := Labels(p, plan.Edge, map[string]string{"extra": "1"})
	for key, value := range Selector(p, plan.Edge, map[string]string{"extra": "1"}).MatchLabels {
		if labels[key] != value {
			t.Errorf("%s=%s is no label", key, value)
		}
	}
	if len(SelectorLabels(p, plan.Edge, nil)) >= len(labels) {
		t.Error("everything is selected by: no label can ever change")
	}
}

func TestBytesAreReadAsTheyWereWritten(t *testing.T) {
	quantity := Bytes(3 << 30)
	if quantity.Cmp(resource.MustParse("3Gi")) != 0 || quantity.String() != "3Gi" {
		t.Errorf("%s", quantity.String())
	}
}

func TestMemoryIsLimitedAndCPUIsNot(t *testing.T) {
	c := Container("main", "image", plan.Resources{CPU: resource.MustParse("250m"), Memory: resource.MustParse("512Mi")})
	want := `{"limits":{"memory":"512Mi"},"requests":{"cpu":"250m","memory":"512Mi"}}`
	if have := text(t, c.Resources); have != want {
		t.Errorf("resources are %s", have)
	}
}

func TestContainerAndPodAreRestricted(t *testing.T) {
	want := `{"capabilities":{"drop":["ALL"]},"readOnlyRootFilesystem":true,"allowPrivilegeEscalation":false}`
	if have := text(t, Container("main", "image", plan.Resources{}).SecurityContext); have != want {
		t.Errorf("container: %s", have)
	}
	pod := PodSpec(p, ServiceUser)
	want = `{"runAsUser":999,"runAsGroup":999,"runAsNonRoot":true,"fsGroup":999,"fsGroupChangePolicy":"OnRootMismatch","seccompProfile":{"type":"RuntimeDefault"}}`
	if have := text(t, pod.SecurityContext); have != want {
		t.Errorf("pod: %s", have)
	}
	if *pod.AutomountServiceAccountToken || *pod.EnableServiceLinks {
		t.Error("a pod gets a token, or variables for every Service")
	}
}

func TestPullSecretsOfThePlanAreOnEveryPod(t *testing.T) {
	private := p
	private.PullSecrets = []string{"one", "two"}
	if have := text(t, PodSpec(private, ApplicationUser).ImagePullSecrets); have != `[{"name":"one"},{"name":"two"}]` {
		t.Errorf("%s", have)
	}
}

func TestHeadlessServiceNamesPodsThatAreNotReady(t *testing.T) {
	spec := Headless(p, plan.Redis, "members", map[string]string{"a": "b"}, ServicePort("redis", 6379)).Spec
	if *spec.ClusterIP != corev1.ClusterIPNone || !*spec.PublishNotReadyAddresses || spec.Selector["a"] != "b" {
		t.Errorf("%s", text(t, spec))
	}
	if have := text(t, spec.Ports); have != `[{"name":"redis","protocol":"TCP","port":6379,"targetPort":"redis"}]` {
		t.Errorf("%s", have)
	}
}

func TestPlainServiceHasNoSelector(t *testing.T) {
	if have := text(t, Service(p, plan.Postgres, "name").Spec); have != "{}" {
		t.Errorf("%s", have)
	}
}

func TestDisruptionBudgetLetsOnePodGo(t *testing.T) {
	spec := DisruptionBudget(p, plan.API, "name", Selector(p, plan.API, nil)).Spec
	if spec.MaxUnavailable.String() != "1" || spec.MinAvailable != nil {
		t.Errorf("%s", text(t, spec))
	}
}

func TestClaimHasAClassOnlyWhereThePlanHasOne(t *testing.T) {
	size := resource.MustParse("5Gi")
	for class, want := range map[string]string{
		"":     `{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"5Gi"}},"volumeMode":"Filesystem"}}`,
		"fast": `{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"5Gi"}},"storageClassName":"fast","volumeMode":"Filesystem"}}`,
	} {
		claim := Claim(p, plan.Postgres, "data", plan.Storage{Size: size, ClassName: class})
		if !maps.Equal(claim.Labels, p.Name.Labels(plan.Postgres)) {
			t.Errorf("labels are %v", claim.Labels)
		}
		claim.Labels = map[string]string{}
		if have := text(t, claim); have != want {
			t.Errorf("class %q: %s", class, have)
		}
	}
}

func TestIngressAdmitsInsidersToInsidePortsAndEverybodyToOpenOnes(t *testing.T) {
	both := Ingress(p, plan.Edge, "name", []int32{8081}, []int32{8080}).Spec.Ingress
	if len(both) != 2 || len(both[0].From) != 2 || len(both[1].From) != 0 || port(both[0]) != 8081 || port(both[1]) != 8080 {
		t.Errorf("%s", text(t, both))
	}
	members, operator := both[0].From[0], both[0].From[1]
	if members.NamespaceSelector != nil || members.PodSelector.MatchLabels[plan.LabelCluster] != "fediflow" {
		t.Errorf("members are %s", text(t, members))
	}
	if operator.NamespaceSelector == nil || operator.PodSelector.MatchLabels[plan.LabelName] != plan.ManagedBy {
		t.Errorf("the operator is %s", text(t, operator))
	}
	// A rule without ports would admit to all of them.
	if inside := Ingress(p, plan.Edge, "name", []int32{8081}, nil).Spec.Ingress; len(inside) != 1 || len(inside[0].From) == 0 {
		t.Errorf("%s", text(t, inside))
	}
	if none := Ingress(p, plan.Edge, "name", nil, nil).Spec; len(none.Ingress) != 0 || len(none.PolicyTypes) != 1 {
		t.Errorf("%s", text(t, none))
	}
}

func port(rule acnet.NetworkPolicyIngressRuleApplyConfiguration) int32 {
	return rule.Ports[0].Port.IntVal
}

func TestSecretVolumeHoldsOneKeyOnly(t *testing.T) {
	want := `{"name":"auth","secret":{"secretName":"credentials","items":[{"key":"userlist.txt","path":"userlist.txt"}]}}`
	if have := text(t, SecretVolume("auth", "credentials", "userlist.txt")); have != want {
		t.Errorf("%s", have)
	}
}

func TestEnvironmentVariables(t *testing.T) {
	for want, variable := range map[string]any{
		`{"name":"A","value":"1"}`: Env("A", "1"),
		`{"name":"A","valueFrom":{"secretKeyRef":{"name":"secret","key":"key"}}}`:               EnvSecret("A", "secret", "key"),
		`{"name":"A","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"}}}`: EnvField("A", "metadata.name"),
	} {
		if have := text(t, variable); have != want {
			t.Errorf("%s, not %s", have, want)
		}
	}
}

func TestProbesKeepTheirTiming(t *testing.T) {
	probe := Probe{Period: 3, Timeout: 2, Failures: 7}
	const timing = `"timeoutSeconds":2,"periodSeconds":3,"failureThreshold":7}`
	for want, have := range map[string]any{
		`{"httpGet":{"path":"/readyz","port":"http"},` + timing: probe.HTTP("/readyz", "http"),
		`{"tcpSocket":{"port":"http"},` + timing:                probe.TCP("http"),
		`{"exec":{"command":["a","b"]},` + timing:               probe.Exec("a", "b"),
	} {
		if text(t, have) != want {
			t.Errorf("%s, not %s", text(t, have), want)
		}
	}
}

func TestSpreadingIsByNode(t *testing.T) {
	hard, soft := SpreadHard(p, plan.Redis, nil), SpreadSoft(p, plan.API, nil)
	if *hard.TopologyKey != "kubernetes.io/hostname" || *hard.WhenUnsatisfiable != corev1.DoNotSchedule || *hard.NodeTaintsPolicy != corev1.NodeInclusionPolicyHonor {
		t.Errorf("hard: %s", text(t, hard))
	}
	if *soft.TopologyKey != "kubernetes.io/hostname" || *soft.WhenUnsatisfiable != corev1.ScheduleAnyway || len(soft.MatchLabelKeys) != 1 {
		t.Errorf("soft: %s", text(t, soft))
	}
}

func TestRollingAndStopping(t *testing.T) {
	for want, have := range map[string]any{
		`{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":0,"maxSurge":"25%"}}`: SurgeOnly(),
		`{"type":"OnDelete"}`:                           OnDelete(),
		`{"preStop":{"sleep":{"seconds":5}}}`:           SleepBeforeStop(5),
		`{"preStop":{"exec":{"command":["handover"]}}}`: BeforeStop("handover"),
	} {
		if text(t, have) != want {
			t.Errorf("%s, not %s", text(t, have), want)
		}
	}
}

func TestARegionIsAHardRequirement(t *testing.T) {
	want := `{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[{"matchExpressions":[{"key":"topology.kubernetes.io/region","operator":"In","values":["eu-west"]}]}]}}}`
	if have := text(t, InRegion("eu-west")); have != want {
		t.Errorf("%s", have)
	}
}
