package controllers

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/certs"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// everything sets every field of a spec with a managed database, in notations that the API server
// normalises in the objects made from them.
func everything(spec *v1alpha1.FediFlowClusterSpec) {
	quantity := func(text string) *resource.Quantity { return new(resource.MustParse(text)) }
	resources := &v1alpha1.ResourceOverride{CPU: quantity("1000m"), Memory: quantity("0.5Gi")}
	storage := &v1alpha1.StorageSpec{Size: quantity("1024Mi"), StorageClassName: new(storageClass)}
	spec.ImagePullSecrets = []v1alpha1.SecretName{{Name: "registry"}}
	spec.API = &v1alpha1.APISpec{Resources: resources, Autoscaling: &v1alpha1.AutoscalingSpec{
		MinReplicas: new(int32(2)), MaxReplicas: new(int32(4)), CPUUtilization: new(int32(60)), MemoryUtilization: new(int32(90))}}
	spec.Migrations = &v1alpha1.MigrationsSpec{PreDeploy: &v1alpha1.MigrationSpec{Command: []string{"node", "migrate.js"}}}
	spec.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{
		Instances: new(int32(2)), Durability: new(v1alpha1.DurabilitySynchronous), Storage: storage, Resources: resources}}
	spec.Pooler = &v1alpha1.PoolerSpec{Replicas: new(int32(1)), Resources: resources}
	spec.Redis = &v1alpha1.RedisSpec{Managed: &v1alpha1.ManagedRedisSpec{
		Queue: &v1alpha1.RedisQueueSpec{Replicas: new(int32(2)), Storage: storage, Resources: resources},
		Cache: &v1alpha1.RedisCacheSpec{Replicas: new(int32(1)), Resources: resources},
	}}
	spec.Edge = &v1alpha1.EdgeSpec{
		Regions: []v1alpha1.EdgeRegionSpec{{Name: regionEast, Replicas: new(int32(2))}, {Name: regionWest}},
		Storage: storage, Resources: resources, ServiceType: new(v1alpha1.EdgeServiceType("LoadBalancer")),
	}
}

func (p *platform) pullSecret(t *testing.T) {
	t.Helper()
	p.create(t, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "registry"}, Type: corev1.SecretTypeDockerConfigJson,
		StringData: map[string]string{corev1.DockerConfigJsonKey: "{}"}})
}

func external(spec *v1alpha1.FediFlowClusterSpec) {
	spec.Database = &v1alpha1.DatabaseSpec{External: &v1alpha1.ExternalDatabaseSpec{
		Host: "db.example.edu", CredentialsSecret: v1alpha1.SecretName{Name: "db"}}}
}

func TestASecondPassWritesNothing(t *testing.T) {
	for name, edit := range map[string]func(*v1alpha1.FediFlowClusterSpec){
		"of the smallest spec":       func(*v1alpha1.FediFlowClusterSpec) {},
		"of a spec with every field": everything,
		"with an external database":  external,
	} {
		t.Run(name, func(t *testing.T) {
			p := newNamespace(t)
			p.enrol(t)
			p.pullSecret(t)
			p.create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "db"}})
			p.declare(t, edit)
			p.waitReady(t)
			testRestingPlatform(t, p)
		})
	}
}

func testRestingPlatform(t *testing.T, p *platform) {
	t.Helper()
	before := p.versions(t)
	start := current.wire.mark()
	p.passes(t, 2)
	for _, request := range current.wire.since(start, p.namespace) {
		// Secrets are looked up live, and only whether they are there, but for certificates.
		certificate := strings.HasSuffix(request.path, "-tls") || strings.HasSuffix(request.path, "/"+names.Authority())
		lookup := strings.Contains(request.path, "/secrets/") &&
			(certificate || strings.Contains(request.accept, "as=PartialObjectMetadata"))
		if request.writes() || !lookup {
			t.Errorf("a pass at rest made the request %s", request)
		}
	}
	p.unchanged(t, before)

	// A new operator remembers nothing.
	whileDown(t, func() {})
	p.passes(t, 1)
	for _, write := range current.wire.writesSince(0, p.namespace) {
		t.Errorf("a restarted operator made the write %s", write)
	}
	p.unchanged(t, before)
}

// Nothing but an event starts a pass: no poll, and not what happens in a healthy platform all the time.
func TestAReadyPlatformIsLeftAlone(t *testing.T) {
	p := newPlatform(t)
	p.waitReady(t)
	p.create(t, &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: "ample"},
		Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("1000")}}})
	other := newNamespace(t)
	other.declare(t)
	other.waitStalled(t, v1alpha1.ReasonSecretForbidden)
	request := ctrl.Request{NamespacedName: p.key(string(names))}
	// It looks again when a certificate is due, weeks later.
	result, err := current.reconciler.Reconcile(t.Context(), request)
	if due := certs.Default.RenewAfter; err != nil || result.RequeueAfter > due || result.RequeueAfter < due-time.Hour {
		t.Errorf("the operator wants to look again: %v, %v", result, err)
	}
	for name, happens := range map[string]func(p *platform, what string){
		"Patroni renews the leader lock": func(p *platform, what string) {
			p.annotateEndpoints(t, names.Component(plan.Postgres), map[string]string{"renewTime": what, "optime": what})
		},
		"the autoscaler measures": func(p *platform, what string) {
			autoscaler := must(t, p, names.Component(plan.API), &autoscalingv2.HorizontalPodAutoscaler{})
			autoscaler.Status.DesiredReplicas = int32(len(what)) //nolint:gosec // a short text
			p.writeStatus(t, autoscaler)
		},
		"a node is alive": func(p *platform, what string) {
			node := must(t, p, regionEast, &corev1.Node{})
			node.Status.Images = append(node.Status.Images, corev1.ContainerImage{Names: []string{"image:" + what}})
			node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue,
				LastHeartbeatTime: metav1.Unix(int64(len(what)), 0), Reason: "KubeletReady"}}
			p.writeStatus(t, node)
			seen(t, node)
		},
		"a quota counts": func(p *platform, what string) {
			quota := must(t, p, "ample", &corev1.ResourceQuota{})
			quota.Status.Hard = quota.Spec.Hard
			quota.Status.Used = corev1.ResourceList{corev1.ResourcePods: resource.MustParse(fmt.Sprint(len(what)))}
			p.writeStatus(t, quota)
			seen(t, quota)
		},
		"the WAL position of a member moves": func(p *platform, what string) {
			change(t, p, plan.Member(names.Component(plan.Postgres), 0), &corev1.Pod{}, func(pod *corev1.Pod) {
				fields, _, _ := strings.Cut(pod.Annotations["status"], `"xlog_location":`)
				pod.Annotations["status"] = fields + `"xlog_location":` + what + "}"
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p.quiet(t)
			idle(t)
			passes, start := current.passes.in(p.namespace), current.wire.mark()
			for i := range 5 {
				happens(p, strings.Repeat("1", i+1))
			}
			p.levelled(t)
			other.passes(t, 2)
			idle(t)
			if now := current.passes.in(p.namespace); now != passes {
				t.Errorf("the operator made %d passes", now-passes)
			}
			if requests := current.wire.since(start, p.namespace); len(requests) > 0 {
				t.Errorf("the operator made the requests %v", requests)
			}
		})
	}
}

// seen waits until the operator's cache holds this version of an object.
func seen(t *testing.T, object client.Object) {
	t.Helper()
	cached, ok := object.DeepCopyObject().(client.Object)
	if !ok {
		t.Fatalf("%T is no object", object)
	}
	eventually(t, "seen", func() (bool, string) {
		if err := current.manager.GetCache().Get(t.Context(), client.ObjectKeyFromObject(object), cached); err != nil {
			return false, err.Error()
		}
		return cached.GetResourceVersion() == object.GetResourceVersion(), "the cache has another version"
	})
}

// idle waits until no pass is under way.
func idle(t *testing.T) {
	t.Helper()
	eventually(t, "idle", func() (bool, string) {
		families, err := metrics.Registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var working float64
		for _, family := range families {
			if name := family.GetName(); name == "controller_runtime_active_workers" || name == "workqueue_depth" {
				for _, metric := range family.GetMetric() {
					working += metric.GetGauge().GetValue()
				}
			}
		}
		return working == 0, fmt.Sprintf("%v passes are under way or wanted", working)
	})
}

// A crash between any two writes: of each pass only one write arrives, and its answer is lost.
func TestACrashAfterAnyWriteConverges(t *testing.T) {
	p := newNamespace(t)
	p.enrol(t)
	t.Cleanup(func() { current.wire.breakWith(nil) })
	lives := 0
	crashing := func() {
		lives++
		left := 1
		current.wire.breakWith(func(r request) fate {
			if !r.writes() || !strings.Contains(r.path, "/"+p.namespace+"/") {
				return arrives
			}
			left--
			if left == 0 {
				return lostAfter
			}
			return lostBefore
		})
	}
	crashing()
	p.declare(t)
	eventually(t, "ready", func() (bool, string) {
		crashing()
		before := current.passes.in(p.namespace)
		p.trigger(t)
		eventually(t, "another life", func() (bool, string) { return current.passes.in(p.namespace) > before, "none" })
		p.play(t)
		cluster := p.cluster(t)
		return condition(cluster, v1alpha1.ConditionReady).Status == metav1.ConditionTrue, fmt.Sprint(cluster.Status.Conditions)
	})
	current.wire.breakWith(nil)
	p.waitReady(t)
	if lives < 30 {
		t.Errorf("the operator crashed only %d times", lives)
	}
	testMetadata(t, p)
	testRestingPlatform(t, p)
	twin := newPlatform(t)
	twin.waitReady(t)
	if got, want := fmt.Sprint(p.present(t)), fmt.Sprint(twin.present(t)); got != want {
		t.Errorf("after crashes there are\n%s\nand without\n%s", got, want)
	}
}

// A status that could not be written because the cluster changed meanwhile is written in the next pass.
func TestAConflictingStatusWriteIsRepeated(t *testing.T) {
	p := newPlatform(t)
	p.waitApplied(t)
	t.Cleanup(func() { current.wire.breakWith(nil) })
	refused := 0
	current.wire.breakWith(func(r request) fate {
		if r.method == http.MethodPut && strings.HasSuffix(r.path, "/status") && strings.Contains(r.path, "/"+p.namespace+"/") &&
			strings.Contains(r.body, `every component is ready`) && refused == 0 {
			refused++
			return conflicts
		}
		return arrives
	})
	p.waitReady(t)
	if refused != 1 {
		t.Errorf("%d status writes were refused", refused)
	}
}

func TestWhatChangedWhileTheOperatorWasDownIsMended(t *testing.T) {
	p := newNamespace(t)
	p.enrol(t)
	p.pullSecret(t)
	p.declare(t, func(s *v1alpha1.FediFlowClusterSpec) { s.ImagePullSecrets = []v1alpha1.SecretName{{Name: "registry"}} })
	p.waitReady(t)
	whileDown(t, func() {
		p.respec(t, func(s *v1alpha1.FediFlowClusterSpec) { s.ImagePullSecrets = nil })
		p.delete(t, must(t, p, names.Component(plan.API), &corev1.Service{}))
		change(t, p, names.RedisStore(plan.Cache), &corev1.ConfigMap{}, func(c *corev1.ConfigMap) { c.Data["valkey.conf"] = "save 1 1" })
	})
	p.waitReady(t)
	// The comparison of present fields cannot see what is no longer rendered: the digest does.
	deployment := must(t, p, names.Component(plan.API), &appsv1.Deployment{})
	if secrets := deployment.Spec.Template.Spec.ImagePullSecrets; len(secrets) > 0 {
		t.Errorf("the API still pulls with %v", secrets)
	}
	must(t, p, names.Component(plan.API), &corev1.Service{})
	says(t, must(t, p, names.RedisStore(plan.Cache), &corev1.ConfigMap{}).Data["valkey.conf"], "allkeys-lfu")
}
