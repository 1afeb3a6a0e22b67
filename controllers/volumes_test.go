package controllers

import (
	"net/http"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
)

// bind gives every volume claim what it requests.
func (p *platform) bind(t *testing.T) {
	t.Helper()
	var claims corev1.PersistentVolumeClaimList
	p.list(t, &claims)
	for i := range claims.Items {
		claim := &claims.Items[i]
		claim.Status.Phase = corev1.ClaimBound
		claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: *claim.Spec.Resources.Requests.Storage()}
		p.writeStatus(t, claim)
	}
}

func databaseStorage(class, size string) func(*v1alpha1.FediFlowClusterSpec) {
	return func(s *v1alpha1.FediFlowClusterSpec) {
		s.Database = &v1alpha1.DatabaseSpec{Managed: &v1alpha1.ManagedDatabaseSpec{
			Storage: &v1alpha1.StorageSpec{StorageClassName: &class, Size: new(resource.MustParse(size))}}}
	}
}

func TestVolumesGrowWithoutARestartAndLaterMembersGetTheNewSize(t *testing.T) {
	t.Parallel()
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "elastic"}, Provisioner: "example.com/elastic", AllowVolumeExpansion: new(true)}
	if err := admin.Create(t.Context(), class); err != nil {
		t.Fatal(err)
	}
	p := newPlatform(t, databaseStorage("elastic", "5Gi"))
	p.waitReady(t)
	p.bind(t)
	p.waitReady(t)
	before := p.pods(t)
	mark := current.wire.mark()
	p.respec(t, databaseStorage("elastic", "8Gi"))
	p.waitFor(t, "growing", func(c *v1alpha1.FediFlowCluster) bool {
		p.play(t)
		return strings.Contains(condition(c, v1alpha1.ConditionReady).Message, "volume data-fediflow-postgres-0 grows from 5Gi to 8Gi")
	})
	eventually(t, "requested", func() (bool, string) {
		size := must(t, p, "data-fediflow-postgres-0", &corev1.PersistentVolumeClaim{}).Spec.Resources.Requests.Storage()
		return size.String() == "8Gi", size.String()
	})
	p.bind(t)
	p.waitReady(t)
	eventually(t, "made anew", func() (bool, string) {
		p.play(t)
		var set appsv1.StatefulSet
		if !p.get(t, "fediflow-postgres", &set) {
			return false, "there is no StatefulSet"
		}
		size := set.Spec.VolumeClaimTemplates[0].Spec.Resources.Requests.Storage()
		return size.String() == "8Gi", size.String()
	})
	p.waitReady(t)
	if changed := differing(before, p.pods(t)); len(changed) > 0 {
		t.Errorf("pods were replaced: %v", changed)
	}
	requests := 0
	for _, write := range current.wire.writesSince(mark, p.namespace) {
		if strings.Contains(write.path, "/persistentvolumeclaims/") {
			requests++
			if write.method != http.MethodPatch || !strings.Contains(write.body, `"resourceVersion"`) || !strings.Contains(write.body, `"uid"`) {
				t.Errorf("%s %s", write, write.body)
			}
		}
	}
	if requests != 1 {
		t.Errorf("%d requests for one volume", requests)
	}
	t.Run("a smaller size is not requested", func(t *testing.T) {
		p.respec(t, databaseStorage("elastic", "6Gi"))
		p.waitFor(t, "said", func(c *v1alpha1.FediFlowCluster) bool {
			p.play(t)
			return strings.Contains(componentMessage(c, "postgres"), "keeps its 8Gi although 6Gi is asked for: volumes never shrink")
		})
	})
}

func TestAVolumeThatCannotGrowIsSaidAndServes(t *testing.T) {
	t.Parallel()
	p := newPlatform(t, databaseStorage(storageClass, "5Gi"))
	p.waitReady(t)
	p.bind(t)
	p.respec(t, databaseStorage(storageClass, "8Gi"))
	cluster := p.waitReady(t)
	says(t, componentMessage(cluster, "postgres"), "volume data-fediflow-postgres-0 has 5Gi, the plan asks for 8Gi, and StorageClass fast cannot expand")
}

func componentMessage(cluster *v1alpha1.FediFlowCluster, name string) string {
	for _, c := range cluster.Status.Components {
		if c.Name == name {
			return c.Message
		}
	}
	return ""
}
