package provision

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	v1 "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func options(node string) controller.ProvisionOptions {
	reclaim := v1.PersistentVolumeReclaimDelete
	claim := &v1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "data"}}
	claim.Spec.Resources.Requests = v1.ResourceList{v1.ResourceStorage: resource.MustParse("1Gi")}
	return controller.ProvisionOptions{
		StorageClass: &storage.StorageClass{ReclaimPolicy: &reclaim},
		PVName:       "pvc-1", PVC: claim, SelectedNodeName: node,
	}
}

func TestAVolumeIsAFolderForEveryUserAndGoesWithItsData(t *testing.T) {
	f := folders{root: t.TempDir()}
	pv, _, err := f.Provision(context.Background(), options("node-a"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(pv.Spec.Local.Path)
	if err != nil || info.Mode().Perm() != 0o777 {
		t.Fatalf("folder is %v, %v", info, err)
	}
	if err := os.WriteFile(filepath.Join(pv.Spec.Local.Path, "x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(context.Background(), pv); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(pv.Spec.Local.Path); !os.IsNotExist(err) {
		t.Errorf("the data is still there: %v", err)
	}
}

func TestDeleteTouchesNothingOutsideOfItsRoot(t *testing.T) {
	outside := t.TempDir()
	f := folders{root: t.TempDir()}
	for _, path := range []string{outside, f.root + "/../" + filepath.Base(outside), f.root + "/"} {
		pv := volume(options("node-a"), path)
		if err := f.Delete(context.Background(), pv); err == nil {
			t.Errorf("deleted %s", path)
		}
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

func TestAClaimWithoutANodeWaits(t *testing.T) {
	f := folders{root: t.TempDir()}
	if pv, _, err := f.Provision(context.Background(), options("")); err == nil {
		t.Errorf("made %v", pv)
	}
}
