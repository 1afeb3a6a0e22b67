// Package provision is the lab's volume provisioner: a claim becomes a folder
// on the machine's disk, tied to the node that the scheduler chose.
package provision

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"

	"github.com/fediflow/fediflow-operator/hack/lab/internal/plan"
)

// Run serves claims until ctx ends.
func Run(ctx context.Context, kubeconfig string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	controller.NewProvisionController(ctx, client, plan.ProvisionerName, folders{root: plan.VolumeDir()},
		controller.LeaderElection(false), // there is one lab on a machine
		controller.RetryIntervalMax(5*time.Second),
	).Run(ctx)
	return nil
}

// folders makes and removes volumes below root.
type folders struct{ root string }

// Provision makes the folder of a claim. It is open to every user, as claims
// are mounted by pods that run as different ones.
func (f folders) Provision(_ context.Context, o controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	if o.SelectedNodeName == "" {
		return nil, controller.ProvisioningFinished, fmt.Errorf("claim %s has no node yet", o.PVC.Name)
	}
	dir := filepath.Join(f.root, o.SelectedNodeName, o.PVName+"_"+o.PVC.Namespace+"_"+o.PVC.Name)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("make volume: %w", err)
	}
	if err := os.Chmod(dir, 0o777); err != nil { // past the umask
		return nil, controller.ProvisioningFinished, fmt.Errorf("open volume: %w", err)
	}
	return volume(o, dir), controller.ProvisioningFinished, nil
}

// Delete removes the folder of a volume.
func (f folders) Delete(_ context.Context, pv *v1.PersistentVolume) error {
	if pv.Spec.Local == nil {
		return fmt.Errorf("volume %s is not a local one", pv.Name)
	}
	inside, err := filepath.Rel(f.root, pv.Spec.Local.Path)
	if err != nil || inside == "." || !filepath.IsLocal(inside) {
		return fmt.Errorf("volume %s is not below %s", pv.Name, f.root)
	}
	return os.RemoveAll(pv.Spec.Local.Path)
}

// volume describes a folder as a local volume, not a hostPath one: only the
// former takes the pod's fsGroup, as volumes of real clusters do.
func volume(o controller.ProvisionOptions, dir string) *v1.PersistentVolume {
	onNode := v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{{
		Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{o.SelectedNodeName},
	}}}
	return &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: o.PVC.Spec.Resources.Requests[v1.ResourceStorage]},
			PersistentVolumeSource:        v1.PersistentVolumeSource{Local: &v1.LocalVolumeSource{Path: dir}},
			NodeAffinity: &v1.VolumeNodeAffinity{
				Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{onNode}},
			},
		},
	}
}
