package component

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	acapps "k8s.io/client-go/applyconfigurations/apps/v1"
)

// Volume is a volume in use and the size that the plan asks for.
type Volume struct {
	// Set is the name of its StatefulSet.
	Set   string
	Claim *corev1.PersistentVolumeClaim
	Want  resource.Quantity
	// Expandable is set where its StorageClass lets volumes grow.
	Expandable bool
}

// Volumes are the bound volumes of all StatefulSets among the objects, sorted by name.
func Volumes(objects []Object, w World) []Volume {
	var volumes []Volume
	for _, object := range objects {
		set, ok := object.Configuration.(*acapps.StatefulSetApplyConfiguration)
		if !ok {
			continue
		}
		for _, template := range set.Spec.VolumeClaimTemplates {
			prefix := *template.Name + "-" + *set.Name + "-"
			want := (*template.Spec.Resources.Requests)[corev1.ResourceStorage]
			for _, claim := range w.claims(prefix) {
				class := claim.Spec.StorageClassName
				expandable := class != nil && slices.Contains(w.Expandable, *class)
				volumes = append(volumes, Volume{*set.Name, claim, want, expandable})
			}
		}
	}
	return volumes
}

// claims are the bound volume claims whose names are a prefix and an ordinal, but for those of
// retired members, sorted.
func (w World) claims(prefix string) []*corev1.PersistentVolumeClaim {
	var claims []*corev1.PersistentVolumeClaim
	for key, object := range w.Objects {
		claim, ok := object.(*corev1.PersistentVolumeClaim)
		ordinal, named := strings.CutPrefix(key.Name, prefix)
		if _, err := strconv.ParseUint(ordinal, 10, 31); !ok || !named || err != nil ||
			claim.Status.Phase != corev1.ClaimBound || claim.DeletionTimestamp != nil || IsRetired(claim) {
			continue
		}
		claims = append(claims, claim)
	}
	slices.SortFunc(claims, func(a, b *corev1.PersistentVolumeClaim) int { return cmp.Compare(a.Name, b.Name) })
	return claims
}

func (v Volume) requested() resource.Quantity { return *v.Claim.Spec.Resources.Requests.Storage() }

// capacity is what the volume has, or what was requested where nobody says.
func (v Volume) capacity() resource.Quantity {
	if have, ok := v.Claim.Status.Capacity[corev1.ResourceStorage]; ok {
		return have
	}
	return v.requested()
}

// tooSmall: a volume may have more than was requested.
func (v Volume) tooSmall() bool {
	requested, capacity := v.requested(), v.capacity()
	return requested.Cmp(v.Want) < 0 && capacity.Cmp(v.Want) < 0
}

// ToGrow says whether a larger size is to be requested. None is ever requested that is smaller.
func (v Volume) ToGrow() bool { return v.tooSmall() && v.Expandable }

// Growing says whether nothing else should be done to its pods until it has grown. Where it waits for
// the file system a restart does no harm, and may even help.
func (v Volume) Growing() bool {
	requested, capacity := v.requested(), v.capacity()
	switch {
	case v.ToGrow():
		return true
	case capacity.Cmp(requested) >= 0 || v.condition(corev1.PersistentVolumeClaimFileSystemResizePending) != nil:
		return false
	}
	switch v.Claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage] {
	case corev1.PersistentVolumeClaimControllerResizeInfeasible, corev1.PersistentVolumeClaimNodeResizeInfeasible:
		return false
	case corev1.PersistentVolumeClaimControllerResizeInProgress, corev1.PersistentVolumeClaimNodeResizePending,
		corev1.PersistentVolumeClaimNodeResizeInProgress:
	}
	return true
}

func (v Volume) condition(kind corev1.PersistentVolumeClaimConditionType) *corev1.PersistentVolumeClaimCondition {
	for i := range v.Claim.Status.Conditions {
		if c := &v.Claim.Status.Conditions[i]; c.Type == kind && c.Status == corev1.ConditionTrue {
			return c
		}
	}
	return nil
}

// progress says how far a volume is that is on its way to what was requested, or is empty.
func (v Volume) progress() string {
	requested, capacity := v.requested(), v.capacity()
	if capacity.Cmp(requested) >= 0 && !v.ToGrow() {
		return ""
	}
	if v.ToGrow() {
		requested = v.Want
	}
	text := fmt.Sprintf("volume %s grows from %s to %s", v.Claim.Name, capacity.String(), requested.String())
	if v.condition(corev1.PersistentVolumeClaimFileSystemResizePending) != nil {
		text += ", and waits for its file system to be resized: if it waits for long, its driver may need the pod to be restarted"
	}
	if status := v.Claim.Status.AllocatedResourceStatuses[corev1.ResourceStorage]; status != "" {
		text += fmt.Sprintf(" (%s)", status)
	}
	if c := cmp.Or(v.condition(corev1.PersistentVolumeClaimControllerResizeError),
		v.condition(corev1.PersistentVolumeClaimNodeResizeError)); c != nil {
		text += ": " + c.Message
	}
	return text
}

// difference says why a volume does not have and will not get the size that the plan asks for, or is
// empty.
func (v Volume) difference() string {
	requested, capacity := v.requested(), v.capacity()
	switch {
	case v.tooSmall() && !v.Expandable:
		return fmt.Sprintf("volume %s has %s, the plan asks for %s, and %s cannot expand: let it (allowVolumeExpansion: true) "+
			"if its driver can, or ask for %s", v.Claim.Name, capacity.String(), v.Want.String(), v.class(), capacity.String())
	case requested.Cmp(v.Want) > 0:
		return fmt.Sprintf("volume %s keeps its %s although %s is asked for: volumes never shrink",
			v.Claim.Name, requested.String(), v.Want.String())
	}
	return ""
}

func (v Volume) class() string {
	if v.Claim.Spec.StorageClassName == nil || *v.Claim.Spec.StorageClassName == "" {
		return "a volume without a StorageClass"
	}
	return "StorageClass " + *v.Claim.Spec.StorageClassName
}

// GrowingSets are the names of StatefulSets with a volume that grows.
func GrowingSets(volumes []Volume) map[string]bool {
	sets := map[string]bool{}
	for _, v := range volumes {
		if v.Growing() {
			sets[v.Set] = true
		}
	}
	return sets
}

// WithVolumes adds to a health what is to be said of the volumes of its StatefulSet.
func (h Health) WithVolumes(volumes []Volume) Health {
	h = h.Changing(first(volumes, Volume.progress))
	if difference := first(volumes, Volume.difference); difference != "" {
		h.Message = strings.TrimPrefix(h.Message+"; "+difference, "; ")
	}
	return h
}

// first is what is said of the first volume of which anything is, and of how many more.
func first(volumes []Volume, say func(Volume) string) string {
	text, more := "", 0
	for _, v := range volumes {
		switch said := say(v); {
		case said == "":
		case text == "":
			text = said
		default:
			more++
		}
	}
	if more > 0 {
		text += fmt.Sprintf(" (and %d more)", more)
	}
	return text
}

// Capacities are the sizes of the smallest data volume in use of each StatefulSet, by its name.
func (w World) Capacities() map[string]resource.Quantity {
	capacities := map[string]resource.Quantity{}
	for set := range w.Members() {
		for _, claim := range w.claims(DataVolume + "-" + set + "-") {
			have, known := claim.Status.Capacity[corev1.ResourceStorage]
			if least, seen := capacities[set]; known && (!seen || have.Cmp(least) < 0) {
				capacities[set] = have
			}
		}
	}
	return capacities
}
