//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// statefulPods are the pods that hold state or a warm cache, with how often each was started.
func (e *environment) statefulPods(t *testing.T) string {
	t.Helper()
	var lines []string
	for _, component := range []plan.ComponentName{plan.Postgres, plan.Redis, plan.Edge} {
		for _, pod := range e.pods(t, component) {
			restarts := int32(0)
			for _, status := range pod.Status.ContainerStatuses {
				restarts += status.RestartCount
			}
			lines = append(lines, fmt.Sprintf("%s %s %d", pod.Name, pod.UID, restarts))
		}
	}
	return strings.Join(lines, "\n")
}

// asking asks the application through an edge, past its cache, until it is stopped; it returns how
// many requests there were and what went wrong.
func asking(t *testing.T, through tunnel) (stop func() (int, []string)) {
	t.Helper()
	done, ended := make(chan struct{}), sync.WaitGroup{}
	asked, failures := 0, []string(nil)
	ended.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
			asked++
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+through.address+"/users/admin", nil)
			if err != nil {
				failures = append(failures, err.Error())
				continue
			}
			request.Host = domain
			request.Header.Set("Accept", activityJSON)
			request.Header.Set("Cookie", "past=the-cache")
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				failures = append(failures, err.Error())
				continue
			}
			if response.StatusCode != http.StatusOK {
				failures = append(failures, response.Status)
			}
			_ = response.Body.Close()
		}
	})
	return func() (int, []string) {
		close(done)
		ended.Wait()
		return asked, failures
	}
}

// testResize: CPU and memory of what holds state change without a restart and without an error.
func testResize(t *testing.T, env *environment) {
	before, good := env.statefulPods(t), env.cluster(t).Spec
	stop := asking(t, env.tunnel(t, "us-east"))
	cpu, memory := resource.MustParse("60m"), resource.MustParse("160Mi")
	more := &v1alpha1.ResourceOverride{CPU: &cpu, Memory: &memory}
	env.change(t, func(spec *v1alpha1.FediFlowClusterSpec) {
		database := resource.MustParse("300m")
		spec.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{
			Resources: &v1alpha1.ResourceOverride{CPU: &database}}}
		spec.Redis = &v1alpha1.RedisSpec{Managed: &v1alpha1.ManagedRedisSpec{
			Queue: &v1alpha1.RedisQueueSpec{Resources: more}, Cache: &v1alpha1.RedisCacheSpec{Resources: more}}}
		spec.Edge.Resources = more
	})
	eventually(t, "resized", func() (bool, string) {
		for _, pod := range append(env.pods(t, plan.Edge), env.pods(t, plan.Redis)...) {
			status := pod.Status.ContainerStatuses[0]
			if pod.Labels[plan.LabelStore] == "sentinel" {
				continue
			}
			if status.Resources == nil || !status.Resources.Limits.Memory().Equal(memory) || !status.Resources.Requests.Cpu().Equal(cpu) {
				return false, pod.Name + " has not"
			}
		}
		return true, ""
	})
	env.waitReady(t)
	asked, failures := stop()
	t.Logf("%d requests meanwhile, %d failed", asked, len(failures))
	if len(failures) > 0 {
		t.Errorf("requests failed: %s", strings.Join(failures, "; "))
	}
	if after := env.statefulPods(t); after != before {
		t.Errorf("pods were restarted:\n%s\n\n%s", before, after)
	}
	store := env.kubectl(t, "exec", names.RedisStore(plan.Queue)+"-0", "--", "sh", "-c",
		"REDISCLI_AUTH=$VALKEY_PASSWORD valkey-cli config get maxmemory; cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true")
	for _, want := range []int64{memory.Value(), memory.Value() / 2} {
		if !strings.Contains(store, fmt.Sprint(want)) {
			t.Errorf("the store's cgroup and maxmemory are not %d: %s", want, store)
		}
	}
	env.change(t, func(spec *v1alpha1.FediFlowClusterSpec) { *spec = good })
	env.waitReady(t)
}

// testProfileWalk: however a profile was reached, the objects are those of a fresh start.
func testProfileWalk(t *testing.T, env *environment) {
	good := env.cluster(t).Spec
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same walk every time
	for range 20 {
		users := 20 + random.Int32N(80)
		env.change(t, func(spec *v1alpha1.FediFlowClusterSpec) {
			spec.Profile = v1alpha1.ProfileSpec{ActiveUsers: &users}
		})
		time.Sleep(time.Duration(random.Int32N(1500)) * time.Millisecond)
	}
	env.waitReady(t)
	final := env.cluster(t)
	walked := env.specs(t)
	env.deleteCluster(t)
	fresh := newCluster("")
	fresh.Spec = final.Spec
	if err := env.client.Create(t.Context(), fresh); err != nil {
		t.Fatal(err)
	}
	env.waitReady(t)
	for name, want := range env.specs(t) {
		if walked[name] != want {
			t.Errorf("%s after the walk:\n%s\nfresh:\n%s", name, walked[name], want)
		}
		delete(walked, name)
	}
	if len(walked) > 0 {
		t.Errorf("left over from the walk: %v", walked)
	}
	env.change(t, func(spec *v1alpha1.FediFlowClusterSpec) { *spec = good })
	env.waitReady(t)
}

// specs are what the operator wrote of its objects, by kind and name.
func (e *environment) specs(t *testing.T) map[string]string {
	t.Helper()
	output := e.kubectl(t, "get", "deploy,sts,cm,hpa,pdb,netpol,role", "-l", plan.LabelCluster+"="+clusterName, "-o", "json")
	var list struct {
		Items []struct {
			Kind     string `json:"kind"`
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Data  map[string]string `json:"data"`
			Spec  map[string]any    `json:"spec"`
			Rules []any             `json:"rules"`
		} `json:"items"`
	}
	if err := json.Unmarshal([]byte(output), &list); err != nil {
		t.Fatal(err)
	}
	specs := map[string]string{}
	for _, item := range list.Items {
		if item.Kind == "Deployment" {
			delete(item.Spec, "replicas") // the autoscaler's
		}
		text, err := json.Marshal([]any{item.Data, item.Spec, item.Rules})
		if err != nil {
			t.Fatal(err)
		}
		specs[item.Kind+" "+item.Metadata.Name] = string(text)
	}
	return specs
}

// testCapacity: a plan that nothing has room for is told before any pod is Pending.
func testCapacity(t *testing.T, env *environment) {
	quota := &corev1.ResourceQuota{}
	quota.Namespace, quota.Name = namespace, "small"
	quota.Spec.Hard = corev1.ResourceList{corev1.ResourceRequestsCPU: resource.MustParse("1")}
	if err := env.client.Create(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	schedulable := func(words ...string) func() (bool, string) {
		return func() (bool, string) {
			for _, condition := range env.cluster(t).Status.Conditions {
				if condition.Type == v1alpha1.ConditionSchedulable {
					for _, word := range words {
						if !strings.Contains(condition.Reason+condition.Message, word) {
							return false, condition.Message
						}
					}
					return true, condition.Message
				}
			}
			return false, "no condition"
		}
	}
	eventually(t, "told that the quota is too small", schedulable(v1alpha1.ReasonInsufficientCapacity, "ResourceQuota small", "requests.cpu"))
	if err := env.client.Delete(t.Context(), quota); err != nil {
		t.Fatal(err)
	}
	eventually(t, "told that there is room", schedulable(v1alpha1.ReasonFits))
}
