package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

// names are those of the FediFlowCluster in every test's namespace.
const names plan.ClusterName = "fediflow"

// applicationImage is the image in every test's spec.
const applicationImage = "fediflow/fediflow:test"

// platform is one namespace with one FediFlowCluster, and the actors that a real cluster has there.
type platform struct {
	namespace string
	patroni   *patroniActor
	sentinel  *sentinelActor
	// sick says which pods do not become ready; it may be nil.
	sick func(*corev1.Pod) bool
	// crowded says which pods are on nodes without room for more; it may be nil.
	crowded func(*corev1.Pod) bool
}

var platforms atomic.Int32

// newNamespace makes a namespace where pods must be restricted, not enrolled yet.
func newNamespace(t *testing.T) *platform {
	t.Helper()
	number := platforms.Add(1)
	p := &platform{namespace: fmt.Sprintf("test-%d", number)}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: p.namespace, Labels: map[string]string{"pod-security.kubernetes.io/enforce": "restricted"}}}
	p.create(t, namespace)
	p.patroni = newPatroniActor(p.namespace, number)
	p.sentinel = newSentinelActor(t, number)
	return p
}

// newPlatform makes an enrolled namespace with a FediFlowCluster of size Development.
func newPlatform(t *testing.T, edits ...func(*v1alpha1.FediFlowClusterSpec)) *platform {
	t.Helper()
	p := newNamespace(t)
	p.enrol(t)
	p.declare(t, edits...)
	return p
}

// enrol does what `kubectl apply -n NAME -k config/namespace` does.
func (p *platform) enrol(t *testing.T) {
	t.Helper()
	for _, object := range p.enrolment(t) {
		p.create(t, object)
	}
}

func (p *platform) enrolment(t *testing.T) []client.Object {
	t.Helper()
	objects, err := readManifests("config/namespace/secrets.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		object.SetNamespace(p.namespace)
	}
	return objects
}

// declare creates the FediFlowCluster.
func (p *platform) declare(t *testing.T, edits ...func(*v1alpha1.FediFlowClusterSpec)) {
	t.Helper()
	cluster := &v1alpha1.FediFlowCluster{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.namespace, Name: string(names)},
		Spec: v1alpha1.FediFlowClusterSpec{
			Domain: "social.example.edu", Image: applicationImage,
			Profile: v1alpha1.ProfileSpec{Size: v1alpha1.SizeDevelopment},
		},
	}
	for _, edit := range edits {
		edit(&cluster.Spec)
	}
	p.create(t, cluster)
	t.Cleanup(func() {
		// The operator leaves the platforms of other tests in peace.
		if err := client.IgnoreNotFound(admin.Delete(context.WithoutCancel(t.Context()), cluster)); err != nil {
			t.Error(err)
		}
	})
}

func (p *platform) create(t *testing.T, object client.Object) {
	t.Helper()
	if err := admin.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

func (p *platform) delete(t *testing.T, object client.Object) {
	t.Helper()
	if err := admin.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// get reads an object of the namespace, and says whether it exists.
func (p *platform) get(t *testing.T, name string, object client.Object) bool {
	t.Helper()
	err := admin.Get(t.Context(), p.key(name), object)
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
	return err == nil
}

// must reads an object that has to exist.
func must[T client.Object](t *testing.T, p *platform, name string, object T) T {
	t.Helper()
	if !p.get(t, name, object) {
		t.Fatalf("%T %s does not exist", object, name)
	}
	return object
}

func (p *platform) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: p.namespace, Name: name}
}

// list reads all objects of a kind in the namespace.
func (p *platform) list(t *testing.T, list client.ObjectList, options ...client.ListOption) {
	t.Helper()
	if err := admin.List(t.Context(), list, append(options, client.InNamespace(p.namespace))...); err != nil {
		t.Fatal(err)
	}
}

func (p *platform) cluster(t *testing.T) *v1alpha1.FediFlowCluster {
	t.Helper()
	return must(t, p, string(names), &v1alpha1.FediFlowCluster{})
}

// change edits an object, as a user with an editor does.
func change[T client.Object](t *testing.T, p *platform, name string, object T, edit func(T)) T {
	t.Helper()
	for {
		must(t, p, name, object)
		edit(object)
		err := admin.Update(t.Context(), object)
		if err == nil {
			return object
		}
		if !apierrors.IsConflict(err) {
			t.Fatal(err)
		}
	}
}

// respec edits the spec.
func (p *platform) respec(t *testing.T, edit func(*v1alpha1.FediFlowClusterSpec)) {
	t.Helper()
	change(t, p, string(names), &v1alpha1.FediFlowCluster{}, func(c *v1alpha1.FediFlowCluster) { edit(&c.Spec) })
}

// writtenKinds are the kinds of objects that the operator writes.
func writtenKinds() []client.Object {
	kinds := []client.Object{&corev1.Secret{}}
	for _, kind := range childKinds() {
		switch kind.(type) {
		case *corev1.Pod, *corev1.PersistentVolumeClaim, *corev1.Endpoints: //nolint:staticcheck // Patroni's state is in Endpoints
		default:
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// marker is the name of an object with the platform's labels that is not the operator's.
const marker = "marker"

// objects are the metadata of the operator's objects, by kind and name.
func (p *platform) objects(t *testing.T) map[string]metav1.PartialObjectMetadata {
	t.Helper()
	found := map[string]metav1.PartialObjectMetadata{}
	for _, kind := range writtenKinds() {
		gvk, err := apiutil.GVKForObject(kind, admin.Scheme())
		if err != nil {
			t.Fatal(err)
		}
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(gvk)
		p.list(t, list, client.MatchingLabels{plan.LabelCluster: string(names)})
		for _, item := range list.Items {
			if item.Name != marker {
				found[gvk.Kind+" "+item.Name] = item
			}
		}
	}
	return found
}

// pods are the UIDs of all pods, by name.
func (p *platform) pods(t *testing.T) map[string]string {
	t.Helper()
	var pods corev1.PodList
	p.list(t, &pods)
	found := map[string]string{}
	for _, pod := range pods.Items {
		found[pod.Name] = string(pod.UID)
	}
	return found
}

// versions are the UIDs and resourceVersions of the operator's objects: equal versions mean that
// nothing was written.
func (p *platform) versions(t *testing.T) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for name, object := range p.objects(t) {
		versions[name] = string(object.UID) + " " + object.ResourceVersion
	}
	return versions
}

// differing are the names whose values differ between two maps, sorted.
func differing(a, b map[string]string) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	maps.DeleteFunc(all, func(name, _ string) bool { return a[name] == b[name] })
	return slices.Sorted(maps.Keys(all))
}

// unchanged fails if an object was written, created or deleted.
func (p *platform) unchanged(t *testing.T, before map[string]string) {
	t.Helper()
	if changed := differing(before, p.versions(t)); len(changed) > 0 {
		t.Errorf("objects changed: %s", strings.Join(changed, ", "))
	}
}

// trigger makes the operator look again, by a change that means nothing.
func (p *platform) trigger(t *testing.T) {
	t.Helper()
	object := &corev1.ConfigMap{}
	if !p.get(t, marker, object) {
		object = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Namespace: p.namespace, Name: marker, Labels: names.Labels("test")}}
		p.create(t, object)
		return
	}
	object.Data = map[string]string{"after": object.ResourceVersion}
	if err := admin.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// passes waits for n passes that begin after the call and are over when it returns.
func (p *platform) passes(t *testing.T, n int) {
	t.Helper()
	// The passes of one cluster follow each other: one is over when the next has begun.
	for range n + 1 {
		before := current.passes.in(p.namespace)
		p.trigger(t)
		eventually(t, "another pass", func() (bool, string) {
			return current.passes.in(p.namespace) > before, "none began"
		})
	}
}

// levelled waits until the operator's cache holds what there is.
func (p *platform) levelled(t *testing.T) {
	t.Helper()
	eventually(t, "up to date", func() (bool, string) {
		for _, kind := range append(childKinds(), &v1alpha1.FediFlowCluster{}) {
			live, cached := p.read(t, admin, kind), p.read(t, current.manager.GetCache(), kind)
			if stale := differing(live, cached); len(stale) > 0 {
				return false, fmt.Sprintf("the cache has other versions of %T %v", kind, stale)
			}
		}
		return true, ""
	})
}

// quiet waits until the operator has seen everything there is and no pass is left that began before.
func (p *platform) quiet(t *testing.T) {
	t.Helper()
	p.levelled(t)
	p.passes(t, 1)
}

// read lists the versions of objects of a kind.
func (p *platform) read(t *testing.T, reader client.Reader, kind client.Object) map[string]string {
	t.Helper()
	gvk, err := apiutil.GVKForObject(kind, admin.Scheme())
	if err != nil {
		t.Fatal(err)
	}
	gvk.Kind += "List"
	object, err := admin.Scheme().New(gvk)
	if err != nil {
		t.Fatal(err)
	}
	list, ok := object.(client.ObjectList)
	if !ok {
		t.Fatalf("%T is no list", object)
	}
	options := []client.ListOption{client.InNamespace(p.namespace)}
	if _, own := kind.(*v1alpha1.FediFlowCluster); !own {
		options = append(options, client.MatchingLabels{plan.LabelManagedBy: plan.ManagedBy})
	}
	if err := reader.List(t.Context(), list, options...); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	err = meta.EachListItem(list, func(item runtime.Object) error {
		accessor, err := meta.Accessor(item)
		if err == nil {
			versions[accessor.GetName()] = accessor.GetResourceVersion()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return versions
}
