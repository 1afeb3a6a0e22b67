package component

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fediflow/fediflow-operator/internal/plan"
)

// DataVolume is the name of the volumes that hold data, in contrast to caches.
const DataVolume = "data"

// Key identifies a child object in the namespace of its cluster.
type Key struct{ Kind, Name string }

// World is what was observed of one cluster, once per pass. Nothing in it may be changed.
type World struct {
	// Objects are the live children by kind and name.
	Objects map[Key]runtime.Object
	// Pods of the cluster, sorted by name.
	Pods []*corev1.Pod
	// Masters are the pods that Sentinel says are masters, by store; empty where nobody answered.
	Masters map[plan.StoreName]string
	// Cordoned are the names of nodes that take no new pods.
	Cordoned []string
	// Expandable are the names of StorageClasses whose volumes can grow.
	Expandable []string
	// Growing are the names of StatefulSets with a volume that grows: nothing else is done to their pods.
	Growing map[string]bool
}

func lookup[T runtime.Object](w World, kind, name string) (T, bool) {
	object, ok := w.Objects[Key{kind, name}].(T)
	return object, ok
}

// Deployment returns a Deployment, or nil.
func (w World) Deployment(name string) *appsv1.Deployment {
	object, _ := lookup[*appsv1.Deployment](w, "Deployment", name)
	return object
}

// StatefulSet returns a StatefulSet, or nil.
func (w World) StatefulSet(name string) *appsv1.StatefulSet {
	object, _ := lookup[*appsv1.StatefulSet](w, "StatefulSet", name)
	return object
}

// Job returns a Job, or nil.
func (w World) Job(name string) *batchv1.Job {
	object, _ := lookup[*batchv1.Job](w, "Job", name)
	return object
}

// Autoscaler returns a HorizontalPodAutoscaler, or nil.
func (w World) Autoscaler(name string) *autoscalingv2.HorizontalPodAutoscaler {
	object, _ := lookup[*autoscalingv2.HorizontalPodAutoscaler](w, "HorizontalPodAutoscaler", name)
	return object
}

// Complete adds to facts what is known of the volumes.
func (w World) Complete(facts plan.Facts) plan.Facts {
	facts.Members, facts.Retired, facts.Capacities = w.Members(), w.Retired(), w.Capacities()
	return facts
}

// Rollable returns a StatefulSet whose pods may be replaced, or nil.
func (w World) Rollable(name string) *appsv1.StatefulSet {
	if w.Growing[name] {
		return nil
	}
	return w.StatefulSet(name)
}

// Members counts the members of each StatefulSet that have a data volume in use, by its name.
func (w World) Members() map[string]int32 {
	return w.countVolumes(w.inUse)
}

// Retired counts the members of each StatefulSet beyond those of Members whose volumes are kept.
func (w World) Retired() map[string]int32 {
	retired := map[string]int32{}
	members := w.Members()
	for set, all := range w.countVolumes(func(string, string, *corev1.PersistentVolumeClaim) bool { return true }) {
		if all > members[set] {
			retired[set] = all - members[set]
		}
	}
	return retired
}

// inUse: whoever leads is no retired member, whatever its volume says, and the first one never retires.
func (w World) inUse(set, member string, claim *corev1.PersistentVolumeClaim) bool {
	return !IsRetired(claim) || member == plan.Member(set, 0) || member == w.Annotations("Endpoints", set)["leader"]
}

// IsRetired says whether a volume is that of a member that was removed.
func IsRetired(claim *corev1.PersistentVolumeClaim) bool {
	return claim.Labels[plan.LabelRetired] != ""
}

// countVolumes counts up to the highest ordinal whose data volume is to be counted.
func (w World) countVolumes(counts func(set, member string, claim *corev1.PersistentVolumeClaim) bool) map[string]int32 {
	members := map[string]int32{}
	for key, object := range w.Objects {
		claim, isClaim := object.(*corev1.PersistentVolumeClaim)
		member, ok := strings.CutPrefix(key.Name, DataVolume+"-")
		end := strings.LastIndex(member, "-")
		if !isClaim || !ok || end < 0 {
			continue
		}
		set := member[:end]
		ordinal, err := strconv.ParseInt(member[end+1:], 10, 32)
		if err == nil && counts(set, member, claim) {
			members[set] = max(members[set], int32(ordinal)+1)
		}
	}
	return members
}

// Volume returns a volume of a member of a StatefulSet, or nil.
func (w World) Volume(template, member string) *corev1.PersistentVolumeClaim {
	object, _ := lookup[*corev1.PersistentVolumeClaim](w, "PersistentVolumeClaim", template+"-"+member)
	return object
}

// Annotations returns the annotations of an object of the core group, or nil.
func (w World) Annotations(kind, name string) map[string]string {
	object, ok := w.Objects[Key{kind, name}].(interface{ GetAnnotations() map[string]string })
	if !ok {
		return nil
	}
	return object.GetAnnotations()
}

// PodsWith returns the pods that carry all of the labels, sorted by name.
func (w World) PodsWith(labels map[string]string) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, pod := range w.Pods {
		if hasAll(pod.Labels, labels) {
			pods = append(pods, pod)
		}
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	return pods
}

func hasAll(have, want map[string]string) bool {
	for key, value := range want {
		if have[key] != value {
			return false
		}
	}
	return true
}

// Kinds are the kinds among the observed objects, sorted.
func (w World) Kinds() []string {
	kinds := map[string]bool{}
	for key := range w.Objects {
		kinds[key.Kind] = true
	}
	return slices.Sorted(maps.Keys(kinds))
}

// IsReady says whether a pod is ready and not on its way out.
func IsReady(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp != nil {
		return false
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
