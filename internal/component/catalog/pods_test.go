package catalog

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	podsecurity "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

func TestEveryPodPassesPodSecurityRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := podsecurity.LevelVersion{Level: podsecurity.LevelRestricted, Version: podsecurity.LatestVersion()}
	admit := func(template corev1.PodTemplateSpec) policy.AggregateCheckResult {
		return policy.AggregateCheckResults(evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec))
	}
	if admit(corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "bare"}}}}).Allowed {
		t.Fatal("the policy admits a pod without a security context")
	}
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, w := range workloads(t, p) {
			if result := admit(w.template); !result.Allowed {
				t.Errorf("%s: %s", w, result.ForbiddenDetail())
			}
		}
	})
}

func TestEveryContainerHasAReadOnlyRootAndNoCapability(t *testing.T) {
	forEachContainer(t, func(t *testing.T, w workload, c corev1.Container) {
		t.Helper()
		security := c.SecurityContext
		if security == nil || security.ReadOnlyRootFilesystem == nil || !*security.ReadOnlyRootFilesystem {
			t.Errorf("%s: container %s can write to its root", w, c.Name)
			return
		}
		if security.Capabilities == nil || !slices.Contains(security.Capabilities.Drop, "ALL") || len(security.Capabilities.Add) > 0 {
			t.Errorf("%s: container %s has capabilities %v", w, c.Name, security.Capabilities)
		}
	})
}

func TestEveryContainerHasRequestsAndAMemoryLimitEqualToItsRequest(t *testing.T) {
	forEachContainer(t, func(t *testing.T, w workload, c corev1.Container) {
		t.Helper()
		requests, limits := c.Resources.Requests, c.Resources.Limits
		if requests.Cpu().Sign() <= 0 || requests.Memory().Sign() <= 0 {
			t.Errorf("%s: container %s requests %v", w, c.Name, requests)
		}
		if !limits.Memory().Equal(*requests.Memory()) {
			t.Errorf("%s: container %s is limited to %v and requests %v", w, c.Name, limits, requests)
		}
		if _, throttled := limits[corev1.ResourceCPU]; throttled {
			t.Errorf("%s: container %s has a CPU limit", w, c.Name)
		}
	})
}

// isExporter says whether a container only tells of the one it is beside.
func isExporter(c corev1.Container) bool { return c.Name == "exporter" }

func TestEveryServingContainerHasReadinessAndLivenessProbes(t *testing.T) {
	forEachContainer(t, func(t *testing.T, w workload, c corev1.Container) {
		t.Helper()
		if !w.replicated() || isExporter(c) {
			return
		}
		if c.ReadinessProbe == nil || c.LivenessProbe == nil {
			t.Errorf("%s: container %s has readiness %v and liveness %v", w, c.Name, c.ReadinessProbe, c.LivenessProbe)
		}
	})
}

func TestAMemberIsReadyWhateverItsExporterDoes(t *testing.T) {
	exporters := 0
	forEachContainer(t, func(t *testing.T, w workload, c corev1.Container) {
		t.Helper()
		if !isExporter(c) {
			return
		}
		exporters++
		if c.ReadinessProbe != nil || c.LivenessProbe != nil || c.StartupProbe != nil || c.Lifecycle != nil {
			t.Errorf("%s: the exporter is probed", w)
		}
		if w.containers()[0].Name == c.Name {
			t.Errorf("%s: the exporter comes first", w)
		}
	})
	if exporters == 0 {
		t.Error("there is no exporter")
	}
}

func TestLivenessIsMorePatientThanReadiness(t *testing.T) {
	patience := func(probe *corev1.Probe) int32 { return probe.PeriodSeconds * probe.FailureThreshold }
	forEachContainer(t, func(t *testing.T, w workload, c corev1.Container) {
		t.Helper()
		if w.replicated() && !isExporter(c) && patience(c.LivenessProbe) <= patience(c.ReadinessProbe) {
			t.Errorf("%s: container %s is killed after %d s and leaves its Services after %d s",
				w, c.Name, patience(c.LivenessProbe), patience(c.ReadinessProbe))
		}
	})
}

func TestOnlyPostgresPodsGetAServiceAccountToken(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, w := range workloads(t, p) {
			token, account := w.template.Spec.AutomountServiceAccountToken, w.template.Spec.ServiceAccountName
			wanted := w.component == plan.Postgres
			if token == nil || *token != wanted || (account != "") != wanted {
				t.Errorf("%s: automountServiceAccountToken is %v, the account is %q", w, token, account)
			}
		}
	})
}

// A probe, a Service or a lifecycle hook that names a port or volume that is not there fails only
// when the pod runs.
func TestEveryMountAndProbeNamesAVolumeAndPortOfItsPod(t *testing.T) {
	forEachContainer(t, func(t *testing.T, w workload, c corev1.Container) {
		t.Helper()
		volumes := volumeNames(w)
		for _, mount := range c.VolumeMounts {
			if !volumes[mount.Name] {
				t.Errorf("%s: container %s mounts %s, which is no volume", w, c.Name, mount.Name)
			}
		}
		for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
			if port := probePort(probe); port != "" && !slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == port }) {
				t.Errorf("%s: container %s is probed at %s, which is no port", w, c.Name, port)
			}
		}
	})
}

// A read-only root leaves no other place.
func TestEveryPodHasATmpThatItCanWrite(t *testing.T) {
	forEachContainer(t, func(t *testing.T, w workload, c corev1.Container) {
		t.Helper()
		if isExporter(c) { // writes nothing, and shares no /tmp with a container that keeps passwords there
			return
		}
		if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/tmp" && !m.ReadOnly }) {
			t.Errorf("%s: container %s has no /tmp", w, c.Name)
		}
	})
}

func TestPodsHaveTimeToStop(t *testing.T) {
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, w := range workloads(t, p) {
			for _, c := range w.containers() {
				if c.Lifecycle == nil || c.Lifecycle.PreStop == nil || c.Lifecycle.PreStop.Sleep == nil {
					continue
				}
				grace := w.template.Spec.TerminationGracePeriodSeconds
				if grace == nil || *grace <= c.Lifecycle.PreStop.Sleep.Seconds {
					t.Errorf("%s: sleeps %d s before it stops, and is killed after %v", w, c.Lifecycle.PreStop.Sleep.Seconds, grace)
				}
			}
		}
	})
}

func volumeNames(w workload) map[string]bool {
	names := map[string]bool{}
	for _, volume := range w.template.Spec.Volumes {
		names[volume.Name] = true
	}
	for _, claim := range w.claims() {
		names[claim.Name] = true
	}
	return names
}

func probePort(probe *corev1.Probe) string {
	switch {
	case probe == nil:
		return ""
	case probe.HTTPGet != nil:
		return probe.HTTPGet.Port.StrVal
	case probe.TCPSocket != nil:
		return probe.TCPSocket.Port.StrVal
	}
	return ""
}

func forEachContainer(t *testing.T, test func(t *testing.T, w workload, c corev1.Container)) {
	t.Helper()
	forEachPlatform(t, func(t *testing.T, p plan.Plan) {
		t.Helper()
		for _, w := range workloads(t, p) {
			for _, c := range w.containers() {
				test(t, w, c)
			}
		}
	})
}
