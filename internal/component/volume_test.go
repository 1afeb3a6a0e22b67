package component

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
	accore "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/fediflow/fediflow-operator/api/v1alpha1"
	"github.com/fediflow/fediflow-operator/internal/plan"
)

func claim(name, requested, capacity string, changes ...func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
	c := &corev1.PersistentVolumeClaim{}
	c.Name, c.Status.Phase = name, corev1.ClaimBound
	c.Spec.StorageClassName = new("elastic")
	c.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(requested)}
	if capacity != "" {
		c.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(capacity)}
	}
	for _, change := range changes {
		change(c)
	}
	return c
}

func ofClass(name string) func(*corev1.PersistentVolumeClaim) {
	return func(c *corev1.PersistentVolumeClaim) { c.Spec.StorageClassName = &name }
}

func withCondition(kind corev1.PersistentVolumeClaimConditionType, message string) func(*corev1.PersistentVolumeClaim) {
	return func(c *corev1.PersistentVolumeClaim) {
		c.Status.Conditions = append(c.Status.Conditions, corev1.PersistentVolumeClaimCondition{Type: kind, Status: corev1.ConditionTrue, Message: message})
	}
}

func infeasible(c *corev1.PersistentVolumeClaim) {
	c.Status.AllocatedResourceStatuses = map[corev1.ResourceName]corev1.ClaimResourceStatus{
		corev1.ResourceStorage: corev1.PersistentVolumeClaimControllerResizeInfeasible,
	}
}

// asking are the volumes of a StatefulSet whose pods are to have a volume of a size each.
func asking(size string, claims ...*corev1.PersistentVolumeClaim) []Volume {
	w := World{Objects: map[Key]runtime.Object{}, Expandable: []string{"elastic"}}
	for _, c := range claims {
		w.Objects[Key{"PersistentVolumeClaim", c.Name}] = c
	}
	template := accore.PersistentVolumeClaim("data", "").WithSpec(accore.PersistentVolumeClaimSpec().
		WithResources(accore.VolumeResourceRequirements().WithRequests(corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)})))
	set := acapps.StatefulSet("db", "social").WithSpec(acapps.StatefulSetSpec().WithVolumeClaimTemplates(template))
	return Volumes(Owned(set), w)
}

func TestVolumesGrowWhereTheyCanAndNeverShrink(t *testing.T) {
	for name, test := range map[string]struct {
		claim         *corev1.PersistentVolumeClaim
		grow, growing bool
		state         v1alpha1.ComponentState
		says          string
	}{
		"the right size":              {claim("data-db-0", "10Gi", "10Gi"), false, false, v1alpha1.StateReady, ""},
		"the right size, rounded up":  {claim("data-db-0", "10Gi", "11Gi"), false, false, v1alpha1.StateReady, ""},
		"more than was requested":     {claim("data-db-0", "5Gi", "100Gi"), false, false, v1alpha1.StateReady, ""},
		"too small":                   {claim("data-db-0", "5Gi", "5Gi"), true, true, v1alpha1.StateProgressing, "volume data-db-0 grows from 5Gi to 10Gi"},
		"too small, and nobody knows": {claim("data-db-0", "5Gi", ""), true, true, v1alpha1.StateProgressing, "from 5Gi to 10Gi"},
		"too small, of another class": {claim("data-db-0", "5Gi", "5Gi", ofClass("local-path")), false, false, v1alpha1.StateReady,
			"volume data-db-0 has 5Gi, the plan asks for 10Gi, and StorageClass local-path cannot expand: let it (allowVolumeExpansion: true) if its driver can, or ask for 5Gi"},
		"too small, without a class": {claim("data-db-0", "5Gi", "5Gi", ofClass("")), false, false, v1alpha1.StateReady, "a volume without a StorageClass cannot expand"},
		"requested":                  {claim("data-db-0", "10Gi", "5Gi"), false, true, v1alpha1.StateProgressing, "grows from 5Gi to 10Gi"},
		"waiting for the file system": {claim("data-db-0", "10Gi", "5Gi", withCondition(corev1.PersistentVolumeClaimFileSystemResizePending, "")), false, false,
			v1alpha1.StateProgressing, "waits for its file system"},
		"refused by the driver": {claim("data-db-0", "10Gi", "5Gi", infeasible, withCondition(corev1.PersistentVolumeClaimControllerResizeError, "no room")), false, false,
			v1alpha1.StateProgressing, "(ControllerResizeInfeasible): no room"},
		"too large":                    {claim("data-db-0", "20Gi", "20Gi"), false, false, v1alpha1.StateReady, "volume data-db-0 keeps its 20Gi although 10Gi is asked for: volumes never shrink"},
		"growing to more than is left": {claim("data-db-0", "20Gi", "5Gi"), false, true, v1alpha1.StateProgressing, "volumes never shrink"},
	} {
		t.Run(name, func(t *testing.T) {
			volumes := asking("10Gi", test.claim)
			if len(volumes) != 1 {
				t.Fatalf("%d volumes", len(volumes))
			}
			if v := volumes[0]; v.ToGrow() != test.grow || v.Growing() != test.growing || GrowingSets(volumes)["db"] != test.growing {
				t.Errorf("to grow: %t; growing: %t", v.ToGrow(), v.Growing())
			}
			h := NewHealth("db", v1alpha1.StateReady, v1alpha1.ReasonReady, "").WithVolumes(volumes)
			if h.State != test.state || !strings.Contains(h.Message, test.says) || (h.Message == "") != (test.says == "") {
				t.Errorf("%s: %s", h.State, h.Message)
			}
		})
	}
}

func TestOnlyBoundVolumesInUseGrow(t *testing.T) {
	volumes := asking("10Gi",
		claim("data-db-1", "5Gi", "5Gi"), claim("data-db-0", "5Gi", "5Gi"),
		claim("data-db-2", "5Gi", "5Gi", func(c *corev1.PersistentVolumeClaim) { c.Labels = map[string]string{plan.LabelRetired: "true"} }),
		claim("data-db-3", "5Gi", "", func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimPending }),
		claim("data-db-ro-0", "5Gi", "5Gi"), claim("cache-db-0", "5Gi", "5Gi"))
	if len(volumes) != 2 || volumes[0].Claim.Name != "data-db-0" || volumes[1].Claim.Name != "data-db-1" {
		t.Errorf("%v", volumes)
	}
	if h := NewHealth("db", v1alpha1.StateReady, "", "").WithVolumes(volumes); !strings.Contains(h.Message, "data-db-0 grows from 5Gi to 10Gi (and 1 more)") {
		t.Error(h.Message)
	}
}

// Safety rule 18: the resize comes first and alone.
func TestSafetyNoPodIsReplacedWhileAVolumeGrows(t *testing.T) {
	w := World{Objects: map[Key]runtime.Object{{"StatefulSet", "db"}: statefulSet(1)}}
	pods := []*corev1.Pod{member(0, stale)}
	if step := NextStep(w.Rollable("db"), pods, "", nil); step.Action != ActionDelete {
		t.Errorf("%v", step)
	}
	w.Growing = GrowingSets(asking("10Gi", claim("data-db-0", "5Gi", "5Gi")))
	if step := NextStep(w.Rollable("db"), pods, "", nil); step.Action != ActionNone {
		t.Errorf("%v", step)
	}
}

func TestTheSmallestVolumeInUseIsWhatSettingsMayCountOn(t *testing.T) {
	w := World{Objects: map[Key]runtime.Object{}}
	for _, c := range []*corev1.PersistentVolumeClaim{
		claim("data-db-0", "10Gi", "10Gi"), claim("data-db-1", "10Gi", "5Gi"), claim("data-db-2", "1Gi", "1Gi",
			func(c *corev1.PersistentVolumeClaim) { c.Labels = map[string]string{plan.LabelRetired: "true"} }),
	} {
		w.Objects[Key{"PersistentVolumeClaim", c.Name}] = c
	}
	if have := w.Capacities()["db"]; have.String() != "5Gi" {
		t.Errorf("%s", have.String())
	}
}
